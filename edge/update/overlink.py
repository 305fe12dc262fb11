"""`Microcontrollers` over `hal.link`: who is met on the links of this node, and updates of them.

A link tells on a thread of its own; what is known is kept under a lock. An installation blocks, so
it has a thread too, and is let go at the next chunk when it is cancelled.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from edge.update.ports import Cargo, Ending, Held, Phase, Result, Watcher
from edge.wire.firmware import FirmwareManifest, Microcontroller
from edge.wire.limits import TEXT_LIMIT
from hal import clock
from hal.errors import ClosedError, HalError
from hal.link import held as device
from hal.link import patch as patches
from hal.link import upload
from hal.link.image import Image, ImageError, Named, Version, parse
from hal.link.link import Happening, Link, Listener
from hal.link.patch import PatchFileError
from hal.link.steps import EndedError
from hal.link.upload import Outcome, update

LET_GO = 15.0
"""Seconds for an installation to let go: a request may be under way, which has ten."""
READ, GROUP_IMAGE, IMAGE_STATE = 0, 1, 0
"""mcumgr's, as firmware/link/smp.py has them: which image runs from which slot."""
_REASONS = {"board": "WrongBoard", "version": "VersionRollback"}
"""By the first word of what `hal.link.upload` says."""
_PHASES = {
    upload.Phase.UPLOAD: Phase.UPLOAD,
    upload.Phase.APPLY: Phase.UPLOAD,
    upload.Phase.TRIAL: Phase.TRIAL,
}

_log = logging.getLogger(__name__)

Answer = dict[object, object] | Exception


class UpdatedLink(Link, Protocol):
    """What is needed of a link: `hal.link.line.SerialLink`."""

    def subscribe(self, listener: Listener, /) -> None:
        """Tell it what happens, on the link's thread."""
        ...

    def post(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, object],
        done: Callable[[Answer], None],
        /,
    ) -> None:
        """Ask without waiting; raises HalError."""
        ...


class LinkedMicrocontrollers:
    """Those at the ends of some links. `attached` from any thread, the rest on one loop."""

    def __init__(self, links: Sequence[UpdatedLink]) -> None:
        self._links = {link.name: link for link in links}
        self._changed: Callable[[], None] = lambda: None
        self._ends = [_End(link, self._tell) for link in links]

    def attached(self) -> Sequence[Microcontroller]:
        """Every one, met or not."""
        return [end.chip for end in self._ends]

    def subscribe(self, changed: Callable[[], None], /) -> None:
        """See `edge.update.ports`."""
        self._changed = changed

    async def held(self, name: str) -> Held | None:
        """See `edge.update.ports`."""
        link = self._links[name]
        try:
            found = await asyncio.to_thread(device.held, link)
        except (HalError, EndedError, OSError) as error:
            _log.debug("%s: what it has is not known: %s", name, error)
            return None
        images = frozenset(map(_digest, found.images))
        return Held(_digest(found.runs) if found.runs else "", found.patch_limit, images)

    async def install(
        self, name: str, cargo: Cargo, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        """See `edge.update.ports`."""
        let_go = threading.Event()
        link = self._links[name]
        work = asyncio.get_running_loop().run_in_executor(
            None, lambda: _install(link, cargo, watcher, let_go, downgrade=downgrade)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            let_go.set()
            await asyncio.wait([work], timeout=LET_GO)
            raise

    def _tell(self) -> None:
        self._changed()


class _End:
    """What is known of who is at the end of one link."""

    def __init__(self, link: UpdatedLink, tell: Callable[[], None]) -> None:
        self.chip = Microcontroller(name=link.name)
        self._link = link
        self._tell = tell
        self._lock = threading.Lock()
        link.subscribe(self)
        if link.identity is not None:
            self.happened(Happening.UP)  # it was met before anybody listened

    def happened(self, what: Happening) -> None:
        """See `hal.link.link.Listener`."""
        identity = self._link.identity
        if what is Happening.UP and identity is not None:
            self._change(
                id=identity.id,
                board=identity.name,
                version=identity.firmware,
                connected=True,
                since_ns=clock.wall_ns(),
            )
            try:
                self._link.post(READ, GROUP_IMAGE, IMAGE_STATE, {}, self._learn)
            except HalError as error:
                _log.debug("%s: its slots are not known: %s", self._link.name, error)
        elif what is Happening.DOWN:
            self._change(connected=False, since_ns=clock.wall_ns())

    def reported(self, report: Mapping[object, object]) -> None:
        """Readings are somebody else's."""

    def _learn(self, answer: Answer) -> None:
        """Which slot it runs from, and why it went back last."""
        if not isinstance(answer, dict):
            return
        images = answer.get("images")
        active = next(
            (
                each.get("slot")
                for each in (images if isinstance(images, list) else [])
                if isinstance(each, dict) and each.get("active") is True
            ),
            None,
        )
        self._change(
            slot=str(active)[:TEXT_LIMIT] if active is not None else "",
            rollback=_rollback(answer.get("rollback")),
        )

    def _change(self, **what: object) -> None:
        with self._lock:
            self.chip = structs.replace(self.chip, **what)
        self._tell()


def _rollback(told: object) -> str:
    """`0.2.0: it hung`; empty when there was none."""
    if not isinstance(told, dict) or not told.get("count"):
        return ""
    return f"{told.get('version', '?')}: {told.get('reason', '')}"[:TEXT_LIMIT]


class _LetGoError(Exception):
    """Nobody waits for this installation any more."""


def _install(
    link: Link, cargo: Cargo, watcher: Watcher, let_go: threading.Event, *, downgrade: bool
) -> Result:
    def watch(phase: upload.Phase, done: int, total: int) -> None:
        if let_go.is_set():
            raise _LetGoError
        if phase is upload.Phase.APPLY:  # the second half of a way by patch
            done, total = done + total, 2 * total
        elif phase is upload.Phase.UPLOAD and cargo.patch is not None:
            total = 2 * total
        watcher(_PHASES[phase], done, total)

    def wait(seconds: float) -> None:
        if let_go.wait(seconds):
            raise _LetGoError

    try:
        image, patch = _loaded(cargo)
        result = update(link, image, watch, downgrade=downgrade, patch=patch, wait=wait)
        if result.resumed_at:
            _log.info("%s: the upload went on at byte %d", link.name, result.resumed_at)
        return _told(result)
    except (ImageError, PatchFileError, _LetGoError, ClosedError, OSError) as error:
        return _failed(error)


def _failed(error: Exception) -> Result:
    if isinstance(error, PatchFileError):
        return Result(Ending.UNPATCHED, "", str(error))
    if isinstance(error, ImageError):
        return Result(Ending.REFUSED, "ImageInvalid", str(error))
    return Result(Ending.LOST, "LinkLost", str(error) or "the agent stops")


def _loaded(cargo: Cargo) -> "tuple[Image | Named, patches.Patch | None]":
    """What shall run, and what brings it there if that is not the image itself."""
    if cargo.image is not None:
        return parse(cargo.image.read_bytes()), None
    patch = None if cargo.patch is None else patches.parse(cargo.patch.read_bytes())
    return _named(cargo.manifest), patch


def _named(manifest: FirmwareManifest) -> Named:
    try:
        version = Version.parse(manifest.version)
    except ImageError:
        version = None
    digest = bytes.fromhex(manifest.digest.removeprefix("sha256:"))
    return Named(digest, manifest.board, version)


def _digest(of: bytes) -> str:
    return f"sha256:{of.hex()}"


def _told(result: upload.Result) -> Result:
    match result.outcome:
        case Outcome.UPDATED:
            return Result(Ending.CONFIRMED, sent=result.sent)
        case Outcome.ROLLED_BACK:
            return Result(Ending.ROLLED_BACK, "", result.reason, result.sent)
        case Outcome.LOST:
            return Result(Ending.LOST, "LinkLost", result.reason, result.sent)
        case Outcome.UNPATCHED:
            return Result(Ending.UNPATCHED, "", result.reason, result.sent)
        case Outcome.REFUSED:
            reason = _REASONS.get(result.reason.partition(":")[0], "DeviceRefused")
            return Result(Ending.REFUSED, reason, result.reason, result.sent)
