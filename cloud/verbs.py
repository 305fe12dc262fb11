"""The service's verb, and those that show and change its objects and readings."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs

KINDS = "nodes, apps, appinstances, firmwares, firmwareinstances"


def add(verbs: "Verbs") -> None:
    """Add them."""
    _cloud(verbs)
    _objects(verbs)
    _readings(verbs)


def _cloud(verbs: "Verbs") -> None:
    verb = verbs.verb("cloud", "cloud.cli:run", "run the cloud service")
    verb.add_argument(
        "--listen", default="127.0.0.1:8480", metavar="HOST:PORT", help="port 0 takes any free one"
    )
    verb.add_argument(
        "--data", type=Path, default=verbs.state_home / "cloud", help="database and blobs"
    )
    verb.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME|ADDRESS",
        help="how nodes and people reach it, beside this host's own name; may be repeated",
    )
    verbs.key_store(verb)
    verb.add_argument(
        "--node-days", type=int, default=90, metavar="DAYS", help="life of a node's certificate"
    )
    verb.add_argument(
        "--reenrol-days",
        type=int,
        default=365,
        metavar="DAYS",
        help="how long after its end it still proves who the node is; 0: never",
    )
    verb.add_argument(
        "--insecure-loopback",
        action="store_true",
        help="for tests: neither TLS nor identities; refused for any other address",
    )


def _objects(verbs: "Verbs") -> None:
    get = verbs.verb("get", "cloud.client.objects:get", "show objects")
    get.add_argument("kind", help=KINDS)
    get.add_argument("name", nargs="?", help="one object; all when absent")
    get.add_argument("-l", "--selector", default="", help="label selector")
    get.add_argument("--field-selector", default="", help="like metadata.name=barn")
    get.add_argument("-w", "--wide", action="store_true", help="more columns")
    verbs.cloud(get)
    describe = verbs.verb("describe", "cloud.client.objects:describe", "show an object in full")
    describe.add_argument("kind", help=KINDS)
    describe.add_argument("name", help="the object")
    verbs.cloud(describe, output=False)
    delete = verbs.verb("delete", "cloud.client.objects:delete", "delete objects")
    delete.add_argument("kind", help=KINDS)
    delete.add_argument("names", nargs="+", metavar="name", help="the objects")
    verbs.cloud(delete, output=False)
    apply = verbs.verb("apply", "cloud.client.objects:apply", "create or change from a file")
    apply.add_argument("-f", "--file", required=True, help="YAML or JSON; - for standard input")
    verbs.cloud(apply, output=False)


def _readings(verbs: "Verbs") -> None:
    telemetry = verbs.verb("telemetry", "cloud.client.readings:telemetry", "show readings")
    telemetry.add_argument("name", nargs="?", help="only this stream; a trailing * matches more")
    telemetry.add_argument("--node", help="only of this node")
    telemetry.add_argument("--app", help="only of this app")
    telemetry.add_argument("--since", default="1h", help="30s, 10m, 1h, 7d or an RFC 3339 time")
    telemetry.add_argument("-n", "--limit", type=int, default=100, help="newest readings shown")
    telemetry.add_argument("-f", "--follow", action="store_true", help="go on as they arrive")
    telemetry.add_argument("--latest", action="store_true", help="only the newest of each stream")
    verbs.cloud(telemetry, more=("csv", "senml"))
    logs = verbs.verb("logs", "cloud.client.readings:logs", "show an app's log lines")
    logs.add_argument("app", nargs="?", help="only of this app")
    logs.add_argument("--node", help="only of this node")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as they arrive")
    logs.add_argument("-n", "--tail", type=int, default=100, metavar="LINES", help="newest lines")
    verbs.cloud(logs)
