"""`--from`: patches from images that microcontrollers run to the one that is pushed.

A desk makes them, with what it has of the hardware layer; here they are bounded and described. One that
would spare nothing is said and left out.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cloud.client.api import Client
from cloud.client.errors import InputError
from cloud.client.mcuimage import said
from cloud.client.registry import Layer, Reference, image_of
from cloud.registry.media import FIRMWARE_PATCH_TYPE, PATCH_BASE, PATCH_FROM, PATCH_RESULT
from edge.wire.firmware import FirmwareManifest
from edge.wire.limits import FIRMWARE_LIMIT, PATCH_LIMIT, PATCHES_LIMIT

Make = Callable[[bytes, bytes], tuple[bytes, bytes]]
"""From the old image and the new: the patch, and the digest by which bootloaders know the old. ValueError."""


def patches_to(
    client: Client, manifest: FirmwareManifest, image: bytes, olds: Sequence[str], make: Make
) -> list[Layer]:
    """A layer for each image that a short patch starts from; raises InputError naming it."""
    if len(olds) > PATCHES_LIMIT:
        raise InputError(f"--from: given {len(olds)} times, an image has up to {PATCHES_LIMIT}")
    made: dict[bytes, Layer] = {}
    for text in olds:
        old = _old(client, manifest, text)
        try:
            patch, base = make(old, image)
        except ValueError as error:
            raise InputError(f"--from {text}: {error}") from None
        if old == image or base in made:
            what = "is the image itself" if old == image else "is given twice"
            raise InputError(f"--from {text}: {what}")
        why = _useless(patch, image)
        size = f"{len(patch)} bytes, {100 * len(patch) / len(image):.1f} % of the image"
        print(f"patch from {text}: {size}{why}", file=sys.stderr)
        if not why:
            notes = {
                PATCH_BASE: f"sha256:{base.hex()}",
                PATCH_FROM: said(old).version,
                PATCH_RESULT: manifest.digest,
            }
            made[base] = Layer(FIRMWARE_PATCH_TYPE, patch, notes)
    return [*made.values()]


def _useless(patch: bytes, image: bytes) -> str:
    if len(patch) > PATCH_LIMIT:
        return f"; left out, because microcontrollers take {PATCH_LIMIT}: from there it goes whole"
    if len(patch) >= len(image):
        return "; left out, because it is not shorter: from there it goes whole"
    return ""


def _old(client: Client, manifest: FirmwareManifest, text: str) -> bytes:
    """A file; else what was pushed: REPOSITORY:TAG, or a tag of the same repository."""
    path = Path(text)
    if not path.is_file():
        whole = text if ":" in text or "@" in text else f"{manifest.name}:{text}"
        return image_of(client, Reference.parse(whole))
    with path.open("rb") as file:
        data = file.read(FIRMWARE_LIMIT + 1)
    if len(data) > FIRMWARE_LIMIT:
        raise InputError(f"--from {text}: more than {FIRMWARE_LIMIT} bytes")
    return data
