"""Which token goes to which cloud: read from files that only their owner can read.

Rules: a token is sent to the cloud it is for and to no other, and never over plain HTTP to another
machine. Looked at in order: SKERRY_TOKEN (for whichever cloud is named), the files of
SKERRY_CONTEXT (separated by `:`), `skerry login`'s file, and that of a cloud on this machine.
"""

import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloud.client.errors import InputError

FILE_LIMIT = 1 << 16
"""Bytes of a context file."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104 - compared


@dataclass(frozen=True, slots=True)
class Context:
    """One cloud and who we are there."""

    cloud: str
    user: str
    token: str
    ca: str = ""
    """The cloud's authority as PEM; empty for what the system trusts."""


def own_file() -> Path:
    """Where `skerry login` keeps what it is given."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "skerry" / "context"


def context_for(url: str) -> Context | None:
    """Who we are at a cloud; None when nobody told. Raises InputError for an unsafe address."""
    token = os.environ.get("SKERRY_TOKEN", "")
    found = Context(url, "", token) if token else None
    for context in () if found else _contexts():
        if _same(context.cloud, url):
            found = context
            break
    if found is not None and not _safe(url):
        raise InputError(
            f"{url}: a token is not sent over plain http to another machine; use https"
        )
    return found


def _contexts() -> Iterator[Context]:
    """Those of all files, in order; a file that is not there or not readable has none."""
    state = "/var/lib/skerry" if os.geteuid() == 0 else "~/.local/state/skerry"
    named = os.environ.get("SKERRY_CONTEXT", "")
    paths = [Path(part) for part in named.split(os.pathsep) if part]
    for path in [*paths, own_file(), Path(state).expanduser() / "cloud" / "context"]:
        for each in _read(path):
            words = {key: each.get(key) for key in ("cloud", "user", "token", "ca")}
            if isinstance(words["cloud"], str) and isinstance(words["token"], str):
                yield Context(*(str(word or "") for word in words.values()))


def _read(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(FILE_LIMIT))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a context: {error}") from None
    return [
        each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)
    ]


def keep(context: Context) -> Path:
    """Add or replace a context in our own file, readable by its owner alone."""
    path = own_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    others = [each for each in _read(path) if not _same(str(each.get("cloud")), context.cloud)]
    made = {"cloud": context.cloud, "user": context.user, "token": context.token}
    if context.ca:
        made["ca"] = context.ca
    part = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump([made, *others], out, indent=2)
        out.write("\n")
    part.replace(path)
    return path


def _same(one: str, other: str) -> bool:
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, _EVERYWHERE.get(host, host), port


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    host = _EVERYWHERE.get(parts.hostname or "", parts.hostname or "")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    return parts.scheme == "https" or local
