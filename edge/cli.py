"""`skerry agent`: run the agent, or talk to the one that runs on this board."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.control import Request, call
from edge.errors import ControlError

SEVERITY = {3: "error", 4: "warning", 6: "info", 7: "debug"}
TOKEN_LIMIT = 4096
"""Characters read of a file with a token; one takes about 120."""
KEYS_HOME = "~/.config/skerry/keys"
Json = dict[str, Any]
OUTBOX_MAX_MB = 64 << 10
"""64 GB: a card's worth; the store's map is three times as large and sparse."""


def run(args: Namespace) -> int:
    """Run the agent until it is told to stop."""
    from edge.config import AgentConfig  # noqa: PLC0415 - the verbs below need none of this
    from edge.launch import launch  # noqa: PLC0415

    if not 1 <= args.outbox <= OUTBOX_MAX_MB:
        raise ControlError(f"--outbox: {args.outbox} is not from 1 to {OUTBOX_MAX_MB} MB")
    config = AgentConfig(
        name=args.name,
        cloud=args.cloud,
        labels=_pairs(args.label, "--label"),
        token=_secret(args.token),
        ca_pin=args.ca_pin,
        board=args.board,
        state=args.state,
        outbox_limit=args.outbox << 20,
        runtime=args.runtime,
        trust_root=args.trust_root or _desk_root(),
        allow_unsigned=args.allow_unsigned,
        boot_facts=args.boot_facts,
        key_store=args.key_store,
    )
    return launch(config)


def _desk_root() -> Path | None:
    """The root of who makes keys and runs an agent on one desk; a board has none."""
    root = Path(os.environ.get("SKERRY_KEYS", KEYS_HOME)).expanduser() / "root.cose"
    return root if root.exists() else None


def status(args: Namespace) -> None:
    """Show node, link and outbox."""
    (found,) = _ask(args, Request(verb="status"))
    if args.output == "json":
        _json(found)
        return
    link, outbox = found["link"], found["outbox"]
    _lines(
        ("node", f"{found['node']} (board {found['board']}, agent {found['agent']})"),
        ("cloud", found["cloud"]),
        ("link", _link(link)),
        ("revision", found["revision"]),
        ("apps", f"{found['running']} of {found['apps']} running"),
        (
            "outbox",
            f"{outbox['entries']} calls, {outbox['bytes']} of {outbox['limit']} bytes; "
            f"{outbox['dropped']} records dropped",
        ),
        ("memory", f"{found['pss_kb'] / 1024:.1f} MB PSS"),
        ("up", f"{found['uptime']:.0f} s"),
    )


def apps(args: Namespace) -> None:
    """List the apps of this node."""
    found = list(_ask(args, Request(verb="apps")))
    if args.output == "json":
        _json(found)
        return
    header = ("APP", "STATE", "READY", "VERSION", "RESTARTS", "REASON")
    rows = [
        (
            app["name"],
            app["state"],
            "yes" if app["ready"] else "no",
            app["version"],
            str(app["restarts"]),
            " ".join(filter(None, (app["reason"], app["message"]))),
        )
        for app in found
    ]
    _table(header, rows)


def logs(args: Namespace) -> None:
    """Show log lines kept on this node."""
    request = Request(verb="logs", app=args.app, tail=args.tail, follow=args.follow)
    for line in _ask(args, request):
        if args.output == "json":
            print(msgspec.json.encode(line).decode(), flush=True)
        else:
            level = SEVERITY.get(line["level"], str(line["level"]))
            print(f"{line['time']} {line['app'] or 'agent'} {level}: {line['text']}", flush=True)


def act(args: Namespace) -> None:
    """Restart, hold or unhold an app."""
    for _ in _ask(args, Request(verb=args.verb, app=args.app)):
        pass
    print(f"{args.app}: {args.verb} asked")


def drive(args: Namespace) -> None:
    """Change the simulated board."""
    values: dict[str, str | float | bool] = {}
    for name, text in _pairs(args.values, "values").items():
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = {"true": True, "false": False}.get(text, text)
    for _ in _ask(args, Request(verb="drive", target=args.target, values=values)):
        pass


def board(args: Namespace) -> None:
    """Show what the simulated board drives."""
    found = list(_ask(args, Request(verb="board")))
    if args.output == "json":
        _json(found)
        return
    _table(("RESOURCE", "STATE"), [(part["resource"], part["state"]) for part in found])


def _ask(args: Namespace, request: Request) -> Iterator[Json]:
    return call(args.state / "control.sock", request)


def _link(link: Json) -> str:
    text = f"{link['state']} since {link['since']}"
    if link.get("error"):
        text += f"; last error: {link['error']}"
    if link.get("next_try") is not None:
        text += f"; next try in {link['next_try']:.0f} s"
    return text


def _secret(text: str | None) -> str | None:
    """The value of an option that is a secret, or of the file it names with @."""
    if text is None or not text.startswith("@"):
        return text
    with Path(text[1:]).open(encoding="ascii") as file:
        return file.read(TOKEN_LIMIT).strip()


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ControlError(f"{option}: {text!r} is not NAME=VALUE")
        found[name] = value
    return found


def _lines(*pairs: tuple[str, object]) -> None:
    for name, value in pairs:
        print(f"{name + ':':<10} {value}")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        print("none", file=sys.stderr)
        return
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    for line in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("   ".join(cells).rstrip())


def _json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
