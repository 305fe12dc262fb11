"""The command line: each folder adds its verbs; what a verb does is imported when it is used.

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
_CHECKOUT = Path(__file__).parent / ".cache"
CACHE = (
    _CHECKOUT
    if _CHECKOUT.is_dir()
    else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "skerry"
) / "boards"
"""What is built from others' sources; of a checkout, its own."""
FOLDERS = (
    "cloud.verbs",
    "edge.verbs",
    "wasm_apps.tool.verbs",
    "cloud.client.verbs.artifacts",
    "cloud.client.verbs.people",
    "boards.verbs",
    "hal.verbs",
)
"""Where verbs come from. A board has some of these folders only, and their verbs."""
GROUPS = {
    "app": "make, build, test, push, run and deploy apps, and try Python out",
    "bench": "load a cloud",
    "ca": "the cloud's certificate authority",
    "firmware": "firmware of the microcontrollers wired to a board",
    "image": "build disk images of boards, and publish them",
    "keys": "make and rotate the keys that sign what nodes run",
    "node": "approve and revoke boards",
    "package": "package Skerry for a Linux that is there already",
    "serviceaccount": "machines that use the API: make, list and delete them and their tokens",
    "token": "let boards join",
    "user": "people: make, list and delete them and their tokens",
}
"""Verbs of two words: the first, and its help. Several folders may add to one group."""


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
    verbs = Verbs(top, "verbs", required=True)
    for name in FOLDERS:
        try:
            folder = importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
                raise
        else:
            folder.add(verbs)
    return top


class Verbs:
    """The verbs of one level, and the options that many verbs share."""

    state_home = STATE_HOME

    def __init__(self, under: argparse.ArgumentParser, title: str, *, required: bool) -> None:
        self._parsers = under.add_subparsers(title=title, metavar="VERB", required=required)
        self._groups: dict[str, Verbs] = {}

    def verb(self, name: str, does: str, text: str) -> argparse.ArgumentParser:
        """Add a verb that calls `does`, written `module:function`."""
        made = self._parsers.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        made.set_defaults(does=does)
        return made

    def group(self, name: str, **defaults: str) -> "Verbs":
        """The verbs whose first word is one of GROUPS."""
        if name not in self._groups:
            made = self._parsers.add_parser(name, help=GROUPS[name])
            made.set_defaults(**defaults)
            self._groups[name] = Verbs(made, "verbs", required=True)
        return self._groups[name]

    def below(self, verb: argparse.ArgumentParser, title: str) -> "Verbs":
        """Verbs that may follow a verb."""
        return Verbs(verb, title, required=False)

    @property
    def cloud_url(self) -> str:
        """The cloud to talk to when nobody says which."""
        return os.environ.get("SKERRY_CLOUD", DEFAULT_CLOUD)

    def person_at(self, url: str) -> Any:
        """Who is logged in at a cloud."""
        return _function("cloud.client.context:person_at")(url)

    def python_runtime(self, say: Callable[[str], None]) -> Path:
        """The module that runs Python apps: the given one, a wheel's own, or made from source."""
        given = os.environ.get("SKERRY_PYTHON_RUNTIME")
        return Path(given) if given else _function("boards.python_guest:ready")(CACHE, say)

    def build_app(self, directory: Path, say: Callable[[str], None]) -> str:
        """Build an app; what is wrong with it, nothing when it is built."""
        try:
            _function("wasm_apps.tool.compiler:build")(directory, say, self.python_runtime)
        except Exception as error:
            if not _expected(error):
                raise
            return str(error)
        return ""

    def make_patch(self, old: bytes, new: bytes) -> tuple[bytes, bytes]:
        """The patch from one image of firmware to another, and the digest of the one it starts from."""
        found: tuple[bytes, bytes] = _function("hal.link.patch:between")(old, new)
        return found

    def cloud(
        self, verb: argparse.ArgumentParser, *, output: bool = True, more: tuple[str, ...] = ()
    ) -> None:
        """Add options of a verb that talks to a cloud."""
        verb.add_argument(
            "--cloud", default=self.cloud_url, metavar="URL", help="the cloud to talk to"
        )
        if output:
            verb.add_argument(
                "-o",
                "--output",
                choices=("table", "json", "yaml", *more),
                default="table",
                help="form",
            )

    def key_store(self, verb: argparse.ArgumentParser) -> None:
        """Add the option for where the sealing key is."""
        verb.add_argument(
            "--key-store",
            default=os.environ.get("SKERRY_KEY_STORE", ""),
            metavar="pkcs11:…",
            help="token that seals secrets, as RFC 7512 writes it; a key in a file by default",
        )

    def keyring(self, verb: argparse.ArgumentParser) -> None:
        """Add the option for where signing keys are."""
        verb.add_argument(
            "--keys",
            type=Path,
            default=Path(os.environ.get("SKERRY_KEYS", "~/.config/skerry/keys")),
            metavar="DIR",
            help="where the private keys lie",
        )

    def local(self, verb: argparse.ArgumentParser) -> None:
        """Add options of a verb that talks to the agent that runs here."""
        verb.add_argument(
            "-o", "--output", choices=("table", "json"), default="table", help="form"
        )
        self.state(verb)

    def state(self, verb: argparse.ArgumentParser) -> None:
        """Add the option for where the agent's state is."""
        verb.add_argument(
            "--state",
            type=Path,
            default=Path(os.environ.get("SKERRY_STATE", STATE_HOME / "agent")),
            help="the agent's directory",
        )


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _expected(error: Exception) -> bool:
    """Whether the error is one of ours: a text for a person, not a fault of the program."""
    home = type(error).__module__.split(".")[0]
    return home in {"hal", "edge", "cloud", "boards", "qemu", "wasm_apps"} or isinstance(
        error, OSError
    )


if __name__ == "__main__":
    sys.exit(main())
