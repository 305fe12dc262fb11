"""What a device has in its flash, as it says itself: asked before anything is fetched for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware.link import smp
from hal.link.link import Link
from hal.link.steps import active, as_bytes, fault, slots_of
from hal.link.upload import PATCH, PATCHES

SECONDS = 5.0
"""For an answer: a slow part hashes an image meanwhile."""


@dataclass(frozen=True, slots=True)
class Held:
    """Of a device."""

    runs: bytes
    """Digest of the image that runs, as bootloaders name it; empty where it does not say."""
    patch_limit: int
    """Bytes of a patch that it takes; 0: it takes none."""
    images: frozenset[bytes]
    """SHA-256 of all bytes of each image there; of none where its firmware does not say."""


def held(link: Link) -> Held:
    """Ask it; raises HalError, EndedError when what it says makes no sense. Blocks."""
    state = _read(link, smp.GROUP_IMAGE, smp.IMAGE_STATE, {})
    slots = slots_of(state)
    runs, limit = active(slots), state.get("patch")
    if not isinstance(limit, int):
        return Held(runs.digest if runs else b"", 0, frozenset())
    images: set[bytes] = set()
    for slot in slots:
        answer = _read(link, PATCHES, PATCH, {"slot": slot.number})
        images.add(b"" if fault(answer) else as_bytes(answer.get("sha")))
    return Held(runs.digest if runs else b"", limit, frozenset(images - {b""}))


def _read(
    link: Link, group: int, command: int, content: Mapping[str, object]
) -> Mapping[Any, object]:
    return link.request(smp.READ, group, command, content, SECONDS)
