"""Where a list goes on: its revision and its last object, as a text that clients hand back."""

import base64
import binascii

import msgspec

from cloud.errors import BadRequest
from cloud.kinds.meta import Metadata


def encode_token(revision: int, last: Metadata) -> str:
    """The token of a page that ends with this object."""
    place = (revision, last.namespace, last.name)
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def decode_token(token: str) -> tuple[int, tuple[str, str]]:
    """Revision, and namespace and name of the last object; raises BadRequest."""
    try:
        revision, namespace, name = msgspec.json.decode(
            base64.urlsafe_b64decode(token), type=tuple[int, str, str]
        )
    except (binascii.Error, ValueError):
        raise BadRequest("continue: not a token of this service; list anew") from None
    return revision, (namespace, name)
