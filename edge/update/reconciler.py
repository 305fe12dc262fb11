"""Performs what each firmware's `FirmwareLife` decides: verifies, fetches, installs, remembers.

One asyncio task that sleeps until something happens. What must outlive the agent is on the disk
before the step that it is about begins. Installations take turns: an image is in memory meanwhile,
and a node's microcontrollers are never all on trial at one time.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from edge.errors import PrepareError, RefusedError
from edge.fetch import FetchError, LastingError, Progress, WrongBytesError
from edge.store.errors import StoreError
from edge.trust.errors import MalformedError
from edge.trust.manifest import release_number
from edge.update.actions import Action, Fetch, Install, Record, Verify
from edge.update.choosing import IMAGE, There, Way, Whole, choose
from edge.update.life import FirmwareLife
from edge.update.matching import match_all
from edge.update.nobody import ATTACHED, KIND
from edge.update.ports import Cargo, Ending, Microcontrollers, Phase, Result
from edge.wire.codec import encode_attached, encode_firmware_status
from edge.wire.firmware import (
    AttachedStatus,
    DesiredFirmware,
    FirmwarePatch,
    FirmwareStatus,
)
from edge.wire.limits import MICROCONTROLLERS_LIMIT
from edge.wire.messages import Module, StatusItem
from hal import clock

_GONE = "its patch cannot be fetched: {}"

_log = logging.getLogger(__name__)


class Permission(Protocol):
    """What was signed: `edge.gatekeeper.Admitted`."""

    @property
    def downgrade_from(self) -> int | None:
        """It may take the place of versions up to this one."""
        ...


class Gate(Protocol):
    """Who says what may be installed: `edge.gatekeeper.Gatekeeper`."""

    async def admit(self, spec: DesiredFirmware, /) -> Permission | None:
        """What was signed; None where anything may. Raises RefusedError, RetryableError."""
        ...

    def proven(self, spec: DesiredFirmware, /) -> None:
        """It runs well; may block."""
        ...


class Records(Protocol):
    """Where records are kept: `Store.reported`. Blocks for the disk."""

    def put(self, kind: str, name: str, status: bytes, /) -> None:
        """Keep one."""
        ...

    def remove(self, kind: str, name: str, /) -> None:
        """Forget one."""
        ...

    def items(self) -> dict[tuple[str, str], bytes]:
        """All there are."""
        ...


FetchBlob = Callable[[Module, Progress], Awaitable[Path]]
"""The verified file of an image or a patch; raises FetchError."""


class Counted:
    """Bytes that came by one fetch; what lay there from an earlier one does not count."""

    def __init__(self) -> None:
        self.came = 0
        self._before: int | None = None

    def progress(self, done: int, _size: int) -> None:
        """See `edge.fetch.Progress`."""
        if self._before is not None:
            self.came += max(0, done - self._before)
        self._before = done


class FirmwareReconciler:
    """All firmware of a node. Belongs to the loop's thread."""

    def __init__(
        self, node: str, chips: Microcontrollers, gate: Gate, fetch: FetchBlob, records: Records
    ) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called when a status changed."""
        self._node = node
        self._chips = chips
        self._gate = gate
        self._fetch = fetch
        self._records = records
        self._lives: dict[str, FirmwareLife] = {}
        self._wanted: dict[str, DesiredFirmware] = {}
        self._kept: dict[str, Record] = {}
        self._permissions: dict[str, Permission | None] = {}
        self._steps: dict[str, asyncio.Task[None]] = {}
        self._shown: dict[str, FirmwareStatus] = {}
        self._logged: dict[str, tuple[object, ...]] = {}
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # --- what is wanted ------------------------------------------------------------------------

    def resume(self) -> None:
        """Take up what the disk remembers; call before `want`."""
        for (kind, name), data in self._records.items().items():
            if kind == KIND:
                try:
                    self._kept[name] = msgspec.json.decode(data, type=Record)
                except msgspec.MsgspecError as error:
                    _log.warning("firmware %s: its record is not in order: %s", name, error)

    def want(self, wanted: Mapping[str, tuple[DesiredFirmware, int]], /) -> None:
        """Install these, and only these."""
        self._wanted = {name: spec for name, (spec, _) in wanted.items()}
        for name, (spec, generation) in wanted.items():
            if name not in self._lives:
                self._lives[name] = FirmwareLife(name, self._kept.get(name, Record()))
            if self._lives[name].want(spec, generation):
                self._cancel(name)
        for name in self._lives.keys() - wanted.keys():
            self._cancel(name)
            for kept in (self._lives, self._shown, self._logged, self._permissions):
                kept.pop(name, None)
        self._wake.set()

    def retry_now(self) -> None:
        """The link came back: what waited for the network tries again at once."""
        for life in self._lives.values():
            life.retry_now()
        self._wake.set()

    # --- what is -------------------------------------------------------------------------------

    def items(self) -> list[StatusItem]:
        """Every status, as last announced through `changed`, and who is attached."""
        found = [
            StatusItem(
                kind=KIND,
                name=name,
                generation=self._lives[name].generation,
                status=encode_firmware_status(status),
            )
            for name, status in self._shown.items()
        ]
        chips = list(self._chips.attached())[:MICROCONTROLLERS_LIMIT]
        attached = encode_attached(AttachedStatus(microcontrollers=chips))
        found.append(StatusItem(kind=ATTACHED, name=self._node, generation=0, status=attached))
        return found

    def images_in_use(self) -> set[str]:
        """Digests that must stay in the cache: of what is not installed yet, patches included."""
        return {
            digest
            for name, spec in self._wanted.items()
            if self._lives[name].record.installed != spec.manifest.digest
            for digest in (spec.manifest.digest, *(each.digest for each in spec.patches))
        }

    # --- the loop ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Reconcile until cancelled; what is under way is let go, and resumed another time."""
        self._chips.subscribe(self._heard)
        try:
            while True:
                self._wake.clear()
                await self._look()
                now = clock.monotonic()
                deadlines = [life.next_deadline(now) for life in self._lives.values()]
                known = [deadline for deadline in deadlines if deadline is not None]
                delay = min(known) - now + 0.001 if known else None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), delay)
        finally:
            steps = list(self._steps.values())
            for step in steps:
                step.cancel()
            await asyncio.gather(*steps, return_exceptions=True)
            await self._keep()

    def _heard(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: the agent stops
            self._loop.call_soon_threadsafe(self._attached)

    def _attached(self) -> None:
        """What is attached has changed: the cloud is told, whatever it means for firmware."""
        self._wake.set()
        self.changed()

    async def _look(self) -> None:
        matches = match_all(self._wanted, self._chips.attached())
        for name, match in matches.items():
            self._lives[name].meet(match)
        await self._keep()
        now = clock.monotonic()
        for name, life in list(self._lives.items()):
            action = life.decide(now)
            self._publish(life)
            if action is not None:
                self._steps[name] = self._loop.create_task(self._perform(life, action))
        await self._keep()

    async def _keep(self) -> None:
        """Bring what must outlive the agent to the disk; one that is full is tried again."""
        try:
            for name in self._kept.keys() - self._lives.keys():
                await asyncio.to_thread(self._records.remove, KIND, name)
                self._kept.pop(name, None)
            for name, life in list(self._lives.items()):
                if self._kept.get(name) != life.record:
                    record = life.record
                    data = msgspec.json.encode(record)
                    await asyncio.to_thread(self._records.put, KIND, name, data)
                    self._kept[name] = record
        except (StoreError, OSError) as error:
            _log.error("what became of firmware is not kept, and waits for a change: %s", error)

    # --- steps ---------------------------------------------------------------------------------

    async def _perform(self, life: FirmwareLife, action: Action) -> None:
        try:
            match action:
                case Verify(spec):
                    await self._verify(life, spec)
                case Fetch():
                    await self._take(life, action)
                case Install():
                    async with self._turn:
                        await self._install(life, action)
            await self._keep()  # a verdict that is seen is never passed twice
        except (FetchError, OSError) as error:
            life.unavailable(str(error), clock.monotonic())
        except Exception as error:  # noqa: BLE001 - the others must go on
            _log.exception("firmware %s: a step failed, and is tried again", life.name)
            life.broke(f"{type(error).__name__}: {error}", clock.monotonic())
        finally:
            if self._steps.get(life.name) is asyncio.current_task():
                del self._steps[life.name]
            self._publish(life)
            self._wake.set()

    async def _verify(self, life: FirmwareLife, spec: DesiredFirmware) -> None:
        try:
            self._permissions[life.name] = await self._gate.admit(spec)
        except RefusedError as error:
            life.refused(error.reason, str(error), curable=error.curable, now=clock.monotonic())
        except PrepareError as error:
            life.unavailable(str(error), clock.monotonic())
        else:
            life.admitted()

    async def _take(self, life: FirmwareLife, action: Fetch) -> None:
        spec, way = action.spec, await self._way(action)
        if way is None:
            life.unavailable(f"{action.chip.name} does not say what it runs", clock.monotonic())
            return
        if isinstance(way, Whole) and way.why:
            life.unpatched(way.why)  # and now it is asked for as if there were none
            return
        try:
            await self._have(life, spec, way)
        except FetchError as error:
            if isinstance(way, FirmwarePatch) and isinstance(error, LastingError):
                life.unpatched(_GONE.format(error))
                return
            wrong = isinstance(error, WrongBytesError)
            life.unavailable(str(error), clock.monotonic(), wrong=wrong)
        else:
            life.fetched(way)

    async def _way(self, action: Fetch) -> Way | None:
        """How it shall come; None when the microcontroller cannot be asked now."""
        if action.whole:
            return IMAGE
        held = await self._chips.held(action.chip.name)
        return None if held is None else choose(action.spec, held)

    async def _have(self, life: FirmwareLife, spec: DesiredFirmware, way: Way) -> Cargo:
        """What this way needs, on the disk; raises FetchError."""
        if isinstance(way, There):
            return Cargo(spec.manifest)
        counted, wish = Counted(), life.generation
        try:
            if isinstance(way, Whole):
                return Cargo(spec.manifest, await self._fetch(spec.image, counted.progress))
            patch = await self._fetch(spec.blob(way), counted.progress)
            return Cargo(spec.manifest, patch=patch)
        finally:
            if life.generation == wish:
                life.came(counted.came)

    async def _install(self, life: FirmwareLife, action: Install) -> None:
        spec, chip = action.spec, action.chip

        def watcher(phase: Phase, done: int, total: int) -> None:
            self._loop.call_soon_threadsafe(self._note, life, step, phase, done, total)

        step = asyncio.current_task()
        try:
            cargo = await self._have(
                life, spec, action.way
            )  # unless the disk was tidied it is there
        except LastingError as error:
            if not isinstance(action.way, FirmwarePatch):
                raise
            life.ended(Result(Ending.UNPATCHED, "", _GONE.format(error)), clock.monotonic())
            return
        downgrade = self._may_go_back(life.name, chip.version)
        result = await self._chips.install(chip.name, cargo, watcher, downgrade=downgrade)
        life.ended(result, clock.monotonic())
        kept = life.record
        what = f"{kept.fetched} bytes fetched, {kept.sent} sent"
        _log.info("firmware %s %s: %s", life.name, spec.manifest.version, what)
        if result.ending is Ending.CONFIRMED:
            await asyncio.to_thread(self._gate.proven, spec)

    def _note(
        self,
        life: FirmwareLife,
        step: "asyncio.Task[None] | None",
        phase: Phase,
        done: int,
        total: int,
    ) -> None:
        if self._steps.get(life.name) is step and life.progress(phase, done, total):
            self._publish(life)
            self._wake.set()  # a trial that begins is kept

    def _may_go_back(self, name: str, runs: str) -> bool:
        """Whether it was signed that this may replace the version that runs, or nothing need be."""
        permission = self._permissions.get(name)
        if permission is None:
            return True
        try:
            return (permission.downgrade_from or 0) >= release_number(runs)
        except MalformedError:
            return False

    # --- helpers -------------------------------------------------------------------------------

    def _cancel(self, name: str) -> None:
        step = self._steps.pop(name, None)
        if step is not None:
            step.cancel()

    def _publish(self, life: FirmwareLife) -> None:
        if self._lives.get(life.name) is not life:
            return
        before = self._shown.get(life.name)
        status = life.status(before.since_ns if before else 0)
        if before is None or before.state is not status.state:
            status = life.status(clock.wall_ns())
        if status == before:
            return
        self._shown[life.name] = status
        shown = (status.state, status.reason, status.message)
        if self._logged.get(life.name) != shown:
            self._logged[life.name] = shown
            told = ": ".join(filter(None, (status.state.value, status.reason, status.message)))
            version = self._wanted[life.name].manifest.version
            _log.info("firmware %s %s: %s", life.name, version, told)
        self.changed()
