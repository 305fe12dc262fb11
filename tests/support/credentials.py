"""Who tests are at the clouds they start: the administrator each cloud makes at its first start.

Every cloud under test leaves its context (CA, token) in SKERRY_CONTEXTS, as `skerry cloud` does;
clients of this process and the verbs it runs find it there. Unless somebody set it, that is a
directory of this process alone: tests never touch the contexts of the person who runs them.
"""

import os
import ssl
import tempfile
from pathlib import Path

_PRIVATE = tempfile.TemporaryDirectory(prefix="skerry-contexts-")
os.environ.setdefault("SKERRY_CONTEXTS", str(Path(_PRIVATE.name) / "contexts"))


def headers(url: str) -> dict[str, str]:
    """What a request to a cloud under test carries."""
    from cloud.client import context  # noqa: PLC0415 - the demo imports this module early

    token = context.find(url).token
    assert token, f"no cloud is known at {url}"
    return {"authorization": f"Bearer {token}"}


def trusted(url: str) -> ssl.SSLContext | None:
    """How to verify a cloud under test; None without TLS."""
    from cloud.client import context  # noqa: PLC0415 - as above

    return context.tls(context.find(url)) if url.startswith("https:") else None
