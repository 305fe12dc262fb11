"""What is built, written and booted on a desk: images, cards, packages, firmware."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add them."""
    _boards(verbs)
    _image(verbs)
    _package(verbs)
    _firmware(verbs)
    _runtime(verbs)
    _emulate(verbs)


def _boards(verbs: "Verbs") -> None:
    boards = verbs.verb("boards", "boards.cli:boards", "list boards and what is proven of each")
    boards.add_argument(
        "board", nargs="*", help="only these; a path that ends in .toml is read and checked"
    )
    boards.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")
    flash = verbs.verb(
        "flash", "boards.cli:flash", "write an image to a card, verify it, preseed it"
    )
    flash.add_argument(
        "image",
        help=".img, also packed as .zst, .xz or .gz; a URL: https://CLOUD/v2/NAME:TAG; - for stdin",
    )
    flash.set_defaults(person=verbs.person_at)
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


def _image(verbs: "Verbs") -> None:
    does = verbs.group("image")
    build = does.verb("build", "boards.image.cli:run", "build the image of a board")
    build.add_argument("board", help="its name (`skerry boards`), or a board file: ./mine.toml")
    build.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the image"
    )
    build.add_argument(
        "--compiled",
        action="store_true",
        help="compile the agent to machine code: minutes, more memory, less CPU at start",
    )
    lock = does.verb("lock", "boards.image.cli:lock", "show the packages that images are made of")
    lock.add_argument("--refresh", action="store_true", help="pin what the mirrors have now")
    for verb in (build, lock):
        verb.add_argument(
            "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
        )


def _package(verbs: "Verbs") -> None:
    does = verbs.group("package")
    deb = does.verb(
        "deb", "boards.package.cli:deb", "build a package for Debian 12 and Raspberry Pi OS"
    )
    deb.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="skerry-agent_VERSION_arm64.deb"
    )
    deb.add_argument("--compiled", action="store_true", help="compile the agent to machine code")
    deb.add_argument(
        "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
    )
    wheel = does.verb(
        "wheel", "boards.package.cli:wheel", "build the wheel, from a checkout of the source"
    )
    wheel.add_argument(
        "-o", "--output", type=Path, default=Path("dist"), metavar="DIR", help="where it goes"
    )
    wheel.add_argument(
        "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
    )


def _firmware(verbs: "Verbs") -> None:
    does = verbs.group("firmware")
    build = does.verb("build", "boards.firmware:build", "build the firmware of a port")
    build.add_argument(
        "port",
        help="pico: a Raspberry Pi Pico; mps2: the microcontroller that QEMU emulates",
    )
    build.add_argument(
        *("-o", "--output"),
        type=Path,
        metavar="FILE",
        help="skerry-PORT.uf2, or .elf for an emulator, unless said; the image for updates is put beside it, .bin",
    )
    build.add_argument(
        "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
    )
    flash = does.verb(
        "flash", "boards.mcu.cli:flash", "put a first firmware on a microcontroller's USB drive"
    )
    flash.add_argument("image", type=Path, help="the .uf2 file of `skerry firmware build pico`")
    flash.add_argument(
        "--drive",
        type=Path,
        metavar="DIR",
        help="where its drive is mounted; the only one there is unless said",
    )
    flash.add_argument(
        "--port",
        type=Path,
        metavar="TTY",
        help="serial port of what runs on it now: leads it to its boot loader first",
    )
    flash.add_argument(
        "--wait",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long the drive may take to come after that",
    )


def _runtime(verbs: "Verbs") -> None:
    does = verbs.group("app")
    runtime = does.verb("runtime", "boards.python_guest:build", "build the runtime of Python apps")
    runtime.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="python.wasm unless said"
    )
    runtime.add_argument(
        "--cache", type=Path, default=Path(".cache/boards"), help="kept between builds"
    )


def _emulate(verbs: "Verbs") -> None:
    verb = verbs.verb("emulate", "qemu.board.emulate:run", "boot an image under QEMU, here")
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
