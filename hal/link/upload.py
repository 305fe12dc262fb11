"""Updates a microcontroller over its link: uploads an image, has it tried, tells what became of it.

`steps` decides and does no I/O: it yields what to ask or how long to wait, and is sent the answers.
`update` performs it on a link. Any server of mcumgr's image group is spoken to, MCUboot's and
Zephyr's too: one that says `trial` confirms a new image by itself or goes back, any other is told to
keep the image once it runs and answers.

    state → upload (from where the device left off) → test → reset → state … → confirmed, or not

Nothing is done twice: an image that runs is not sent, one that lies in the other slot is only tried,
and an upload that was cut goes on. So whoever lost a device calls again later.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from firmware.link import cbor, smp
from hal.errors import ClosedError, HalError
from hal.link.image import Image, ImageError, Version
from hal.link.link import Link

OS_PARAMETERS = 6
"""Command of mcumgr's group 0: the size of its buffer."""
MESSAGE_LIMIT = 1195
"""Bytes of an SMP message in a frame of our link."""
SMALL_MESSAGE = 256
"""What a server takes that does not say: mcumgr's smallest buffer is 384, with the line's own."""
ALIGNMENT = 16
"""Chunks are a multiple: flash is written in such units, and servers copy what is not."""
ASK_SECONDS = 10.0
"""For an answer: erasing flash takes seconds on real parts."""
PATIENCE = 30
"""Requests without an answer since the upload last got further, a second apart: the device is lost."""
STALLS = 5
"""Answers that ask for what was sent already, since the upload last got further."""
TRIAL_SECONDS = 180
"""From the reset: the device's own judgement takes half a minute, and three tries may end in hangs;
MCUboot swaps slots for a minute."""

Answer = Mapping[Any, object] | None
"""None: there was none; nothing is known of what the device did."""


class Phase(Enum):
    """What goes on, for whoever watches."""

    UPLOAD = "upload"
    TRIAL = "trial"


class Outcome(Enum):
    """What became of an update."""

    UPDATED = "updated"
    """The image runs and is confirmed."""
    ROLLED_BACK = "rolled back"
    """It was tried; the device runs the earlier one again."""
    REFUSED = "refused"
    """It was not tried."""
    LOST = "lost"
    """The device does not answer; call again when it does."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of an update."""

    outcome: Outcome
    reason: str = ""
    """In words, for people; empty when it is updated."""
    resumed_at: int = 0
    """Bytes that an earlier upload had left there."""
    sent: int = 0
    """Bytes of the image that were sent, again ones included."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is to be made; the generator is sent its answer, or None."""

    operation: int
    group: int
    command: int
    content: Mapping[str, object] = field(default_factory=dict[str, object])
    timeout: float = ASK_SECONDS


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a time; the generator is sent None."""

    seconds: float = 1.0


Steps = Generator[Ask | Wait, Answer, Result]
Watcher = Callable[[Phase, int, int], None]
"""Is told the phase, bytes or seconds so far, and of how many."""


@dataclass(frozen=True, slots=True)
class _Slot:
    digest: bytes
    version: str
    active: bool
    confirmed: bool
    pending: bool


class _EndedError(Exception):
    """The update is over before its end."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def update(
    link: Link,
    image: Image,
    watcher: Watcher | None = None,
    *,
    downgrade: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> Result:
    """Perform an update; returns when the image is confirmed, or is not going to be. Blocks."""
    todo = steps(image, watcher, downgrade=downgrade)
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


def steps(image: Image, watcher: Watcher | None = None, *, downgrade: bool = False) -> Steps:
    """See above. `downgrade`: an older version than the one that runs is meant."""
    going = _Update(image, watcher or _unwatched, downgrade=downgrade)
    try:
        yield from going.run()
    except _EndedError as end:
        return Result(end.outcome, str(end), going.resumed_at, going.sent)
    return Result(Outcome.UPDATED, "", going.resumed_at, going.sent)


class _Update:
    def __init__(self, image: Image, watcher: Watcher, *, downgrade: bool) -> None:
        self._image = image
        self._watcher = watcher
        self._downgrade = downgrade
        self.resumed_at = 0
        self.sent = 0

    def run(self) -> Generator[Ask | Wait, Answer]:
        state = yield from self._state()
        slots = _slots(state)
        runs = _active(slots)
        if runs is None or runs.digest != self._image.digest:
            self._judge(state, runs)
            here = next((slot for slot in slots if slot.digest == self._image.digest), None)
            if here is None:
                yield from self._upload()
            if here is None or not here.pending:
                yield from self._mark()
            yield Ask(smp.WRITE, smp.GROUP_OS, smp.OS_RESET)
        yield from self._trial()

    def _judge(self, state: Mapping[str, object], runs: _Slot | None) -> None:
        """What need not be sent to be refused; the device judges for itself."""
        board = state.get("board")
        if isinstance(board, str) and board != self._image.board:
            raise _EndedError(
                Outcome.REFUSED,
                f"board: the image is for {self._image.board or 'an unnamed one'}, this is {board}",
            )
        if runs is None or self._downgrade:
            return
        try:
            older = self._image.version < Version.parse(runs.version)
        except ImageError:
            return  # not said as MCUboot says it
        if older:
            raise _EndedError(
                Outcome.REFUSED,
                f"version: {self._image.version} is older than {runs.version}, which runs; "
                "say that it is meant",
            )

    def _upload(self) -> Generator[Ask | Wait, Answer]:
        limit = yield from self._limit()
        total = len(self._image.data)
        at, furthest, losses, stalls = 0, 0, 0, 0
        begins = True
        while at < total:
            self._watcher(Phase.UPLOAD, at, total)
            content = self._chunk(0 if begins else at, limit)
            answer = yield Ask(smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, content)
            self.sent += len(_bytes(content["data"]))
            if answer is None:
                losses += 1
                if losses == PATIENCE:
                    raise _EndedError(Outcome.LOST, f"no answer to an upload at byte {at}")
                begins = True  # it may be another start of the device, which knows better
                yield Wait()
                continue
            _check(answer, "upload")
            after = answer.get("off")
            if not isinstance(after, int) or not 0 <= after <= total:
                raise _EndedError(Outcome.REFUSED, f"off: {after!r} is no place of the image")
            if answer.get("match") is False:
                raise _EndedError(Outcome.REFUSED, "the device finds another SHA-256 in its flash")
            if begins and not self.resumed_at and after > len(_bytes(content["data"])):
                self.resumed_at = after
            if after > furthest:
                furthest, losses, stalls = after, 0, 0
            elif after <= at and not begins:
                stalls += 1
            if stalls == STALLS:
                raise _EndedError(Outcome.REFUSED, f"the device stays at byte {after}")
            at, begins = after, False
        self._watcher(Phase.UPLOAD, total, total)

    def _chunk(self, at: int, limit: int) -> dict[str, object]:
        content: dict[str, object] = {"off": at, "data": b""}
        if at == 0:
            content |= {"image": 0, "len": len(self._image.data), "sha": self._image.sha256}
            if self._downgrade:
                content["downgrade"] = True
        # Two more bytes say the length of more than 255.
        room = limit - smp.HEADER_BYTES - len(cbor.encode(content)) - 2
        room = max(ALIGNMENT, room - room % ALIGNMENT)
        content["data"] = self._image.data[at : at + room]
        return content

    def _limit(self) -> Generator[Ask | Wait, Answer, int]:
        answer = yield from self._patiently(Ask(smp.READ, smp.GROUP_OS, OS_PARAMETERS))
        size = answer.get("buf_size")
        if not isinstance(size, int):
            return SMALL_MESSAGE
        return max(SMALL_MESSAGE // 2, min(size, MESSAGE_LIMIT))

    def _mark(self) -> Generator[Ask | Wait, Answer]:
        content: dict[str, object] = {"hash": self._image.digest, "confirm": False}
        if self._downgrade:
            content["downgrade"] = True
        answer = yield from self._patiently(
            Ask(smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, content)
        )
        _check(answer, "test")

    def _trial(self) -> Generator[Ask | Wait, Answer]:
        met = False
        for second in range(TRIAL_SECONDS):
            self._watcher(Phase.TRIAL, second, TRIAL_SECONDS)
            answer = yield Ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, timeout=2.0)
            if answer is not None and not _fault(answer):
                slots = _slots(answer)
                runs = _active(slots)
                if runs is not None and runs.digest == self._image.digest:
                    met = True
                    if runs.confirmed:
                        self._watcher(Phase.TRIAL, TRIAL_SECONDS, TRIAL_SECONDS)
                        return
                    if "trial" not in answer:
                        yield Ask(smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, {"confirm": True})
                        continue
                elif not any(s.pending and s.digest == self._image.digest for s in slots):
                    raise _EndedError(Outcome.ROLLED_BACK, self._why(answer))
            yield Wait()
        state = "it runs and is not confirmed" if met else "it was not heard again"
        raise _EndedError(Outcome.LOST, f"{TRIAL_SECONDS} s after the reset {state}")

    def _why(self, answer: Mapping[str, object]) -> str:
        told = answer.get("rollback")
        if isinstance(told, Mapping):
            reason = told.get("reason")  # pyright: ignore[reportUnknownVariableType]
            if told.get("hash") == self._image.digest and isinstance(reason, str):
                return reason
        return "the bootloader went back to the earlier image"

    def _state(self) -> Generator[Ask | Wait, Answer, Mapping[str, object]]:
        answer = yield from self._patiently(
            Ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, timeout=2.0)
        )
        _check(answer, "image state")
        return answer

    def _patiently(self, ask: Ask) -> Generator[Ask | Wait, Answer, Mapping[str, object]]:
        for _ in range(PATIENCE):
            answer = yield ask
            if answer is not None:
                return answer
            yield Wait()
        raise _EndedError(Outcome.LOST, f"no answer to {PATIENCE} requests")


def _unwatched(_phase: Phase, _done: int, _total: int) -> None:
    pass


def _check(answer: Mapping[str, object], what: str) -> None:
    fault = _fault(answer)
    if fault:
        raise _EndedError(Outcome.REFUSED, f"{what}: {fault}")


def _fault(answer: Mapping[str, object]) -> str:
    """What an answer says is wrong; empty when nothing is. Both versions of SMP."""
    error = answer.get("err")
    if isinstance(error, Mapping):
        found: Mapping[str, object] = error  # pyright: ignore[reportUnknownVariableType]
        return f"error {found.get('rc')} of group {found.get('group')}"
    rc = answer.get("rc", 0)
    if rc == smp.OK:
        return ""
    if rc == smp.UNSUPPORTED:
        return "the device takes no updates over its link"
    return str(answer.get("rsn", f"error {rc}"))[:200]


def _slots(answer: Mapping[str, object]) -> list[_Slot]:
    found = answer.get("images")
    if not isinstance(found, list):
        raise _EndedError(Outcome.REFUSED, "images: the device lists none")
    return [
        _Slot(
            digest=_bytes(one.get("hash")),
            version=str(one.get("version", "")),
            active=one.get("active") is True,
            confirmed=one.get("confirmed") is True,
            pending=one.get("pending") is True,
        )
        for one in found  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, dict)
    ]


def _active(slots: list[_Slot]) -> _Slot | None:
    return next((slot for slot in slots if slot.active), None)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
