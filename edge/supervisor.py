"""Performs what each app's `AppLife` decides: prepares modules, starts runs, stops them.

One asyncio task; guests run on threads of their own and report back through the loop. The task
sleeps until something happens or the next deadline: an idle node wakes for nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol

from edge.errors import ControlError, GrantError, PrepareError, RefusedError, UnusableError
from edge.lifecycle import (
    STOP_GRACE,
    AppLife,
    ChangeTwin,
    Prepare,
    Start,
    Stop,
)
from edge.sandbox.exits import Exit, ExitKind
from edge.wire.messages import AppState, AppStatus, DesiredApp, Scalar
from hal import clock

PREPARE_PARALLEL = 1
"""Modules fetched and compiled at once: compiling takes a core and 33 MB for a moment."""

REFRESH = 10.0
"""Seconds between looks at what limits dropped, while anything runs."""


class Run(Protocol):
    """A started app."""

    def stop(self, grace: float) -> None:
        """Ask it to end; interrupt it after `grace` seconds. Returns at once."""
        ...

    def change_twin(self, twin: Mapping[str, Scalar], changed: int) -> None:
        """Hand over new desired values."""
        ...

    def dropped(self) -> tuple[int, int]:
        """Telemetry records and log lines refused by limits so far."""
        ...


class Workshop(Protocol):
    """Where apps are made ready and started; the agent's real one fetches, compiles and sandboxes."""

    async def prepare(self, spec: DesiredApp, compiling: Callable[[], None]) -> None:
        """Have the module ready to start; raises UnusableError, RetryableError or GrantError."""
        ...

    def start(
        self,
        name: str,
        spec: DesiredApp,
        ended: Callable[[Exit], None],
        report_twin: Callable[[str, Scalar], None],
    ) -> Run:
        """Start it on a thread, from which both are called, `ended` once. Raises GrantError."""
        ...

    def forget(self, name: str) -> None:
        """The app is gone for good: drop what it stored."""
        ...


class Supervisor:
    """All apps of a node. Belongs to the loop's thread."""

    def __init__(self, workshop: Workshop) -> None:
        self.changed: Callable[[str], None] = lambda _name: None
        """Called with an app's name when its status changed."""
        self._workshop = workshop
        self._lives: dict[str, AppLife] = {}
        self._runs: dict[str, Run] = {}
        self._statuses: dict[str, tuple[AppStatus, int]] = {}
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self._prepare_slots = asyncio.Semaphore(PREPARE_PARALLEL)
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # --- what is wanted ------------------------------------------------------------------------

    def want(self, wanted: Mapping[str, tuple[DesiredApp, int]]) -> None:
        """Make these, and only these, apps the node's."""
        for name, (spec, generation) in wanted.items():
            self._life(name).want(spec, generation)
        for name in self._lives.keys() - wanted.keys():
            self._lives[name].unwant()
        self._wake.set()

    def remember(self, name: str, *, held: bool, restarts: int) -> None:
        """State kept from before a restart of the agent; call before `want`."""
        self._lives[name] = AppLife(name, held=held, restarts=restarts)

    def hold(self, name: str, *, held: bool) -> None:
        """Keep an app stopped, or let it run again; raises ControlError for an unknown app."""
        self._known(name).hold(held=held)
        self._wake.set()

    def restart(self, name: str) -> None:
        """Restart an app now; raises ControlError for an unknown app."""
        self._known(name).restart()
        self._wake.set()

    def retry_now(self) -> None:
        """The link came back: what waited for the network tries again at once."""
        for life in self._lives.values():
            life.retry_now()
        self._wake.set()

    # --- what is --------------------------------------------------------------------------------

    def statuses(self) -> dict[str, tuple[AppStatus, int]]:
        """Status and observed generation of each app, as last announced through `changed`."""
        return dict(self._statuses)

    def running(self, name: str) -> DesiredApp | None:
        """What runs under this name now; its status may not have been announced yet."""
        life = self._lives.get(name)
        return life.running if life is not None else None

    def held(self) -> set[str]:
        """Names of held apps."""
        return {name for name, life in self._lives.items() if life.held}

    def blobs_in_use(self) -> set[str]:
        """Digests that must stay in the caches."""
        return {digest for life in self._lives.values() for digest in life.blobs_in_use}

    # --- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Supervise until cancelled; then stop every app and wait for its end."""
        try:
            while True:
                self._wake.clear()
                now = clock.monotonic()
                deadlines = [self._step(life, now) for life in list(self._lives.values())]
                if self._runs:
                    deadlines.append(now + REFRESH)
                known = [deadline for deadline in deadlines if deadline is not None]
                await self._sleep_until(min(known, default=None), now)
        finally:
            await self._stop_all()

    def _step(self, life: AppLife, now: float) -> float | None:
        for action in life.decide(now):
            match action:
                case Prepare(spec):
                    task = self._loop.create_task(self._prepare(life, spec))
                    self._preparing[life.name] = task
                case Start(spec):
                    self._start(life, spec, now)
                case Stop(grace):
                    self._runs[life.name].stop(grace)
                case ChangeTwin(twin, changed):
                    self._runs[life.name].change_twin(twin, changed)
        if life.gone:
            self._forget(life.name)
            return None
        self._publish(life, now)
        return life.next_deadline(now)

    async def _sleep_until(self, deadline: float | None, now: float) -> None:
        delay = None if deadline is None else max(0.0, deadline - now) + 0.001
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), delay)

    async def _prepare(self, life: AppLife, spec: DesiredApp) -> None:
        def compiling() -> None:
            life.compiling()
            self._wake.set()

        try:
            async with self._prepare_slots:
                await self._workshop.prepare(spec, compiling)
            life.prepared()
        except (PrepareError, GrantError, OSError) as error:
            unusable = isinstance(error, UnusableError | GrantError)
            reason = ""
            if isinstance(error, RefusedError):
                unusable, reason = not error.curable, error.reason
            life.prepare_failed(
                str(error), unusable=unusable, now=clock.monotonic(), reason=reason
            )
        finally:
            self._preparing.pop(life.name, None)
            self._wake.set()

    def _start(self, life: AppLife, spec: DesiredApp, now: float) -> None:
        def ended(end: Exit) -> None:
            self._loop.call_soon_threadsafe(self._ended, life, end)

        def report_twin(key: str, value: Scalar) -> None:
            self._loop.call_soon_threadsafe(self._note_twin, life, key, value)

        try:
            self._runs[life.name] = self._workshop.start(life.name, spec, ended, report_twin)
            life.started(now)
        except (ValueError, OSError) as error:
            life.ended(Exit(ExitKind.FAILED, message=str(error)), now)

    def _ended(self, life: AppLife, end: Exit) -> None:
        run = self._runs.pop(life.name, None)
        if run is not None:
            life.count_dropped(*run.dropped(), final=True)
        life.ended(end, clock.monotonic())
        self._wake.set()

    async def _stop_all(self) -> None:
        for task in self._preparing.values():
            task.cancel()
        for life in self._lives.values():
            life.unwant()
        for run in self._runs.values():
            run.stop(STOP_GRACE)
        while self._runs:
            self._wake.clear()
            await self._wake.wait()

    # --- helpers --------------------------------------------------------------------------------

    def _life(self, name: str) -> AppLife:
        if name not in self._lives:
            self._lives[name] = AppLife(name)
        return self._lives[name]

    def _known(self, name: str) -> AppLife:
        if name not in self._lives:
            have = ", ".join(sorted(self._lives)) or "none"
            raise ControlError(f"app: no app {name!r} on this node (it has: {have})")
        return self._lives[name]

    def _note_twin(self, life: AppLife, key: str, value: Scalar) -> None:
        life.reported[key] = value
        if self._lives.get(life.name) is life:
            self._publish(life, clock.monotonic())

    def _publish(self, life: AppLife, now: float) -> None:
        run = self._runs.get(life.name)
        if run is not None:
            life.count_dropped(*run.dropped())
        before = self._statuses.get(life.name)
        status = life.status(now, before[0].since_ns if before else 0)
        if before is None or before[0].state is not status.state:
            status = life.status(now, clock.wall_ns())
        if (status, life.generation) != before:
            self._statuses[life.name] = (status, life.generation)
            self.changed(life.name)

    def _forget(self, name: str) -> None:
        del self._lives[name]
        self._statuses.pop(name, None)
        self._workshop.forget(name)
        self.changed(name)


def running(statuses: Mapping[str, tuple[AppStatus, int]]) -> int:
    """How many apps run."""
    return sum(status.state is AppState.RUNNING for status, _ in statuses.values())
