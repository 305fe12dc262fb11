"""Who tests are at the clouds they start: the administrator each made at its first start.

Its context file is put first in SKERRY_CONTEXT, where this process and the verbs it runs look.
"""

import os
from pathlib import Path

from cloud.client.context import context_for


def remember(data: Path) -> None:
    """Be the administrator of the cloud with this data directory, wherever it listens."""
    others = os.environ.get("SKERRY_CONTEXT", "").split(os.pathsep)
    kept = [part for part in others if part and Path(part).exists()]
    os.environ["SKERRY_CONTEXT"] = os.pathsep.join([str(data / "context"), *kept])


def headers(url: str) -> dict[str, str]:
    """What a request to a remembered cloud carries."""
    context = context_for(url)
    assert context is not None, f"no cloud is known at {url}"
    return {"authorization": f"Bearer {context.token}"}
