"""What a desk publishes, and the keys that it signs with."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs

ROLES = ("root", "app", "image", "firmware")


def add(verbs: "Verbs") -> None:
    """Add them."""
    _app(verbs)
    _firmware(verbs)
    _image(verbs)
    _keys(verbs)
    _verify(verbs)


def _app(verbs: "Verbs") -> None:
    does = verbs.group("app")
    push = does.verb("push", "cloud.client.apps:push_app", "push a built app to the registry")
    push.add_argument("directory", nargs="?", default=".", help="the app, built")
    push.add_argument("--tag", help="the manifest's version by default")
    _signing(verbs, push)
    verbs.cloud(push)
    deploy = does.verb("deploy", "cloud.client.apps:deploy", "run an app on the nodes you select")
    deploy.add_argument("app", help="REPOSITORY:TAG, or a directory, which is pushed first")
    deploy.add_argument("--name", help="name of the App; the repository's by default")
    deploy.add_argument("-l", "--selector", metavar="NAME=VALUE,…", help="labels of the nodes")
    _given(deploy)
    _signing(verbs, deploy)
    _waiting(deploy, 120.0)
    verbs.cloud(deploy)

    run = does.verb(
        "run", "cloud.client.run:run", "build an app, run it on one node and show what it says"
    )
    run.add_argument("directory", type=Path, nargs="?", default=Path(), help="the app")
    run.add_argument("--on", required=True, metavar="NODE", help="the node that runs it")
    run.add_argument("--watch", action="store_true", help="do it again whenever a file is saved")
    run.add_argument(
        "--keep", action="store_true", help="leave the app there at the end; else it is removed"
    )
    run.add_argument("--name", help="name of the App; the manifest's by default")
    _given(run)
    run.set_defaults(build=verbs.build_app)
    _signing(verbs, run)
    verbs.cloud(run, output=False)

    repl = does.verb(
        "repl", "cloud.client.repl:repl", "execute Python as you type it, in the sandbox of a node"
    )
    repl.add_argument(
        "directory",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="an app in Python: its grants, streams, twin and modules; nothing but --grant if absent",
    )
    repl.add_argument("--on", required=True, metavar="NODE", help="the node that runs it")
    repl.add_argument("--name", help="name of the App; that of the app and the node by default")
    _given(repl, ", without DIR with what it is: lamp=GPIO17,out")
    repl.set_defaults(build=verbs.build_app, find_runtime=verbs.python_runtime)
    # Whoever takes over the cloud could have nodes run it for as long as that.
    _signing(verbs, repl, days=1)
    verbs.cloud(repl, output=False)


def _firmware(verbs: "Verbs") -> None:
    does = verbs.group("firmware")
    where = "cloud.client.firmware"
    push = does.verb("push", f"{where}:push_firmware", "push a firmware image to the registry")
    push.add_argument("image", type=Path, help="as `skerry firmware build` makes it")
    _patched(verbs, push)
    _described(push)
    push.add_argument("--tag", help="the image's version by default")
    _signing(verbs, push)
    verbs.cloud(push)
    deploy = does.verb(
        "deploy", f"{where}:deploy", "run a firmware on microcontrollers of the nodes you select"
    )
    deploy.add_argument("firmware", help="REPOSITORY:TAG, or an image, which is pushed first")
    deploy.add_argument("--name", help="name of the Firmware; the repository's by default")
    deploy.add_argument("-l", "--selector", metavar="NAME=VALUE,…", help="labels of the nodes")
    deploy.add_argument(
        "--mcu",
        metavar="NAME",
        help="the nodes' name for the microcontroller; the only one of the image's board if absent",
    )
    _patched(verbs, deploy)
    _described(deploy, name="--image-name")
    _signing(verbs, deploy)
    _waiting(deploy, 900.0)
    verbs.cloud(deploy)


def _patched(verbs: "Verbs", verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--from",
        dest="base",
        action="append",
        default=[],
        metavar="OLD",
        help="an image that microcontrollers run: those get a patch from it; a file, a tag, or "
        "REPOSITORY:TAG; up to 4 times",
    )
    verb.set_defaults(make_patch=verbs.make_patch)


def _described(verb: argparse.ArgumentParser, name: str = "--name") -> None:
    verb.add_argument(
        name, metavar="NAME", help="what versions of it have in common; skerry-BOARD by default"
    )
    verb.add_argument(
        "--board", metavar="NAME", help="where the image does not say: what it is for"
    )
    verb.add_argument("--release", metavar="VERSION", help="where the image does not say: 1.2.3")


def _waiting(verb: argparse.ArgumentParser, timeout: float) -> None:
    verb.add_argument("--wait", action="store_true", help="return when it runs everywhere")
    verb.add_argument(
        "--timeout", type=float, default=timeout, metavar="SECONDS", help="how long --wait waits"
    )


def _image(verbs: "Verbs") -> None:
    does = verbs.group("image")
    push = does.verb(
        "push", "cloud.client.images:push_image", "push an image to the cloud's registry"
    )
    push.add_argument(
        "file", type=Path, help="the image; packed with zstd on the way unless it is"
    )
    push.add_argument(
        "reference", metavar="NAME:TAG", help="what it is then called: images/rpi3:1.2"
    )
    verbs.cloud(push)
    sign = does.verb("sign", "cloud.client.provenance:sign", "sign what an image was built from")
    sign.add_argument("file", type=Path, help="the image; FILE.intoto.json is beside it")
    verbs.keyring(sign)


def _keys(verbs: "Verbs") -> None:
    does = verbs.group("keys")
    init = does.verb("init", "cloud.client.keys:init", "make keys and a root of trust")
    for role in ROLES:
        init.add_argument(
            f"--{role}-keys", type=int, default=1, metavar="N", help=f"{role} keys to make"
        )
        init.add_argument(
            f"--{role}-threshold", type=int, default=1, metavar="N", help="how many must sign"
        )
    init.add_argument("--encrypt", action="store_true", help="ask for a passphrase")
    show = does.verb("list", "cloud.client.keys:show", "list keys, roles and the root's expiry")
    show.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default="table", help="form"
    )
    rotate = does.verb("rotate", "cloud.client.keys:rotate", "replace the keys of a role")
    rotate.add_argument("role", choices=ROLES, help="whose keys are replaced")
    publish = does.verb("publish", "cloud.client.keys:publish", "bring the root to the cloud")
    for verb in (init, show, rotate, publish):
        verbs.keyring(verb)
    for verb in (init, rotate):
        verb.add_argument("--days", type=int, default=730, help="until the root expires")
    verbs.cloud(publish, output=False)


def _verify(verbs: "Verbs") -> None:
    verify = verbs.verb(
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
    verbs.keyring(verify)


def _given(verb: argparse.ArgumentParser, more: str = "") -> None:
    verb.add_argument(
        "--grant",
        action="append",
        default=[],
        metavar="NAME=RESOURCE",
        help=f"give the app hardware: probe=i2c-1:0x48, heater=GPIO17{more}; may be repeated",
    )
    verb.add_argument(
        "--twin",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="desired value, live while the app runs; may be repeated",
    )


def _signing(verbs: "Verbs", verb: argparse.ArgumentParser, days: int | None = None) -> None:
    verb.add_argument(
        "--sign",
        action=argparse.BooleanOptionalAction,
        help="sign with the keys that are here; done when there are keys",
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
        default=days,
        help=f"until the signature expires; {days or 'never'} if absent",
    )
    verbs.keyring(verb)
