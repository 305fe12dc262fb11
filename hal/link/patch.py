"""Patches from one image to the next: made on a desk with detools, applied by the device.

`firmware.device.patch` says the format. A patch names its base and its result by their digests, so
who holds one can tell whether it fits before a byte is sent.
"""

import io
from dataclasses import dataclass

from firmware.device import patch as format_
from firmware.device.patch import HEAD_BYTES, PatchError
from hal.errors import HalError
from hal.link import image
from hal.link.image import SIZE_LIMIT, Image, Named

__all__ = ["SIZE_LIMIT", "Patch", "PatchFileError", "apply", "make", "parse"]


class PatchFileError(HalError, ValueError):
    """Bytes that are no patch, or one that cannot be made."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Whether it makes what it says is judged where it is applied."""

    data: bytes
    base_length: int
    base: bytes
    """Digest of the image that must run; mcumgr's `hash`, like the next."""
    result: bytes
    result_sha256: bytes
    """Of all bytes of the result."""

    def unfit(self, runs: bytes, wanted: Image | Named, limit: object) -> str:
        """Why a device that runs `runs` and takes `limit` bytes does not get to what is wanted by it; or ""."""
        if not isinstance(limit, int):
            return "the device takes no patches"
        if len(self.data) > limit:
            return f"it has {len(self.data)} bytes, the device takes {limit}"
        if self.base != runs:
            return "it is of another image than the one that runs"
        same = not isinstance(wanted, Image) or self.result == wanted.digest
        return "" if same and self.result_sha256 == wanted.sha256 else "it makes another image"


def parse(data: bytes) -> Patch:
    """Read its wrapping; PatchFileError."""
    if len(data) > SIZE_LIMIT:
        raise PatchFileError(f"patch: more than {SIZE_LIMIT} bytes")
    try:
        return Patch(data, *format_.head(data))
    except PatchError as error:
        raise PatchFileError(str(error)) from None


def apply(patch: Patch, base: bytes) -> bytes:
    """What the device makes of it, by the same code; PatchFileError."""
    body = io.BytesIO(patch.data[HEAD_BYTES:])
    try:
        work = format_.Patch(body.read, lambda at, count: base[at : at + count], len(base))
        return b"".join(bytes(block) for block in work.blocks())
    except PatchError as error:
        raise PatchFileError(str(error)) from None


def between(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """The patch from one image to the other, and the digest of its base; ImageError, PatchFileError."""
    made = make(image.parse(old), image.parse(new))
    return made.data, made.base


def make(old: Image, new: Image) -> Patch:
    """The patch from one to the other, tried here once; PatchFileError."""
    try:
        import detools  # noqa: PLC0415 - a node makes none
    except ImportError:
        raise PatchFileError(
            "detools is not here; a desk has it: pip install skerry[boards]"
        ) from None
    if old.board != new.board:
        raise PatchFileError(f"board: {old.board} and {new.board}; both must be for the same one")
    body = io.BytesIO()
    detools.create_patch(
        io.BytesIO(old.data),
        io.BytesIO(new.data),
        body,
        compression="crle",
        patch_type="sequential",
        use_mmap=False,
    )
    head = format_.wrapping(len(old.data), old.digest, new.digest, new.sha256)
    made = parse(head + body.getvalue())
    if apply(made, old.data) != new.data:
        raise PatchFileError("patch: it does not make the new image, which is a fault of ours")
    return made
