"""Why a server refused: the body of a 4xx or 5xx, in the words of a Kubernetes Status."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

TEXT_LIMIT = 4096
"""Characters that are shown of a reason."""


class Refusal(Struct, frozen=True, kw_only=True):
    """What we read of it."""

    message: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""


def reason_of(body: bytes, status: int) -> str:
    """What the server said, else the status alone."""
    try:
        said = msgspec.json.decode(body, type=Refusal).message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = ""
    return said or f"HTTP {status}"
