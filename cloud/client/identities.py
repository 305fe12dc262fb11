"""`skerry token`, `skerry node`, `skerry ca`: who may join, who has joined, whom all trust."""

import sys
from argparse import Namespace
from collections.abc import Sequence

from cloud.client import output
from cloud.client.api import Client
from cloud.client.carrying import pairs
from cloud.client.errors import InputError

ROOT = "/apis/identity.skerry.dev/v1alpha1"
SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def token_create(args: Namespace) -> None:
    """Make a join token; it is printed once and nowhere kept."""
    body = {
        "uses": args.uses,
        "expiresSeconds": _seconds(args.expires),
        "pattern": args.pattern,
        "labels": pairs(args.label, "--label"),
        "claims": args.claim,
    }
    with Client(args.cloud) as client:
        made = client.json("POST", f"{ROOT}/tokens", json=body)
    if args.output == "table":
        print(made["token"])
    else:
        output.show(made, args.output)


def token_list(args: Namespace) -> None:
    """Every token, without its secret."""
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ROOT}/tokens")["items"]
    if args.output != "table":
        output.show(found, args.output)
        return
    rows = [
        (
            token["id"],
            str(token["usesLeft"]),
            token["expires"],
            token["pattern"],
            ",".join(f"{key}={value}" for key, value in token["labels"].items()) or "-",
            ",".join(token["claims"]) or "-",
        )
        for token in found
    ]
    _rows(("TOKEN", "USES LEFT", "EXPIRES", "NAMES", "LABELS", "CLAIMS"), rows)


def token_delete(args: Namespace) -> None:
    """Make tokens worthless."""
    with Client(args.cloud) as client:
        for token in args.tokens:
            client.json("DELETE", f"{ROOT}/tokens/{token}")
            print(f"token {token} deleted")


def requests(args: Namespace) -> None:
    """Nodes that ask to join without a token."""
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ROOT}/requests")["items"]
    if args.output != "table":
        output.show(found, args.output)
        return
    rows = [(each["node"], each["address"], each["requested"], each["key"]) for each in found]
    _rows(("NODE", "ADDRESS", "SINCE", "KEY"), rows)


def approve(args: Namespace) -> None:
    """Let a waiting node in."""
    with Client(args.cloud) as client:
        client.json("POST", f"{ROOT}/requests/{args.node}/approve")
    print(f"node {args.node} approved; it joins when it asks again")


def refuse(args: Namespace) -> None:
    """Forget a waiting node's request."""
    with Client(args.cloud) as client:
        client.json("DELETE", f"{ROOT}/requests/{args.node}")
    print(f"node {args.node} refused")


def revoke(args: Namespace) -> None:
    """End a node's identity and its connections."""
    with Client(args.cloud) as client:
        gone = client.json("POST", f"{ROOT}/nodes/{args.node}/revoke")["certificates"]
    print(f"node {args.node} revoked ({gone} certificates); it may join again with a token")


def ca(args: Namespace) -> None:
    """Show the CA, or do one step of its rotation."""
    with Client(args.cloud) as client:
        if args.step == "show":
            found = client.json("GET", f"{ROOT}/ca")
        else:
            body = {"force": getattr(args, "force", False)}
            found = client.json("POST", f"{ROOT}/ca/{args.step}", json=body)
    if args.output != "table":
        output.show(found, args.output)
        return
    print(f"signs:    sha256:{found['pin']} until {found['notAfter']}")
    if found["incoming"]:
        print(f"next:     sha256:{found['incoming']}")
    for old in found["outgoing"]:
        print(f"retiring: sha256:{old}")
    if found["incoming"] or found["outgoing"]:
        print(f"waits for: {', '.join(found['lagging']) or 'no node'}")


def _seconds(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in SPANS:
        raise InputError(f"--expires: {text!r} is not like 30m, 24h or 7d")
    return int(number) * SPANS[unit]


def _rows(header: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        output.show_rows(header, rows)
    else:
        print("none", file=sys.stderr)
