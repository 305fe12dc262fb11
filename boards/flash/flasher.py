"""The work in order: write, verify, settings, verify them too. Success is returned, all else raised.

The head with the partition table is wiped first and written last, when everything else was read
back and the image has proven to be what its digest says: a card that was not finished does not boot.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from boards import preseed
from boards.errors import (
    BootPartitionError,
    FlashError,
    ImageError,
    OutOfReachError,
    PreseedError,
    VerifyError,
)
from boards.flash.fat import Fat, Read
from boards.flash.identity import Identity, boot_file_system, identify
from boards.flash.pieces import ZEROS, Piece, Source
from boards.flash.plan import HEAD
from boards.flash.target import UNFINISHED, Target
from boards.preseed import Preseed


class Phase(Enum):
    """What a progress bar is about."""

    WRITE = "writing"
    VERIFY = "verifying"


Progress = Callable[[Phase, int, int | None], None]
"""(phase, bytes done, bytes in all when known)."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece on the target; `digest` is None when all of it is zero."""

    start: int
    length: int
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Report:
    """What is on the target, verified."""

    data: int
    """Bytes copied."""
    zeros: int
    """Bytes made zero."""
    settings: Preseed | None
    """What `skerry.toml` now holds, when it was changed."""


def prepare(source: Source, settings: Preseed) -> Identity:
    """What the image is; raises now what would be raised after writing, as far as can be known."""
    try:
        found = identify(source.read)
    except (BootPartitionError, OutOfReachError) as fault:
        raise ImageError(f"{source.name}: not written: {fault}") from fault
    if settings != Preseed():
        preseed.check(settings, whole=False)
        with suppress(OutOfReachError):
            _prepared(source.read, settings)
    return found


def flash(
    source: Source, target: Target, settings: Preseed, progress: Progress | None = None
) -> Report:
    """Put the image and the settings on the target; whatever fails is raised."""
    show = progress or _silent
    body, head = write_body(source, target, show)
    verify(target, body, show)
    written = [*body, *write_head(target, head)]
    verify(target, written[len(body) :], _silent)
    merged = _apply(target, settings) if settings != Preseed() else None
    return Report(
        data=sum(piece.length for piece in written if piece.digest),
        zeros=sum(piece.length for piece in written if not piece.digest),
        settings=merged,
    )


def write_body(
    source: Source, target: Target, progress: Progress
) -> tuple[Sequence[Written], Sequence[Piece]]:
    """Everything but the head, which is returned; returns when the device has it."""
    target.wipe(HEAD)
    target.sync()
    written: list[Written] = []
    head: list[Piece] = []
    for piece in source.pieces():
        if piece.end <= HEAD:
            head.append(piece)
        else:
            written.append(_put(target, piece))
        progress(Phase.WRITE, source.passed, source.total)
    target.sync()
    return written, head


def write_head(target: Target, head: Sequence[Piece]) -> Sequence[Written]:
    """What makes the rest a disk; returns when the device has it."""
    written = [_put(target, piece) for piece in head]
    target.sync()
    return written


def verify(target: Target, written: Sequence[Written], progress: Progress) -> None:
    """Read everything back from the device; raises VerifyError that says where."""
    target.forget()
    total = sum(piece.length for piece in written)
    done = 0
    for piece in written:
        for start in range(piece.start, piece.start + piece.length, len(ZEROS)):
            size = min(len(ZEROS), piece.start + piece.length - start)
            data = target.read(start, size)
            right = (
                data == ZEROS[:size]
                if piece.digest is None
                else hashlib.sha256(data).digest() == piece.digest
            )
            if not right:
                raise VerifyError(
                    f"{target.path}: between byte {start} and {start + size} it gives back "
                    "something else than was written: a failing or counterfeit card, or a bad "
                    f"reader. {UNFINISHED}"
                )
            done += size
            progress(Phase.VERIFY, done, total)


def write_settings(target: Target, settings: Preseed) -> Preseed:
    """Add settings to the target's `skerry.toml` and read them back; returns what it now holds."""
    fat, merged = _prepared(target.read, settings)
    wanted = preseed.render(merged)
    for edit in fat.replacing(fat.find(preseed.FILE_NAME), wanted):
        target.write(edit.offset, edit.data)
    target.sync()
    target.forget()
    again = boot_file_system(target.read)
    if again.read(again.find(preseed.FILE_NAME), preseed.FILE_LIMIT) != wanted:
        raise VerifyError(f"{target.path}: {preseed.FILE_NAME} is not what was written")
    return merged


def _apply(target: Target, settings: Preseed) -> Preseed:
    try:
        return write_settings(target, settings)
    except (FlashError, PreseedError) as fault:
        message = f"the image is written and verified, but the settings are not in it: {fault}"
        raise type(fault)(message) from fault


def _prepared(read: Read, settings: Preseed) -> tuple[Fat, Preseed]:
    """The boot file system, and what its settings will be; raises what would be raised later."""
    fat = boot_file_system(read)
    try:
        base = preseed.parse(fat.read(fat.find(preseed.FILE_NAME), preseed.FILE_LIMIT))
    except PreseedError as fault:
        raise PreseedError(f"{preseed.FILE_NAME} of the image: {fault}") from fault
    merged = preseed.merge(base, settings)
    preseed.check(merged)
    if len(preseed.render(merged)) > preseed.FILE_LIMIT:
        raise PreseedError(f"{preseed.FILE_NAME}: at most {preseed.FILE_LIMIT} bytes")
    return fat, merged


def _put(target: Target, piece: Piece) -> Written:
    if piece.data is None:
        target.zero(piece.start, piece.length)
        return Written(piece.start, piece.length, None)
    target.write(piece.start, piece.data)
    return Written(piece.start, piece.length, hashlib.sha256(piece.data).digest())


def _silent(phase: Phase, done: int, total: int | None) -> None:
    del phase, done, total
