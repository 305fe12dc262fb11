"""The join token that a cloud on this machine leaves for agents of the same person."""

import os
from pathlib import Path

import msgspec

from edge.identity.errors import IdentityError
from edge.wire.joining import CloudContext, context_name

CONTEXT_LIMIT = 64 << 10
"""Bytes of a context: a few certificates and a token."""


def local_token(cloud: str) -> str | None:
    """The token of the cloud's context, which only its owner can read; None without one."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    directory = Path(os.environ.get("SKERRY_CONTEXTS") or Path(home) / "skerry")
    path = directory.expanduser() / context_name(cloud)
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(CONTEXT_LIMIT), type=CloudContext)
    except (FileNotFoundError, PermissionError, RuntimeError):  # the last: no home directory
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IdentityError(f"{path}: damaged ({error}); remove it") from None
    return found.join_token or None
