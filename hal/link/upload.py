"""Updates a microcontroller over its link: uploads an image, has it tried, tells what became of it.

`steps` decides and does no I/O: it yields what to ask or how long to wait, and is sent the answers.
`update` performs it on a link. Any server of mcumgr's image group is spoken to, MCUboot's and
Zephyr's too: one that says `trial` confirms a new image by itself or goes back, any other is told to
keep the image once it runs and answers.

    state → upload (from where the device left off) → test → reset → state … → confirmed, or not

With a patch that fits, the patch is sent instead, and the device makes the image from the one that
runs: `firmware/device/patches.py`. One that is refused costs little: the whole image is sent then.
An image that is only named is reached by a patch or not at all. The device says the SHA-256 of what
lies in its slots, and only a slot of the right one is tried: what a patch says of itself decides
nothing.

Nothing is done twice: an image that runs is not sent, one that lies in the other slot is only tried,
and an upload that was cut goes on. So whoever lost a device calls again later.
"""

import hashlib
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware.link import cbor, smp
from hal.errors import ClosedError, HalError
from hal.link.image import Image, ImageError, Named, Version
from hal.link.link import Link
from hal.link.steps import (
    Answer,
    Ask,
    EndedError,
    Outcome,
    Phase,
    Result,
    Slot,
    Steps,
    Wait,
    Watcher,
    active,
    as_bytes,
    check,
    fault,
    slots_of,
)

if TYPE_CHECKING:  # a node that has no patch loads none of it
    from hal.link.patch import Patch

__all__ = ["Ask", "Outcome", "Phase", "Result", "Steps", "Wait", "Watcher", "steps", "update"]

OS_PARAMETERS = 6
"""Command of mcumgr's group 0: the size of its buffer."""
PATCHES, PATCH = 66, 0
"""Group and command of a patch: `firmware/device/patch.py`."""
MESSAGE_LIMIT = 1195
"""Bytes of an SMP message in a frame of our link."""
SMALL_MESSAGE = 256
"""What a server takes that does not say: mcumgr's smallest buffer is 384, with the line's own."""
ALIGNMENT = 16
"""Chunks are a multiple: flash is written in such units, and servers copy what is not."""
PATIENCE = 30
"""Requests without an answer since the upload last got further, a second apart: the device is lost."""
STALLS = 5
"""Answers that ask for what was sent already, since the upload last got further."""
STANDS_STILL = 60
"""Seconds in which a device that applies a patch gets no further: it will not."""
TRIAL_SECONDS = 180
"""From the reset: the device's own judgement takes half a minute, and three tries may end in hangs;
MCUboot swaps slots for a minute."""

_NOTHING = "the device has neither patch nor image now"
_MADE = "what it made of the patch is not the image that is wanted"


def update(
    link: Link,
    image: Image | Named,
    watcher: Watcher | None = None,
    *,
    downgrade: bool = False,
    patch: "Patch | None" = None,
    wait: Callable[[float], None] = time.sleep,
) -> Result:
    """Perform an update; returns when the image is confirmed, or is not going to be. Blocks."""
    todo = steps(image, watcher, downgrade=downgrade, patch=patch)
    answer: Answer = None
    while True:
        try:
            step = todo.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = None
        if isinstance(step, Wait):
            wait(step.seconds)
            continue
        try:
            answer = link.request(
                step.operation, step.group, step.command, step.content, step.timeout
            )
        except ClosedError:
            raise
        except (HalError, OSError):
            continue


def steps(
    image: Image | Named,
    watcher: Watcher | None = None,
    *,
    downgrade: bool = False,
    patch: "Patch | None" = None,
) -> Steps:
    """See above. `downgrade`: an older version than the one that runs is meant."""
    going = _Update(image, watcher or _unwatched, downgrade=downgrade)
    outcome, reason = Outcome.UPDATED, ""
    try:
        yield from going.run(patch)
    except EndedError as end:
        outcome, reason = end.outcome, str(end)
    return Result(outcome, reason, going.resumed_at, going.sent, going.patched, going.unpatched)


@dataclass(frozen=True, slots=True)
class _Cargo:
    """What is sent in pieces."""

    group: int
    command: int
    data: bytes
    first: Mapping[str, object]
    """Said at its begin beside its length and SHA-256."""


class _Update:
    def __init__(self, image: Image | Named, watcher: Watcher, *, downgrade: bool) -> None:
        self._image = image
        self._digest = image.digest if isinstance(image, Image) else None
        """By which the device names it; None: no slot is known to hold it."""
        self._tells = isinstance(image, Image)
        """Whether it can be known what a patch made."""
        self._watcher = watcher
        self._meant: dict[str, object] = {"downgrade": True} if downgrade else {}
        self.resumed_at = 0
        self.sent = 0
        self.patched = False
        self.unpatched = ""

    def run(self, patch: "Patch | None") -> Generator[Ask | Wait, Answer]:
        state = yield from self._state()
        slots = slots_of(state)
        yield from self._identify(slots)
        runs = active(slots)
        if runs is None or runs.digest != self._digest:
            self._judge(state, runs)
            here = next((slot for slot in slots if slot.digest == self._digest), None)
            if here is None and patch is not None:
                yield from self._patch(patch, runs, state.get("patch"))
            if here is None and not self.patched:
                yield from self._whole()
            if here is None or not here.pending:
                yield from self._mark()
            yield Ask(smp.WRITE, smp.GROUP_OS, smp.OS_RESET)
        yield from self._trial()

    def _judge(self, state: Mapping[str, object], runs: Slot | None) -> None:
        """What need not be sent to be refused; the device judges for itself."""
        board = state.get("board")
        if isinstance(board, str) and board != self._image.board:
            raise EndedError(
                Outcome.REFUSED,
                f"board: the image is for {self._image.board or 'an unnamed one'}, this is {board}",
            )
        if runs is None or self._meant or self._image.version is None:
            return
        try:
            older = self._image.version < Version.parse(runs.version)
        except ImageError:
            return  # not said as MCUboot says it
        if older:
            raise EndedError(
                Outcome.REFUSED,
                f"version: {self._image.version} is older than {runs.version}, which runs; "
                "say that it is meant",
            )

    def _patch(
        self, patch: "Patch", runs: Slot | None, limit: object
    ) -> Generator[Ask | Wait, Answer]:
        """Have the image made; `patched` afterwards, or `unpatched` says why not."""
        if not self._tells:
            self.unpatched = "the device's firmware does not say what it makes of a patch"
        else:
            self.unpatched = patch.unfit(runs.digest if runs else b"", self._image, limit)
        if self.unpatched:
            return
        try:
            yield from self._send(_Cargo(PATCHES, PATCH, patch.data, {}))
            yield from self._apply()
        except EndedError as end:
            if end.outcome is Outcome.LOST:
                raise
            self.unpatched, self.resumed_at = str(end), 0
        else:
            self.patched = True

    def _identify(self, slots: list[Slot]) -> Generator[Ask | Wait, Answer]:
        """Look which slot holds the image that is only named: by SHA-256 of all bytes there."""
        for slot in slots if self._digest is None else ():
            where = {"slot": slot.number}
            answer = yield from self._patiently(Ask(smp.READ, PATCHES, PATCH, where))
            found = as_bytes(answer.get("sha"))
            self._tells |= bool(found)
            if found == self._image.sha256 and slot.digest:
                self._digest = slot.digest

    def _whole(self) -> Generator[Ask | Wait, Answer]:
        if not isinstance(self._image, Image):
            raise EndedError(Outcome.UNPATCHED, self.unpatched or "no slot holds it")
        first = {"image": 0} | self._meant
        yield from self._send(_Cargo(smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, self._image.data, first))

    def _apply(self) -> Generator[Ask | Wait, Answer]:
        """Until the image is in its slot."""
        before, still = -1, 0
        while still < STANDS_STILL:
            answer = yield from self._patiently(Ask(smp.READ, PATCHES, PATCH, timeout=2.0))
            check(answer, "patch")
            at, total = answer.get("at"), answer.get("of")
            if not isinstance(at, int) or not isinstance(total, int):
                raise EndedError(Outcome.REFUSED, f"at: {at!r} of {total!r} is no place")
            self._watcher(Phase.APPLY, at, total)
            if answer.get("len") == 0:
                slots = slots_of((yield from self._state()))
                yield from self._identify(slots)
                if any(slot.digest == self._digest for slot in slots):
                    return
                why = str(answer.get("rsn", _MADE if slots[1:] else _NOTHING))
                raise EndedError(Outcome.REFUSED, why[:200])
            still = 0 if at > before else still + 1
            before = max(at, before)
            yield Wait()
        raise EndedError(Outcome.REFUSED, f"applying it stands still at byte {before}")

    def _send(self, cargo: _Cargo) -> Generator[Ask | Wait, Answer]:
        limit = yield from self._limit()
        total = len(cargo.data)
        at, furthest, losses, stalls = 0, 0, 0, 0
        begins = True
        while at < total:
            self._watcher(Phase.UPLOAD, at, total)
            content = _chunk(cargo, 0 if begins else at, limit)
            answer = yield Ask(smp.WRITE, cargo.group, cargo.command, content)
            self.sent += len(as_bytes(content["data"]))
            if answer is None:
                losses += 1
                if losses == PATIENCE:
                    raise EndedError(Outcome.LOST, f"no answer to an upload at byte {at}")
                begins = True  # it may be another start of the device, which knows better
                yield Wait()
                continue
            check(answer, "upload")
            after = answer.get("off")
            if not isinstance(after, int) or not 0 <= after <= total:
                raise EndedError(Outcome.REFUSED, f"off: {after!r} is no place of the image")
            if answer.get("match") is False:
                raise EndedError(Outcome.REFUSED, "the device finds another SHA-256 in its flash")
            if begins and not self.resumed_at and after > len(as_bytes(content["data"])):
                self.resumed_at = after
            if after > furthest:
                furthest, losses, stalls = after, 0, 0
            elif after <= at and not begins:
                stalls += 1
            if stalls == STALLS:
                raise EndedError(Outcome.REFUSED, f"the device stays at byte {after}")
            at, begins = after, False
        self._watcher(Phase.UPLOAD, total, total)

    def _limit(self) -> Generator[Ask | Wait, Answer, int]:
        answer = yield from self._patiently(Ask(smp.READ, smp.GROUP_OS, OS_PARAMETERS))
        size = answer.get("buf_size")
        if not isinstance(size, int):
            return SMALL_MESSAGE
        return max(SMALL_MESSAGE // 2, min(size, MESSAGE_LIMIT))

    def _mark(self) -> Generator[Ask | Wait, Answer]:
        content = {"hash": self._digest, "confirm": False} | self._meant
        answer = yield from self._patiently(
            Ask(smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, content)
        )
        check(answer, "test")

    def _trial(self) -> Generator[Ask | Wait, Answer]:
        met = False
        for second in range(TRIAL_SECONDS):
            self._watcher(Phase.TRIAL, second, TRIAL_SECONDS)
            answer = yield Ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, timeout=2.0)
            if answer is not None and not fault(answer):
                slots = slots_of(answer)
                runs = active(slots)
                if runs is not None and runs.digest == self._digest:
                    met = True
                    if runs.confirmed:
                        self._watcher(Phase.TRIAL, TRIAL_SECONDS, TRIAL_SECONDS)
                        return
                    if "trial" not in answer:
                        yield Ask(smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, {"confirm": True})
                        continue
                elif not any(s.pending and s.digest == self._digest for s in slots):
                    raise EndedError(Outcome.ROLLED_BACK, self._why(answer))
            yield Wait()
        state = "it runs and is not confirmed" if met else "it was not heard again"
        raise EndedError(Outcome.LOST, f"{TRIAL_SECONDS} s after the reset {state}")

    def _why(self, answer: Mapping[str, object]) -> str:
        told = answer.get("rollback")
        if isinstance(told, Mapping):
            reason = told.get("reason")  # pyright: ignore[reportUnknownVariableType]
            if told.get("hash") == self._digest and isinstance(reason, str):
                return reason
        return "the bootloader went back to the earlier image"

    def _state(self) -> Generator[Ask | Wait, Answer, Mapping[str, object]]:
        answer = yield from self._patiently(
            Ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, timeout=2.0)
        )
        check(answer, "image state")
        return answer

    def _patiently(self, ask: Ask) -> Generator[Ask | Wait, Answer, Mapping[str, object]]:
        for _ in range(PATIENCE):
            answer = yield ask
            if answer is not None:
                return answer
            yield Wait()
        raise EndedError(Outcome.LOST, f"no answer to {PATIENCE} requests")


def _chunk(cargo: _Cargo, at: int, limit: int) -> dict[str, object]:
    content: dict[str, object] = {"off": at, "data": b""}
    if at == 0:
        content |= {"len": len(cargo.data), "sha": hashlib.sha256(cargo.data).digest()}
        content |= cargo.first
    # Two more bytes say the length of more than 255.
    room = limit - smp.HEADER_BYTES - len(cbor.encode(content)) - 2
    room = max(ALIGNMENT, room - room % ALIGNMENT)
    content["data"] = cargo.data[at : at + room]
    return content


def _unwatched(_phase: Phase, _done: int, _total: int) -> None:
    pass
