"""`skerry user`, `serviceaccount`, `login`, `whoami`, `audit`, `kubeconfig`."""

import json
import sys
import time
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from cloud.client import context, output
from cloud.client.api import Client, Json
from cloud.client.errors import InputError
from edge.wire.joining import CloudContext

ACCESS = "/apis/access.skerry.dev/v1alpha1"
POLL = 1.0
"""Seconds between two looks with --follow."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HEADER = ("TIME", "WHO", "FROM", "VERB", "WHAT", "CODE", "REASON")


def create(args: Namespace) -> None:
    """Make an account and print its first token, which is shown only now."""
    body: Json = {"name": args.name, "roles": args.role}
    if args.expires:
        body["expiresSeconds"] = _seconds(args.expires)
    with Client(args.cloud) as client:
        made = client.json("POST", f"{ACCESS}/{args.accounts}", content=json.dumps(body))
    _show_token(made, args)


def accounts(args: Namespace) -> None:
    """List accounts."""
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ACCESS}/{args.accounts}")
    if args.output != "table":
        output.show(found, args.output)
        return
    rows = [(each["name"], _when(each["created_ns"])) for each in found["items"]]
    output.show_rows(("NAME", "MADE"), rows)


def remove(args: Namespace) -> None:
    """Delete an account with all its tokens."""
    with Client(args.cloud) as client:
        client.request("DELETE", f"{ACCESS}/{args.accounts}/{args.name}")
    print(f"{args.accounts}/{args.name} deleted; its tokens are invalid")


def token(args: Namespace) -> None:
    """Make one more token of an account; it is shown only now."""
    kind = "user" if args.accounts == "users" else "service"
    body: Json = {"kind": kind, "name": args.name, "description": args.description}
    if args.expires:
        body["expiresSeconds"] = _seconds(args.expires)
    with Client(args.cloud) as client:
        made = client.json("POST", f"{ACCESS}/tokens", content=json.dumps(body))
    _show_token(made, args)


def tokens(args: Namespace) -> None:
    """List tokens: what is known of them, never their text."""
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ACCESS}/tokens")
    kind = "user" if args.accounts == "users" else "service"
    items = [each for each in found["items"] if each["kind"] == kind]
    if args.output != "table":
        output.show({**found, "items": items}, args.output)
        return
    rows = [
        (
            each["id"],
            each["name"],
            each["description"],
            _when(each["created_ns"]),
            _when(each["expires_ns"]),
            _when(each["used_ns"]),
        )
        for each in items
    ]
    output.show_rows(("ID", "OF", "DESCRIPTION", "MADE", "EXPIRES", "USED"), rows)


def revoke(args: Namespace) -> None:
    """Revoke a token by its id."""
    with Client(args.cloud) as client:
        client.request("DELETE", f"{ACCESS}/tokens/{args.id}")
    print(f"token {args.id} revoked")


def login(args: Namespace) -> None:
    """Keep a token for a cloud, after trying it; it is read from standard input."""
    if sys.stdin.isatty():
        print("token: ", end="", file=sys.stderr, flush=True)
    text = sys.stdin.readline().strip()
    if not text:
        raise InputError("token: none given; write it to standard input")
    with Client(args.cloud, token=text) as client:
        found = client.json("GET", f"{ACCESS}/whoami")
    url = args.cloud.rstrip("/")
    known = context.load(url) or CloudContext(url=url)
    path = context.save(structs.replace(known, user=found["name"], token=text))
    print(f"{found['kind']} {found['name']} at {args.cloud}; kept in {path}")


def whoami(args: Namespace) -> None:
    """Show who the cloud takes us for."""
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ACCESS}/whoami")
    if args.output != "table":
        output.show(found, args.output)
        return
    print(f"{found['kind']} {found['name']} at {args.cloud}")
    print(f"roles: {', '.join(found['roles']) or 'none'}")


def audit(args: Namespace) -> None:
    """Show who did what, oldest first."""
    which = {key: getattr(args, key) for key in ("actor", "verb", "kind", "name")}
    params = {key: value for key, value in which.items() if value} | {"limit": str(args.limit)}
    with Client(args.cloud) as client:
        found = client.json("GET", f"{ACCESS}/audit", params=params)
        if args.output != "table" and not args.follow:
            output.show(found, args.output)
            return
        if args.output == "table":
            print("   ".join(_HEADER))
        last = 0
        while True:
            _show_records(found["items"], args.output)
            last = found["metadata"]["last"] or last
            if not args.follow:
                return
            sys.stdout.flush()
            if not found["items"]:
                time.sleep(POLL)
            found = client.json("GET", f"{ACCESS}/audit", params=params | {"after": str(last)})


def kubeconfig(args: Namespace) -> None:
    """Print a kubeconfig with which kubectl speaks to this cloud as us; it holds the token."""
    known = context.find(args.cloud)
    if not known.token:
        raise InputError(f"{args.cloud}: no token is known; use `skerry login`")
    print(json.dumps(_kubeconfig(known, args.cloud), indent=2))


def _kubeconfig(known: CloudContext, url: str) -> dict[str, Any]:
    """Kubectl reads JSON as the YAML it is."""
    import base64  # noqa: PLC0415 - only here

    cluster: dict[str, str] = {"server": url}
    if known.ca:
        cluster["certificate-authority-data"] = base64.b64encode(known.ca.encode()).decode()
    user = known.user or "me"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "skerry", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": known.token}}],
        "contexts": [{"name": "skerry", "context": {"cluster": "skerry", "user": user}}],
        "current-context": "skerry",
    }


def _show_token(made: Json, args: Namespace) -> None:
    if args.output != "table":
        output.show(made, args.output)
        return
    print(f"{made['kind']} {made['name']}, token {made['id']}, shown only now:", file=sys.stderr)
    print(made["token"])


def _show_records(items: list[Json], form: str) -> None:
    for each in items:
        if form != "table":
            print(json.dumps(each))
            continue
        who = f"{each['actorKind']} {each['actor']}".strip()
        what = "/".join(part for part in (each["kind"], each["namespace"], each["name"]) if part)
        cells = (_when(each["timeNs"]), who, each["address"], each["verb"], what)
        print("   ".join((*cells, str(each["code"]), each.get("reason", ""))).rstrip())


def _when(time_ns: int | None) -> str:
    if time_ns is None:
        return "never"
    return datetime.fromtimestamp(time_ns // 10**9, UTC).isoformat().replace("+00:00", "Z")


def _seconds(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS:
        raise InputError(f"--expires: {text!r} is not a span like 12h or 90d")
    return int(number) * _UNITS[unit]
