"""One app's life, as decisions without I/O.

`AppLife` is told what is wanted and what happened, and `decide(now)` answers with the actions that
bring the app closer to what is wanted. It is level-triggered: asking twice changes nothing, and
losing an answer is repaired by asking again. The supervisor performs the actions.

A new version is fetched and compiled while the old one runs; the old one is stopped only when the
new one is ready to start. Twin values change without a restart.
"""

from dataclasses import dataclass

from edge.sandbox.exits import Exit, ExitKind
from edge.wire.manifest import RestartPolicy
from edge.wire.messages import AppState, AppStatus, DesiredApp, Scalar

CRASH_LOOP_AFTER = 3
"""Failed starts in a row after which the app is called a crash loop."""
STOP_GRACE = 5.0
"""Seconds an app has between STOP and being interrupted."""
PREPARE_RETRY_MAX = 60.0
"""Seconds between tries to fetch when the network is down; a reconnect also retries at once."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Fetch and compile this spec's module."""

    spec: DesiredApp


@dataclass(frozen=True, slots=True)
class Start:
    """Run this spec; its module is prepared."""

    spec: DesiredApp


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the run to end, then interrupt it after `grace` seconds."""

    grace: float = STOP_GRACE


@dataclass(frozen=True, slots=True)
class ChangeTwin:
    """Hand the run the new desired values; `changed` of them differ."""

    twin: dict[str, Scalar]
    changed: int


Action = Prepare | Start | Stop | ChangeTwin


class AppLife:
    """One app; not thread-safe, owned by the supervisor's loop."""

    def __init__(self, name: str, *, held: bool = False, restarts: int = 0) -> None:
        self.name = name
        self.held = held
        self.restarts = restarts
        self.reported: dict[str, Scalar] = {}
        self._dropped_before = (0, 0)
        self._dropped = (0, 0)
        self._target: DesiredApp | None = None
        self._generation = 0
        self._running: DesiredApp | None = None
        self._started_at = 0.0
        self._stopping = False
        self._prepared: DesiredApp | None = None
        self._preparing: DesiredApp | None = None
        self._prepare_tries = 0
        self._problem = ""
        self._reason = ""
        self._unusable = False
        self._last_end: Exit | None = None
        self._ended_spec: DesiredApp | None = None
        self._failures = 0
        self._not_before = 0.0
        self._restart_asked = False
        self._compiling = False

    # --- what is wanted ------------------------------------------------------------------------

    def want(self, spec: DesiredApp, generation: int) -> None:
        """The cloud wants this spec; a change of anything but the twin starts afresh."""
        changed = self._target is None or _differs(self._target, spec)
        if changed or not _same_artifact(self._target, spec):
            self._unusable = False
            self._problem = ""
            self._prepare_tries = 0
            self._failures = 0
            self._not_before = 0.0
            self._last_end = None
        self._target = spec
        self._generation = generation

    def unwant(self) -> None:
        """The app shall go."""
        self._target = None

    def hold(self, *, held: bool) -> None:
        """Keep the app stopped (or let it run again) whatever the cloud wants."""
        self.held = held
        if not held:
            self._forgive()

    def restart(self) -> None:
        """Stop the run, or end the wait for the next one; counts as no failure."""
        self._forgive()
        self._restart_asked = self._running is not None

    def retry_now(self) -> None:
        """The link is back: whatever waited for the network may try at once."""
        if self._problem and not self._unusable and self._preparing is None:
            self._not_before = 0.0

    # --- what happened -------------------------------------------------------------------------

    def compiling(self) -> None:
        """The module is here; compiling has begun."""
        self._compiling = True

    def prepared(self) -> None:
        """The module of the last Prepare can be started."""
        if self._preparing is not None:
            self._prepared = self._preparing
        self._preparing = None
        self._compiling = False
        self._problem = ""
        self._prepare_tries = 0

    def prepare_failed(
        self, message: str, *, unusable: bool, now: float, reason: str = ""
    ) -> None:
        """The last Prepare failed; a retryable failure is tried again with a growing delay.

        With a `reason` the app was refused, and is Failed even while it is tried again.
        """
        stale = self._target is None or self._preparing != self._target
        self._preparing = None
        self._compiling = False
        if stale:
            return
        self._problem = message
        self._reason = reason
        self._unusable = unusable
        self._prepare_tries += 1
        self._not_before = now + min(2.0 ** (self._prepare_tries - 1), PREPARE_RETRY_MAX)

    def started(self, now: float) -> None:
        """The run has begun."""
        self._started_at = now
        self._stopping = False

    def ended(self, end: Exit, now: float) -> None:
        """The run is over."""
        spec = self._running
        if spec is None:
            return
        ran = now - self._started_at
        self._running = None
        self._restart_asked = False
        stopped, self._stopping = self._stopping, False
        if stopped or end.kind is ExitKind.STOPPED:
            return
        self._last_end, self._ended_spec = end, spec
        if end.kind is ExitKind.FAILED:
            self._unusable = True
            self._problem, self._reason = end.message, ""
            return
        self.restarts += 1
        self._failures = 1 if ran >= spec.restart.settle else self._failures + 1
        restart = spec.restart
        delay = min(restart.backoff * 2.0 ** (self._failures - 1), restart.backoff_max)
        self._not_before = now + delay

    def count_dropped(self, records: int, lines: int, *, final: bool = False) -> None:
        """What limits refused in this run; `final` when it is over."""
        before = self._dropped_before
        self._dropped = (before[0] + records, before[1] + lines)
        if final:
            self._dropped_before = self._dropped

    # --- what to do ----------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Nothing is wanted and nothing runs: the app can be forgotten."""
        return self._target is None and self._running is None and self._preparing is None

    @property
    def running(self) -> DesiredApp | None:
        """What runs now."""
        return self._running

    @property
    def blobs_in_use(self) -> set[str]:
        """Digests that must stay in the cache."""
        specs = (self._target, self._running, self._preparing)
        blobs = [blob for spec in specs if spec is not None for blob in (spec.module, spec.files)]
        return {blob.digest for blob in blobs if blob is not None}

    def decide(self, now: float) -> list[Action]:
        """Actions that bring the app closer to what is wanted; the caller performs all of them."""
        target = self._target
        if target is None or self.held:
            return self._stop_once()
        actions: list[Action] = []
        if self._needs_prepare(target, now):
            self._preparing = target
            actions.append(Prepare(target))
        if not _same_artifact(self._prepared, target) or self._unusable:
            return actions
        if self._running is None:
            if self._may_start(now):
                self._running = target
                self._started_at = now
                actions.append(Start(target))
        elif self._restart_asked or _differs(self._running, target):
            actions.extend(self._stop_once())
        elif self._running.twin != target.twin and not self._stopping:
            changed = _count_changes(self._running.twin, target.twin)
            self._running = target
            actions.append(ChangeTwin(target.twin, changed))
        return actions

    def next_deadline(self, now: float) -> float | None:
        """When `decide` will have something new to say by itself, or `status` a change."""
        if self._target is None or self.held:
            return None
        deadlines: list[float] = []
        if self._running is not None and not self._ready(now):
            deadlines.append(self._started_at + self._running.restart.settle)
        waits = self._running is None or not _same_artifact(self._prepared, self._target)
        if waits and self._not_before > now and not self._unusable:
            deadlines.append(self._not_before)
        return min(deadlines, default=None)

    # --- what to show --------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Generation of the wanted spec."""
        return self._generation

    @property
    def started_at(self) -> float:
        """Monotonic seconds at which the present or last run began."""
        return self._started_at

    def status(self, now: float, since_ns: int = 0) -> AppStatus:
        """What a person and the cloud see."""
        shown = self._running or self._ended_spec or self._target
        state, reason, message = self._state(now)
        return AppStatus(
            state=state,
            reason=reason,
            message=message[:1024],
            digest=shown.code_digest if shown else "",
            version=shown.manifest.version if shown else "",
            restarts=self.restarts,
            exit_code=self._last_end.code if self._last_end else None,
            since_ns=since_ns,
            ready=state is AppState.RUNNING and self._ready(now),
            twin=dict(self.reported),
            dropped_records=self._dropped[0],
            dropped_lines=self._dropped[1],
        )

    def _state(self, now: float) -> tuple[AppState, str, str]:
        if self.held:
            return AppState.HELD, "Held", "held on the node; `skerry agent unhold` lets it run"
        if self._problem:
            return self._problem_state()
        if self._running is not None and not self._stopping:
            return AppState.RUNNING, "", self._update_note()
        if self._preparing is not None:
            return (AppState.COMPILING if self._compiling else AppState.FETCHING), "", ""
        if self._last_end is not None and self._running is None:
            return self._end_state(self._last_end, now)
        return AppState.PENDING, "", ""

    def _problem_state(self) -> tuple[AppState, str, str]:
        message = self._problem
        if self._running is not None:
            message += f"; version {self._running.manifest.version} keeps running"
        if self._unusable or self._reason:
            return AppState.FAILED, self._reason or "Unusable", message
        return AppState.FETCHING, "Retrying", message

    def _end_state(self, end: Exit, now: float) -> tuple[AppState, str, str]:
        wait = self._not_before - now
        again = f"; next start in {wait:.0f} s" if wait > 0 and self._will_restart() else ""
        looping = self._failures >= CRASH_LOOP_AFTER and self._will_restart()
        message = end.message or f"exit code {end.code}"
        return AppState(end.kind.value), "CrashLoop" if looping else "", message + again

    def _update_note(self) -> str:
        if self._preparing is None or self._target is None:
            return ""
        return f"preparing version {self._target.manifest.version}"

    # --- helpers -------------------------------------------------------------------------------

    def _forgive(self) -> None:
        self._failures = 0
        self._not_before = 0.0
        self._last_end = None
        self._unusable = False
        self._problem = ""

    def _stop_once(self) -> list[Action]:
        if self._running is None or self._stopping:
            return []
        self._stopping = True
        return [Stop()]

    def _needs_prepare(self, target: DesiredApp, now: float) -> bool:
        missing = not _same_artifact(self._prepared, target)
        waiting = self._unusable or now < self._not_before
        return missing and self._preparing is None and not waiting

    def _may_start(self, now: float) -> bool:
        return now >= self._not_before and (self._last_end is None or self._will_restart())

    def _will_restart(self) -> bool:
        if self._target is None or self._last_end is None:
            return False
        policy = self._target.restart.policy
        if policy is RestartPolicy.ON_FAILURE:
            clean = self._last_end.kind is ExitKind.EXITED and self._last_end.code == 0
            return not clean
        return policy is RestartPolicy.ALWAYS

    def _ready(self, now: float) -> bool:
        spec = self._running
        return spec is not None and now - self._started_at >= spec.restart.settle


def _same_artifact(one: DesiredApp | None, other: DesiredApp | None) -> bool:
    """Whether what was admitted and made ready for one is so for the other, to the last byte."""
    if one is None or other is None:
        return False
    return (one.manifest, one.module, one.files, one.signature) == (
        other.manifest,
        other.module,
        other.files,
        other.signature,
    )


def _differs(old: DesiredApp, new: DesiredApp) -> bool:
    """Whether going from `old` to `new` needs a restart."""
    return (old.manifest, old.module, old.files, old.grants, old.limits, old.restart) != (
        new.manifest,
        new.module,
        new.files,
        new.grants,
        new.limits,
        new.restart,
    )


def _count_changes(old: dict[str, Scalar], new: dict[str, Scalar]) -> int:
    return sum(old.get(name) != new.get(name) for name in old.keys() | new.keys())
