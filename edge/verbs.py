"""The agent's verbs, and those of a desk that run its sandbox."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add them."""
    _agent(verbs)
    _app(verbs)
    _bench(verbs)


def _agent(verbs: "Verbs") -> None:
    run = verbs.verb("agent", "edge.cli:run", "run the agent, or talk to the one that runs here")
    run.add_argument("--name", default=_hostname(), help="the node's name")
    run.add_argument("--cloud", default=verbs.cloud_url, metavar="URL", help="where to connect")
    run.add_argument(
        "--token",
        metavar="TOKEN|@FILE",
        help="join token, used once; a cloud of yours on this machine needs none",
    )
    run.add_argument("--ca-pin", metavar="sha256:HEX", help="the CA to meet, when without a token")
    run.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label of this node, taken when it first joins; may be repeated",
    )
    run.add_argument("--board", type=Path, metavar="FILE", help="board description (TOML)")
    run.add_argument(
        "--outbox", type=int, default=64, metavar="MB", help="telemetry kept while offline"
    )
    run.add_argument(
        "--runtime",
        type=Path,
        metavar="DIR",
        help="directory in RAM (/run/skerry): relaxed telemetry then writes the card once a second",
    )
    verbs.key_store(run)
    run.add_argument(
        "--trust-root",
        type=Path,
        metavar="FILE",
        help="whose signatures count: `skerry keys init`",
    )
    run.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="while this node has no root of trust, run what nobody signed; the cloud is told",
    )
    run.add_argument(
        "--boot-facts",
        type=Path,
        metavar="DIR",
        help="what the init of an image left in RAM: feeds the watchdog, confirms slots on trial",
    )
    verbs.state(run)
    talk = verbs.below(run, "verbs for the agent that runs here")
    verbs.local(talk.verb("status", "edge.cli:status", "show node, link and outbox"))
    verbs.local(talk.verb("apps", "edge.cli:apps", "list the apps of this node"))
    logs = talk.verb("logs", "edge.cli:logs", "show log lines kept on this node")
    logs.add_argument("app", nargs="?", help="only this app's")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines arrive")
    logs.add_argument("-n", "--tail", type=int, default=100, metavar="LINES", help="newest lines")
    verbs.local(logs)
    for name, text in (
        ("restart", "restart an app now"),
        ("hold", "stop an app and keep it stopped, whatever the cloud wants"),
        ("unhold", "let a held app run again"),
    ):
        verb = talk.verb(name, "edge.cli:act", text)
        verb.set_defaults(verb=name)
        verb.add_argument("app", help="its name on this node")
        verbs.state(verb)
    drive = talk.verb("drive", "edge.cli:drive", "change the simulated board")
    drive.add_argument("target", help="what to change: i2c-1:0x48, GPIO4")
    drive.add_argument("values", nargs="+", metavar="NAME=VALUE", help="temperature=30.5, level=1")
    verbs.state(drive)
    verbs.local(talk.verb("board", "edge.cli:board", "show what the simulated board drives"))


def _app(verbs: "Verbs") -> None:
    does = verbs.group("app")
    test = does.verb("test", "edge.apptest:test", "run an app against its simulated board")
    test.add_argument("directory", type=Path, nargs="?", default=Path(), help="the app, built")
    test.add_argument("--board", type=Path, help="scenario file; the app's board.toml by default")


def _bench(verbs: "Verbs") -> None:
    does = verbs.group("bench")
    nodes = does.verb(
        "nodes", "edge.hollow:bench", "connect hollow nodes: real sessions, no board"
    )
    nodes.add_argument("--count", type=int, default=100, help="nodes to connect")
    nodes.add_argument("--seconds", type=float, default=10.0, help="how long, once connected")
    nodes.add_argument(
        "--rate", type=float, default=1.0, help="telemetry records a second from each"
    )
    nodes.add_argument("--ramp", type=float, default=100.0, help="new connections a second")
    nodes.add_argument(
        "--faults", type=float, default=0.0, help="share of the connections cut each second"
    )
    nodes.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")
    verbs.cloud(nodes, output=False)


def _hostname() -> str:
    return os.uname().nodename.split(".")[0].lower()
