"""The command line: a thin table of verbs that delegate; each is imported when used.

Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

VERSION = "0.1.0"
DEFAULT_CLOUD = "https://127.0.0.1:8480"
STATE_HOME = (
    Path("/var/lib/skerry") if os.geteuid() == 0 else Path("~/.local/state/skerry").expanduser()
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb."""
    args = parser().parse_args(argv)
    try:
        return _function(args.does)(args) or 0
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


def _function(name: str) -> "Callable[..., Any]":
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _person_at(url: str) -> Any:
    return _function("cloud.client.context:person_at")(url)


def parser() -> argparse.ArgumentParser:
    """The whole grammar; no verb is imported to print help."""
    top = argparse.ArgumentParser(
        prog="skerry",
        description="Sandboxed apps on small boards, deployed from a small cloud.",
        epilog="The cloud is found through --cloud or SKERRY_CLOUD. Its CA and a token for it are kept "
        "in SKERRY_CONTEXTS, else ~/.config/skerry: a cloud on this machine puts its own there; for "
        "others there are `skerry trust` and `skerry login`.",
    )
    top.add_argument("--version", action="version", version=f"skerry {VERSION}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _cloud(verbs)
    _agent(verbs)
    _app(verbs)
    _identities(verbs)
    _keys(verbs)
    _objects(verbs)
    _access(verbs)
    _readings(verbs)
    _boards(verbs)
    _image(verbs)
    _verify(verbs)
    _package(verbs)
    _firmware(verbs)
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
        "--name",
        action="append",
        default=[],
        metavar="NAME|ADDRESS",
        help="how nodes and people reach it, beside this host's own name; may be repeated",
    )
    _key_store(verb)
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


def _agent(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    run = _verb(verbs, "agent", "edge.cli:run", "run the agent, or talk to the one that runs here")
    run.add_argument("--name", default=_hostname(), help="the node's name")
    run.add_argument("--cloud", default=_default_cloud(), metavar="URL", help="where to connect")
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
    _key_store(run)
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
    _signing(push)
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
    _signing(deploy)
    deploy.add_argument("--wait", action="store_true", help="return when it runs everywhere")
    deploy.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="how long --wait waits"
    )
    _cloud_options(deploy)


def _identities(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    where = "cloud.client.identities"
    token = verbs.add_parser("token", help="let boards join")
    does = token.add_subparsers(title="verbs", metavar="VERB", required=True)
    create = _verb(does, "create", f"{where}:token_create", "print a join token, once")
    create.add_argument("--uses", type=int, default=1, help="how many boards may join with it")
    create.add_argument("--expires", default="24h", metavar="TIME", help="30m, 24h, 7d")
    create.add_argument("--pattern", default="*", help="names it may be used for: barn-*")
    create.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label that each board gets; may be repeated",
    )
    create.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME",
        help="label that a board may choose for itself, as a pattern; may be repeated",
    )
    _cloud_options(create)
    _cloud_options(_verb(does, "list", f"{where}:token_list", "show tokens without secrets"))
    delete = _verb(does, "delete", f"{where}:token_delete", "make tokens worthless")
    delete.add_argument("tokens", nargs="+", metavar="token", help="as `skerry token list` shows")
    _cloud_options(delete, output=False)
    node = verbs.add_parser("node", help="approve and revoke boards")
    does = node.add_subparsers(title="verbs", metavar="VERB", required=True)
    _cloud_options(_verb(does, "requests", f"{where}:requests", "show boards that wait to join"))
    for name, text in (
        ("approve", "let a waiting board in"),
        ("refuse", "forget a waiting board"),
        ("revoke", "end a board's identity and its connection, now"),
    ):
        verb = _verb(does, name, f"{where}:{name}", text)
        verb.add_argument("node", help="its name")
        _cloud_options(verb, output=False)
    authority = verbs.add_parser("ca", help="the cloud's certificate authority")
    does = authority.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, text in (
        ("show", "show whom nodes trust"),
        ("rotate", "make the next CA; nodes learn to trust it"),
        ("activate", "issue from the next CA"),
        ("retire", "distrust the older CA"),
    ):
        verb = _verb(does, name, f"{where}:ca", text)
        verb.set_defaults(step=name)
        if name in {"activate", "retire"}:
            verb.add_argument("--force", action="store_true", help="although nodes lag behind")
        _cloud_options(verb)
    trust = _verb(verbs, "trust", "cloud.client.context:trust", "trust the CA of a cloud")
    trust.add_argument("url", help="https://cloud.example:8480")
    trust.add_argument("--pin", required=True, metavar="sha256:HEX", help="from `skerry ca show`")


def _keys(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("keys", help="make and rotate the keys that sign what nodes run")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    init = _verb(does, "init", "cloud.client.keys:init", "make keys and a root of trust")
    for role in ("root", "app", "image"):
        init.add_argument(
            f"--{role}-keys", type=int, default=1, metavar="N", help=f"{role} keys to make"
        )
        init.add_argument(
            f"--{role}-threshold", type=int, default=1, metavar="N", help="how many must sign"
        )
    init.add_argument("--encrypt", action="store_true", help="ask for a passphrase")
    show = _verb(does, "list", "cloud.client.keys:show", "list keys, roles and the root's expiry")
    show.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default="table", help="form"
    )
    rotate = _verb(does, "rotate", "cloud.client.keys:rotate", "replace the keys of a role")
    rotate.add_argument("role", choices=("root", "app", "image"), help="whose keys are replaced")
    publish = _verb(does, "publish", "cloud.client.keys:publish", "bring the root to the cloud")
    for verb in (init, show, rotate, publish):
        _keyring(verb)
    for verb in (init, rotate):
        verb.add_argument("--days", type=int, default=730, help="until the root expires")
    _cloud_options(publish, output=False)


def _signing(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--sign",
        action=argparse.BooleanOptionalAction,
        help="sign with the app keys that are here; done when there are keys",
    )
    verb.add_argument(
        "--downgrade-from",
        metavar="VERSION",
        help="sign the permission to replace versions up to this one",
    )
    verb.add_argument(
        "--sign-days",
        type=int,
        metavar="DAYS",
        help="until the signature expires; never if absent",
    )
    _keyring(verb)


def _keyring(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--keys",
        type=Path,
        default=Path(os.environ.get("SKERRY_KEYS", "~/.config/skerry/keys")),
        metavar="DIR",
        help="where the private keys lie",
    )


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


def _access(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    does = "cloud.client.access:"
    for name, plural, what in (
        ("user", "users", "people"),
        ("serviceaccount", "serviceaccounts", "machines that use the API"),
    ):
        group = verbs.add_parser(name, help=f"{what}: make, list and delete them and their tokens")
        group.set_defaults(accounts=plural)
        acts = group.add_subparsers(title="verbs", metavar="VERB", required=True)
        create = _verb(acts, "create", f"{does}create", "make an account and show its token once")
        create.add_argument("name", help="like names of apps")
        create.add_argument(
            "--role",
            action="append",
            default=[],
            metavar="ROLE",
            help="viewer, operator, admin or one of your own; may be repeated",
        )
        shown = _verb(acts, "list", f"{does}accounts", "list accounts")
        remove = _verb(acts, "delete", f"{does}remove", "delete an account and all its tokens")
        remove.add_argument("name", help="the account")
        token = _verb(acts, "token", f"{does}token", "make one more token, shown once")
        token.add_argument("name", help="the account")
        token.add_argument("--description", default="", metavar="TEXT", help="what it is for")
        tokens = _verb(acts, "tokens", f"{does}tokens", "list tokens, without their text")
        revoke = _verb(acts, "revoke", f"{does}revoke", "make a token invalid")
        revoke.add_argument("id", help="as `tokens` shows it")
        for verb in (create, token):
            verb.add_argument(
                "--expires", metavar="SPAN", help="like 12h or 90d; never by default"
            )
        for verb in (create, shown, token, tokens):
            _cloud_options(verb)
        for verb in (remove, revoke):
            _cloud_options(verb, output=False)
    login = _verb(verbs, "login", f"{does}login", "keep a token, read from standard input")
    _cloud_options(login, output=False)
    _cloud_options(_verb(verbs, "whoami", f"{does}whoami", "show who the cloud takes us for"))
    audit = _verb(verbs, "audit", f"{does}audit", "show who did what on the API")
    audit.add_argument("--actor", help="only of this user or service")
    audit.add_argument("--verb", help="only this: create, patch, delete")
    audit.add_argument("--kind", help="only of this kind: apps, tokens")
    audit.add_argument("--name", help="only of objects of this name")
    audit.add_argument("-n", "--limit", type=int, default=100, help="newest records shown")
    audit.add_argument("-f", "--follow", action="store_true", help="go on as they are written")
    _cloud_options(audit)
    kubeconfig = _verb(
        verbs, "kubeconfig", f"{does}kubeconfig", "print a kubeconfig for kubectl, token included"
    )
    _cloud_options(kubeconfig, output=False)


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
    flash.set_defaults(person=_person_at)
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
    flash.add_argument(
        "--trust-root", metavar="FILE", help="root.cose of `skerry keys init`: whose apps it runs"
    )
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
    sign = _verb(does, "sign", "cloud.client.provenance:sign", "sign what an image was built from")
    sign.add_argument("file", type=Path, help="the image; FILE.intoto.json is beside it")
    _keyring(sign)
    for verb in (build, lock):
        verb.add_argument(
            "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
        )


def _verify(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    verify = _verb(
        verbs,
        "verify",
        "cloud.client.provenance:verify",
        "check, without a network, that a file is what somebody trusted has built",
    )
    verify.add_argument(
        "file", type=Path, help="an image, a package or a wheel; its papers lie beside it"
    )
    verify.add_argument(
        "--trust-root", metavar="FILE", help="root.cose; else that of your own keys"
    )
    verify.add_argument("--unsigned", action="store_true", help="compare digests alone")
    _keyring(verify)


def _package(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("package", help="package Skerry for a Linux that is there already")
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
    wheel = _verb(
        does, "wheel", "boards.package.cli:wheel", "build the wheel, from a checkout of the source"
    )
    wheel.add_argument(
        "-o", "--output", type=Path, default=Path("dist"), metavar="DIR", help="where it goes"
    )


def _firmware(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    group = verbs.add_parser("firmware", help="firmware of the microcontrollers wired to a board")
    does = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    build = _verb(does, "build", "boards.firmware:build", "build the firmware of a port")
    build.add_argument("port", help="mps2: the microcontroller that QEMU emulates")
    build.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="skerry-PORT.elf unless said"
    )
    build.add_argument(
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


def _key_store(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--key-store",
        default=os.environ.get("SKERRY_KEY_STORE", ""),
        metavar="pkcs11:…",
        help="token that seals secrets, as RFC 7512 writes it; a key in a file by default",
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
