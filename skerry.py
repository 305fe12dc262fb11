"""The command line: a thin table of verbs that delegate; each is imported when used.

Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

VERSION = "0.1.0"
DEFAULT_CLOUD = "http://127.0.0.1:8480"
STATE_HOME = (
    Path("/var/lib/skerry") if os.geteuid() == 0 else Path("~/.local/state/skerry").expanduser()
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb."""
    args = parser().parse_args(argv)
    module, _, function = args.does.partition(":")
    try:
        verb: Callable[[argparse.Namespace], int | None] = getattr(
            importlib.import_module(module), function
        )
        return verb(args) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not _expected(error):
            raise
        print(f"skerry: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The whole grammar; no verb is imported to print help."""
    top = argparse.ArgumentParser(
        prog="skerry",
        description="Sandboxed apps on small boards, deployed from a small cloud.",
        epilog="The cloud is found through --cloud or SKERRY_CLOUD.",
    )
    top.add_argument("--version", action="version", version=f"skerry {VERSION}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _cloud(verbs)
    _agent(verbs)
    _app(verbs)
    _objects(verbs)
    _readings(verbs)
    _boards(verbs)
    _image(verbs)
    _package(verbs)
    _emulate(verbs)
    _bench(verbs)
    return top


Verbs = argparse._SubParsersAction  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it has no public name


def _verb(
    verbs: "Verbs[argparse.ArgumentParser]", name: str, does: str, text: str
) -> argparse.ArgumentParser:
    made = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.set_defaults(does=does)
    return made


def _cloud(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "cloud", "cloud.cli:run", "run the cloud service")
    verb.add_argument(
        "--listen", default="127.0.0.1:8480", metavar="HOST:PORT", help="port 0 takes any free one"
    )
    verb.add_argument("--data", type=Path, default=STATE_HOME / "cloud", help="database and blobs")
    verb.add_argument(
        "--insecure",
        action="store_true",
        help="allow an address that is not loopback although nothing is encrypted yet",
    )


def _agent(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    run = _verb(verbs, "agent", "edge.cli:run", "run the agent, or talk to the one that runs here")
    run.add_argument("--name", default=_hostname(), help="the node's name")
    run.add_argument("--cloud", default=_default_cloud(), metavar="URL", help="where to connect")
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
    run.add_argument(
        "--boot-facts",
        type=Path,
        metavar="DIR",
        help="what the init of an image left in RAM: feeds the watchdog, confirms slots on trial",
    )
    _state(run)
    talk = run.add_subparsers(title="verbs for the agent that runs here", metavar="VERB")
    _local(_verb(talk, "status", "edge.cli:status", "show node, link and outbox"))
    _local(_verb(talk, "apps", "edge.cli:apps", "list the apps of this node"))
    logs = _verb(talk, "logs", "edge.cli:logs", "show log lines kept on this node")
    logs.add_argument("app", nargs="?", help="only this app's")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines arrive")
    logs.add_argument("-n", "--tail", type=int, default=100, metavar="LINES", help="newest lines")
    _local(logs)
    for name, text in (
        ("restart", "restart an app now"),
        ("hold", "stop an app and keep it stopped, whatever the cloud wants"),
        ("unhold", "let a held app run again"),
    ):
        verb = _verb(talk, name, "edge.cli:act", text)
        verb.set_defaults(verb=name)
        verb.add_argument("app", help="its name on this node")
        _state(verb)
    drive = _verb(talk, "drive", "edge.cli:drive", "change the simulated board")
    drive.add_argument("target", help="what to change: i2c-1:0x48, GPIO4")
    drive.add_argument("values", nargs="+", metavar="NAME=VALUE", help="temperature=30.5, level=1")
    _state(drive)
    _local(_verb(talk, "board", "edge.cli:board", "show what the simulated board drives"))


def _app(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("app", help="make, build, test, push and deploy apps")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    new = _verb(does, "new", "wasm_apps.tool.cli:new", "make a working project")
    new.add_argument("directory", type=Path, help="made here; its name becomes the app's")
    new.add_argument("--lang", choices=("c", "zig"), default="c", help="language")
    build = _verb(does, "build", "wasm_apps.tool.cli:build", "compile an app to WebAssembly")
    build.add_argument("directory", type=Path, nargs="?", default=Path(), help="the app")
    test = _verb(does, "test", "edge.apptest:test", "run an app against its simulated board")
    test.add_argument("directory", type=Path, nargs="?", default=Path(), help="the app, built")
    test.add_argument("--board", type=Path, help="scenario file; the app's board.toml by default")
    push = _verb(does, "push", "cloud.client.apps:push_app", "push a built app to the registry")
    push.add_argument("directory", nargs="?", default=".", help="the app, built")
    push.add_argument("--tag", help="the manifest's version by default")
    _cloud_options(push)
    deploy = _verb(
        does, "deploy", "cloud.client.apps:deploy", "run an app on the nodes you select"
    )
    deploy.add_argument("app", help="REPOSITORY:TAG, or a directory, which is pushed first")
    deploy.add_argument("--name", help="name of the App; the repository's by default")
    deploy.add_argument("-l", "--selector", metavar="NAME=VALUE,…", help="labels of the nodes")
    deploy.add_argument(
        "--grant",
        action="append",
        default=[],
        metavar="NAME=RESOURCE",
        help="give the app hardware: probe=i2c-1:0x48, heater=GPIO17; may be repeated",
    )
    deploy.add_argument(
        "--twin",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="desired value, live while the app runs; may be repeated",
    )
    deploy.add_argument("--wait", action="store_true", help="return when it runs everywhere")
    deploy.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="how long --wait waits"
    )
    _cloud_options(deploy)


def _objects(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    get = _verb(verbs, "get", "cloud.client.objects:get", "show objects")
    get.add_argument("kind", help="nodes, apps, appinstances")
    get.add_argument("name", nargs="?", help="one object; all when absent")
    get.add_argument("-l", "--selector", default="", help="label selector")
    get.add_argument("--field-selector", default="", help="like metadata.name=barn")
    get.add_argument("-w", "--wide", action="store_true", help="more columns")
    _cloud_options(get)
    describe = _verb(verbs, "describe", "cloud.client.objects:describe", "show an object in full")
    describe.add_argument("kind", help="nodes, apps, appinstances")
    describe.add_argument("name", help="the object")
    _cloud_options(describe, output=False)
    delete = _verb(verbs, "delete", "cloud.client.objects:delete", "delete objects")
    delete.add_argument("kind", help="nodes, apps, appinstances")
    delete.add_argument("names", nargs="+", metavar="name", help="the objects")
    _cloud_options(delete, output=False)
    apply = _verb(verbs, "apply", "cloud.client.objects:apply", "create or change from a file")
    apply.add_argument("-f", "--file", required=True, help="YAML or JSON; - for standard input")
    _cloud_options(apply, output=False)


def _readings(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    telemetry = _verb(verbs, "telemetry", "cloud.client.readings:telemetry", "show readings")
    telemetry.add_argument("name", nargs="?", help="only this stream; a trailing * matches more")
    telemetry.add_argument("--node", help="only of this node")
    telemetry.add_argument("--app", help="only of this app")
    telemetry.add_argument("--since", default="1h", help="30s, 10m, 1h, 7d or an RFC 3339 time")
    telemetry.add_argument("-n", "--limit", type=int, default=100, help="newest readings shown")
    telemetry.add_argument("-f", "--follow", action="store_true", help="go on as they arrive")
    telemetry.add_argument("--latest", action="store_true", help="only the newest of each stream")
    _cloud_options(telemetry, more=("csv", "senml"))
    logs = _verb(verbs, "logs", "cloud.client.readings:logs", "show an app's log lines")
    logs.add_argument("app", nargs="?", help="only of this app")
    logs.add_argument("--node", help="only of this node")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as they arrive")
    logs.add_argument("-n", "--tail", type=int, default=100, metavar="LINES", help="newest lines")
    _cloud_options(logs)


def _boards(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    boards = _verb(verbs, "boards", "boards.cli:boards", "list boards and what is proven of each")
    boards.add_argument(
        "board", nargs="*", help="only these; a path that ends in .toml is read and checked"
    )
    boards.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")
    flash = _verb(
        verbs, "flash", "boards.cli:flash", "write an image to a card, verify it, preseed it"
    )
    flash.add_argument(
        "image",
        help=".img, also packed as .zst, .xz or .gz; a URL: https://CLOUD/v2/NAME:TAG; - for stdin",
    )
    flash.add_argument("device", type=Path, help="the whole card (/dev/sdX), or a file")
    flash.add_argument("--name", help="the node's name")
    flash.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label that the node asks for when it joins; may be repeated",
    )
    flash.add_argument("--cloud", metavar="URL", help="where the node connects")
    flash.add_argument("--ca-pin", metavar="sha256:HEX", help="the authority it must meet there")
    flash.add_argument("--token", metavar="TOKEN|@FILE", help="join token; @FILE hides it from ps")
    flash.add_argument("--wifi-ssid", metavar="NAME", help="wireless network")
    flash.add_argument("--wifi-psk", metavar="KEY|@FILE", help="its passphrase; @FILE as above")
    flash.add_argument("--wifi-country", metavar="CC", help="where its channels are allowed: DE")
    flash.add_argument(
        "--ssh-key",
        action="append",
        default=[],
        metavar="KEY|FILE",
        help="public key, or a .pub file, that may log in; may be repeated",
    )
    flash.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="authority (PEM) of the server that the image is on",
    )
    flash.add_argument("--sha256", metavar="HEX", help="digest of the image as it is stored")
    flash.add_argument(
        "--no-bmap", action="store_true", help="write all of the image although a .bmap is beside"
    )
    flash.add_argument(
        "--size-limit", type=int, default=256, metavar="GB", help="refuse larger devices"
    )
    flash.add_argument(
        "-y", "--yes", action="store_true", help="do not ask; overwrite a file that exists"
    )


def _bench(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("bench", help="load a cloud")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    nodes = _verb(
        does, "nodes", "edge.hollow:bench", "connect hollow nodes: real sessions, no board"
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
    _cloud_options(nodes, output=False)


def _image(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("image", help="build disk images of boards, and publish them")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    build = _verb(does, "build", "boards.image.cli:run", "build the image of a board")
    build.add_argument("board", help="its name (`skerry boards`), or a board file: ./mine.toml")
    build.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the image"
    )
    build.add_argument(
        "--compiled",
        action="store_true",
        help="compile the agent to machine code: minutes, more memory, less CPU at start",
    )
    lock = _verb(
        does, "lock", "boards.image.cli:lock", "show the packages that images are made of"
    )
    lock.add_argument("--refresh", action="store_true", help="pin what the mirrors have now")
    push = _verb(
        does, "push", "cloud.client.images:push_image", "push an image to the cloud's registry"
    )
    push.add_argument(
        "file", type=Path, help="the image; packed with zstd on the way unless it is"
    )
    push.add_argument(
        "reference", metavar="NAME:TAG", help="what it is then called: images/rpi3:1.2"
    )
    _cloud_options(push)
    for verb in (build, lock):
        verb.add_argument(
            "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
        )


def _package(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("package", help="package the agent for a Linux that is there already")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    deb = _verb(
        does, "deb", "boards.package.cli:deb", "build a package for Debian 12 and Raspberry Pi OS"
    )
    deb.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="skerry-agent_VERSION_arm64.deb"
    )
    deb.add_argument("--compiled", action="store_true", help="compile the agent to machine code")
    deb.add_argument(
        "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
    )


def _emulate(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    verb = _verb(verbs, "emulate", "qemu.board.emulate:run", "boot an image under QEMU, here")
    verb.add_argument("image", type=Path, help="the image, as it would be flashed; never written")
    verb.add_argument("--board", metavar="NAME", help="what the image is for; it says so itself")
    verb.add_argument(
        "--persist", action="store_true", help="keep what the board writes, in IMAGE.disk"
    )
    verb.add_argument(
        "--forward",
        action="append",
        default=[],
        metavar="HOST:GUEST",
        help="lead a TCP port of 127.0.0.1 to one of the board; may be repeated",
    )
    verb.add_argument(
        "--celsius",
        type=float,
        metavar="DEGREES",
        help="boot nothing: set the temperature that the running board's sensor feels",
    )
    verb.add_argument("--cache", type=Path, default=Path(".cache/qemu"), help="where QEMU is kept")


def _cloud_options(
    verb: argparse.ArgumentParser, *, output: bool = True, more: tuple[str, ...] = ()
) -> None:
    verb.add_argument(
        "--cloud", default=_default_cloud(), metavar="URL", help="the cloud to talk to"
    )
    if output:
        verb.add_argument(
            "-o",
            "--output",
            choices=("table", "json", "yaml", *more),
            default="table",
            help="form",
        )


def _state(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("SKERRY_STATE", STATE_HOME / "agent")),
        help="the agent's directory",
    )


def _local(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")
    _state(verb)


def _default_cloud() -> str:
    return os.environ.get("SKERRY_CLOUD", DEFAULT_CLOUD)


def _hostname() -> str:
    return os.uname().nodename.split(".")[0].lower()


def _expected(error: Exception) -> bool:
    """Whether the error is one of ours: a text for a person, not a fault of the program."""
    home = type(error).__module__.split(".")[0]
    return home in {"hal", "edge", "cloud", "boards", "qemu", "wasm_apps"} or isinstance(
        error, OSError
    )


if __name__ == "__main__":
    sys.exit(main())
