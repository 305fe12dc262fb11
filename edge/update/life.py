"""One firmware on this node, as decisions without I/O.

`FirmwareLife` is told what is wanted, who is attached and what happened; `decide(now)` answers with
the next step, if there is one. Asking twice changes nothing while a step is under way.

Rules
- What the network or the disk keeps from being verified or fetched is tried for ever, with a
  growing delay: it is no fault of the image.
- A way that is shorter than the image is tried once: when no patch serves, cannot be had, or is refused
  by the microcontroller, the image is fetched, and why is remembered with the wish.
- What fails on a microcontroller is tried ATTEMPTS times in all, over restarts of the agent, too; a
  trial counts when it begins, so that power cuts cannot make it endless. Then it is Failed.
- What a microcontroller took back or refused is not tried again there; what a signature did not
  allow is judged again when the agent starts, which may know another root then.
- Another spec, or another microcontroller in its place, starts afresh.
"""

from msgspec import structs

from edge.update.actions import Action, Fetch, Install, Record, Verify
from edge.update.choosing import IMAGE, There, Way
from edge.update.matching import Match, Missing, Unfit
from edge.update.ports import Ending, Phase, Result
from edge.update.table import VERDICTS, Event, follow
from edge.wire.firmware import (
    DesiredFirmware,
    FirmwarePatch,
    FirmwareState,
    FirmwareStatus,
    Microcontroller,
)

ATTEMPTS = 3
"""Installations that may fail: two tell a bad cable from bad luck, more wear the flash for nothing."""
RETRY_FIRST = 5.0
RETRY_MAX = 300.0
"""Seconds before another installation; doubled each time."""
NETWORK_RETRY_MAX = 60.0
"""Seconds between tries to verify or fetch; a link that comes back ends the wait."""
WHOLE = 100


class FirmwareLife:
    """One firmware; not thread-safe, owned by the reconciler's loop."""

    def __init__(self, name: str, record: Record = Record()) -> None:  # noqa: B008 - frozen
        self.name = name
        self.record = record
        self.state = FirmwareState.WAITING
        self.generation = 0
        self.busy = False
        """A step is under way."""
        self._target: DesiredFirmware | None = None
        self._match: Match = Missing("NotAttached", "")
        self._problem = ("", "")
        self._curable = False
        self._unfit = False
        self._tries = 0
        """Of the network."""
        self._not_before = 0.0
        self._progress = 0
        self._way: Way = IMAGE
        self._chip = ""
        """Who it is, also while it starts anew."""

    # --- what is wanted and what is there ------------------------------------------------------

    def want(self, spec: DesiredFirmware, generation: int) -> bool:
        """The cloud wants this; True when it is another wish, and the step under way is over."""
        if (spec, generation) == (self._target, self.generation):
            return False
        self._target, self.generation = spec, generation
        kept = self.record
        if (kept.generation, kept.digest) != (generation, spec.manifest.digest):
            self.record = Record(
                generation=generation,
                digest=spec.manifest.digest,
                installed=kept.installed,
                installed_on=kept.installed_on,
                installed_version=kept.installed_version,
            )
        self._enter(Event.WANTED)
        self._not_before, self._tries, self._curable, self._unfit = 0.0, 0, False, False
        self.busy = False
        return True

    def meet(self, match: Match) -> None:
        """Who is attached now; while a step is under way only its end tells."""
        self._match = match
        if self.busy or self._target is None:
            return
        chip = match if isinstance(match, Microcontroller) else None
        if self.state in VERDICTS:
            other = chip is not None and not self._unfit and _id(chip) != self.record.chip
            if other or (self._unfit and not isinstance(match, Unfit)):
                self._start_over()
        elif chip is None and self.state is not FirmwareState.WAITING:
            self._enter(Event.LOST)
        elif chip is not None and self.state is FirmwareState.RUNNING:
            self._compare(chip)
        if self.state is FirmwareState.WAITING:
            self._look(match)

    def retry_now(self) -> None:
        """The link is back: what waited for the network tries at once."""
        if self._tries:
            self._not_before = 0.0

    # --- what happened -------------------------------------------------------------------------

    def admitted(self) -> None:
        """It may be installed."""
        self._step_over()
        self._curable = False
        self._enter(Event.ADMITTED)

    def refused(self, reason: str, message: str, *, curable: bool, now: float) -> None:
        """It may not; `curable` when a newer root of trust may allow it."""
        self.busy = False
        self._curable = curable
        if curable:
            self._wait(now)
        self._enter(Event.FORBIDDEN, reason, message)

    def fetched(self, way: Way = IMAGE) -> None:
        """What is needed for this way is here."""
        self._step_over()
        self._progress = 0
        self._way = way
        patched = isinstance(way, FirmwarePatch) or (way == There() and self.record.patched)
        self.record = structs.replace(self.record, patched=patched)
        self._enter(Event.FETCHED)

    def unpatched(self, why: str) -> None:
        """No patch serves: the image is fetched."""
        self._step_over()
        self.record = structs.replace(self.record, patched=False, unpatched=why[:1024])

    def came(self, count: int) -> None:
        """So many bytes came from the registry."""
        if count:
            self.record = structs.replace(self.record, fetched=self.record.fetched + count)

    def unavailable(self, message: str, now: float, *, wrong: bool = False) -> None:
        """It could be neither judged nor fetched now; `wrong`: what came had another digest."""
        self.busy = False
        self._problem = ("Retrying", message)
        if wrong and self._count("WrongBytes", message):
            return
        self._wait(now)

    def broke(self, message: str, now: float) -> None:
        """The step under way failed in a way that nobody foresaw."""
        if self.state in {FirmwareState.UPLOADING, FirmwareState.TRIAL}:
            self.ended(Result(Ending.LOST, "Failed", message), now)
        else:
            self.unavailable(message, now)

    def progress(self, phase: Phase, done: int, total: int) -> bool:
        """How far the installation is; True when there is something new to show."""
        if not self.busy or self.state not in {FirmwareState.UPLOADING, FirmwareState.TRIAL}:
            return False
        if phase is Phase.TRIAL:
            if self.state is FirmwareState.TRIAL:
                return False
            self.record = structs.replace(self.record, attempts=self.record.attempts + 1)
            self._progress = WHOLE
            self._enter(Event.SENT)
            return True
        before, self._progress = self._progress, WHOLE * done // max(1, total)
        return before // 5 != self._progress // 5

    def ended(self, result: Result, now: float) -> None:
        """The installation is over."""
        self.busy = False
        self.record = structs.replace(self.record, sent=self.record.sent + result.sent)
        match result.ending:
            case Ending.CONFIRMED:
                tried = self.state is FirmwareState.TRIAL
                self.record = structs.replace(
                    self.record,
                    attempts=self.record.attempts - tried,
                    installed=self.record.digest,
                    installed_on=self.record.chip,
                    installed_version="",
                )
                self._progress = WHOLE
                self._enter(Event.CONFIRMED)
            case Ending.ROLLED_BACK:
                self._pass(Event.TAKEN_BACK, result.reason, result.message)
                self._enter(Event.TAKEN_BACK, result.reason, result.message)
            case Ending.REFUSED:
                self._pass(Event.FORBIDDEN, result.reason, result.message)
                self._enter(Event.FORBIDDEN, result.reason, result.message)
            case Ending.UNPATCHED:
                self._enter(Event.UNPATCHED)
                self.unpatched(result.message)
            case Ending.LOST:
                if self.state is FirmwareState.TRIAL:  # counted when it began
                    spent = self._spent(result.reason, result.message)
                else:
                    spent = self._count(result.reason, result.message)
                if not spent:
                    self._enter(Event.BROKE, "Retrying", result.message)
                    self._tries = 0
                    delay = RETRY_FIRST * 2.0 ** max(0, self.record.attempts - 1)
                    self._not_before = now + min(delay, RETRY_MAX)

    # --- what to do ----------------------------------------------------------------------------

    def decide(self, now: float) -> Action | None:
        """The next step, which the caller takes; it then says how it went."""
        if self._target is None or self.busy or now < self._not_before:
            return None
        action: Action | None = None
        if self.state is FirmwareState.WAITING and isinstance(self._match, Microcontroller):
            self._enter(Event.FOUND)
        if self.state is FirmwareState.VERIFYING or (
            self.state is FirmwareState.REFUSED and self._curable
        ):
            action = Verify(self._target)
        elif not isinstance(self._match, Microcontroller):
            pass
        elif self.state is FirmwareState.FETCHING:
            whole = not self._target.patches or bool(self.record.unpatched)
            action = Fetch(self._target, self._match, whole)
        elif self.state is FirmwareState.UPLOADING:
            action = Install(self._target, self._match, self._way)
        self.busy = action is not None
        return action

    def next_deadline(self, now: float) -> float | None:
        """When `decide` will have something new to say by itself."""
        if self._target is None or self.busy or self._not_before <= now:
            return None
        return self._not_before

    # --- what to show --------------------------------------------------------------------------

    def status(self, since_ns: int = 0) -> FirmwareStatus:
        """What a person and the cloud see."""
        chip = self._match if isinstance(self._match, Microcontroller) else None
        runs = self.state is FirmwareState.RUNNING
        manifest = self._target.manifest if self._target else None
        reason, message = self._problem
        if self.state is FirmwareState.WAITING and isinstance(self._match, Missing):
            reason, message = self._match.reason, self._match.message
        return FirmwareStatus(
            state=self.state,
            reason=reason,
            message=message[:1024],
            digest=manifest.digest if manifest else "",
            version=manifest.version if runs and manifest else chip.version if chip else "",
            microcontroller=chip.name if chip else self._chip,
            slot=chip.slot if chip else "",
            progress=WHOLE if runs else self._progress,
            attempts=self.record.attempts,
            since_ns=since_ns,
            patched=self.record.patched,
            unpatched=self.record.unpatched,
            fetched=self.record.fetched,
            sent=self.record.sent,
        )

    # --- helpers -------------------------------------------------------------------------------

    def _compare(self, chip: Microcontroller) -> None:
        """Whether it still runs what was installed."""
        if self._runs(chip):
            self.record = structs.replace(self.record, installed_version=chip.version)
            return
        self._count("Drifted", f"it runs {chip.version}, which was not installed from here")
        self._enter(Event.DRIFTED)

    def _look(self, match: Match) -> None:
        """Somebody may have come."""
        if isinstance(match, Unfit):
            self._unfit = True
            self._enter(Event.FORBIDDEN, match.reason, match.message)
        if not isinstance(match, Microcontroller):
            return
        if self._runs(match):
            self._chip = match.name
            self.record = structs.replace(self.record, installed_version=match.version)
            self._enter(Event.MATCHED)
        elif self.record.chip not in {"", _id(match)}:
            self._start_over()
            self._chosen(match)
        elif self.record.verdict is not None:
            self._enter(self.record.verdict, self.record.reason, self.record.message)
        elif self.record.attempts >= ATTEMPTS and not self._says_so(match):
            self._spent("Interrupted", f"it runs {match.version}, and every trial was cut short")
        else:
            self._chosen(match)

    def _says_so(self, chip: Microcontroller) -> bool:
        """Whether it claims the version that is wanted: to ask it costs no trial."""
        return self._target is not None and chip.version == self._target.manifest.version

    def _chosen(self, chip: Microcontroller) -> None:
        self._chip = chip.name
        self.record = structs.replace(self.record, chip=_id(chip))

    def _runs(self, chip: Microcontroller) -> bool:
        """Whether it runs what was installed from here, and that is what is wanted."""
        kept = self.record
        if not kept.installed or (kept.installed, kept.installed_on) != (kept.digest, _id(chip)):
            return False
        return kept.installed_version in {"", chip.version}

    def _enter(self, event: Event, reason: str = "", message: str = "") -> None:
        self.state = follow(self.state, event)
        self._problem = (reason, message)

    def _pass(self, verdict: Event, reason: str, message: str) -> None:
        """Pass a verdict that outlives the agent."""
        self.record = structs.replace(
            self.record, verdict=verdict, reason=reason, message=message[:1024]
        )

    def _count(self, reason: str, message: str) -> bool:
        """Count a failed attempt; True when it was the last, and it is given up."""
        self.record = structs.replace(self.record, attempts=self.record.attempts + 1)
        return self._spent(reason, message)

    def _spent(self, reason: str, message: str) -> bool:
        if self.record.attempts < ATTEMPTS:
            return False
        text = f"{message}; tried {self.record.attempts} times, and not again until it changes"
        self._pass(Event.GAVE_UP, reason, text)
        if self.state is not FirmwareState.RUNNING:
            self._enter(Event.GAVE_UP, reason, text)
        return True

    def _start_over(self) -> None:
        """Another microcontroller: what was tried before says nothing of it."""
        self.record = structs.replace(
            self.record,
            chip="",
            attempts=0,
            verdict=None,
            reason="",
            message="",
            patched=False,
            unpatched="",
        )
        self._curable, self._unfit, self._not_before = False, False, 0.0
        if self.state in VERDICTS:
            self._enter(Event.REPLACED)

    def _step_over(self) -> None:
        self.busy, self._tries, self._not_before = False, 0, 0.0

    def _wait(self, now: float) -> None:
        self._tries += 1
        self._not_before = now + min(2.0 ** (self._tries - 1), NETWORK_RETRY_MAX)


def _id(chip: Microcontroller) -> str:
    """What tells it from others: its own id, else where it is plugged in."""
    return chip.id or f"@{chip.name}"
