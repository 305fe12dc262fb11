"""`skerry app test`: runs an app in the real sandbox against a simulated board and a scenario.

A composition root of its own beside `edge.agent`: no store, no link, everything in memory.
Time is real; scenarios keep it short by setting short intervals through the twin.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cbor2
from msgspec import UNSET

from edge.errors import ScenarioError
from edge.grants import resolve
from edge.sandbox.compile import compile_module
from edge.sandbox.engine import Engine
from edge.sandbox.exits import Exit
from edge.sandbox.guest import Guest
from edge.sandbox.services import Value
from edge.sandbox.setup import GuestSetup
from edge.scenario import Scenario, Sights, Step, read_manifest, read_scenario
from edge.wire.errors import DecodeError
from edge.wire.files import unpack_files
from edge.wire.manifest import AppManifest
from edge.wire.messages import DesiredApp, GrantedSecret, Module, Scalar
from hal import clock
from hal.board import AttachingBoard, Board, DrivenBoard
from hal.boardfile import load_board
from hal.sim import LineState, PortState

READY = 2.0
"""Seconds an app gets to open its grants before the first step."""
GRACE = 5.0
"""Seconds from STOP to interruption."""
LOOK = 0.02
"""Seconds between two looks at the board."""
TAIL = 8
"""Lines of log and readings shown when a step fails."""

_LABEL_NAME, _BASE_NAME = 0, -2
_LABELS_VALUE = (2, 3, 4)

Say = Callable[[str], None]


def test(args: argparse.Namespace) -> int:
    """Run the scenario of an app; 0 when every step came true."""
    board_file: Path | None = args.board
    return 0 if run_test(args.directory, board_file, _print) else 1


def run_test(directory: Path, board_file: Path | None, say: Say) -> bool:
    """Whether every step came true; raises ScenarioError or HalError when it cannot be run."""
    manifest = read_manifest(directory / "app.toml")
    path = board_file or directory / "board.toml"
    scenario = read_scenario(path, manifest)
    wasm, files = _module(directory, manifest)
    board = load_board(path)
    if isinstance(board, AttachingBoard):
        board.attach()
    try:
        code = asyncio.run(compile_module(wasm, _cache()))
        with tempfile.TemporaryDirectory(prefix="skerry-test-") as data:
            bench = Bench(manifest, scenario, board, Path(data), files)
            return bench.run(code, say)
    finally:
        board.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """One record an app published."""

    name: str
    """Its stream, with `/` and the record's name when it has one."""
    value: Scalar


class Witness:
    """The app's HostServices, in memory: remembers all it did. Any thread may call."""

    def __init__(self, desired: Mapping[str, Scalar]) -> None:
        self.seen = threading.Condition()
        self.readings: list[Reading] = []
        self.lines: list[str] = []
        self.reported: dict[str, Value] = {}
        self.end: Exit | None = None
        self.desired = dict(desired)
        self._kv: dict[str, bytes] = {}

    def publish(self, stream: str, payload: bytes, records: int) -> None:  # noqa: ARG002
        """Remember each record of a pack."""
        base = ""
        found: list[Reading] = []
        for record in cbor2.loads(payload):
            base = record.get(_BASE_NAME, base)
            name = base + record.get(_LABEL_NAME, "")
            value = next((record[label] for label in _LABELS_VALUE if label in record), None)
            if value is not None:
                found.append(Reading(f"{stream}/{name}" if name else stream, value))
        with self.seen:
            self.readings += found
            self.seen.notify_all()

    def flush(self, timeout: float) -> bool:  # noqa: ARG002
        """Nothing is ever pending."""
        return True

    def kv_get(self, key: str) -> bytes | None:
        """Stored value."""
        return self._kv.get(key)

    def kv_set(self, key: str, value: bytes) -> None:
        """Store a value for the length of the test."""
        self._kv[key] = value

    def kv_delete(self, key: str) -> bool:
        """Whether there was one."""
        return self._kv.pop(key, None) is not None

    def kv_keys(self, prefix: str) -> Sequence[str]:
        """Keys, sorted."""
        return sorted(key for key in self._kv if key.startswith(prefix))

    def kv_bytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(len(key.encode()) + len(value) for key, value in self._kv.items())

    def twin_get(self, name: str) -> bytes | None:
        """Desired value as JSON."""
        value = self.desired.get(name)
        return None if value is None else json.dumps(value).encode()

    def twin_report(self, name: str, value: Value) -> None:
        """Remember the value in force."""
        with self.seen:
            self.reported[name] = value
            self.seen.notify_all()

    def log(self, level: int, text: str) -> None:
        """Remember a line."""
        with self.seen:
            self.lines.append(f"<{level}> {text}")
            self.seen.notify_all()

    def ended(self, end: Exit) -> None:
        """Remember how the app ended."""
        with self.seen:
            self.end = end
            self.seen.notify_all()


class Bench:
    """One app, its board and its witness, through one scenario. Used from one thread."""

    def __init__(
        self,
        manifest: AppManifest,
        scenario: Scenario,
        board: Board,
        data: Path,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self._scenario = scenario
        self._board = board
        self._witness = Witness(scenario.twin)
        secrets = {name: GrantedSecret(ref=f"test/{name}") for name in scenario.secrets}
        grants = scenario.grants | {name: f"secret:test/{name}" for name in secrets}
        spec = DesiredApp(manifest=manifest, module=_NO_MODULE, grants=grants, secrets=secrets)
        self._setup = GuestSetup(
            manifest,
            self._witness,
            data,
            manifest.limits,
            resolve(spec, board),
            {name: value.encode for name, value in scenario.secrets.items()},
            files,
        )
        self._readings = self._lines = 0
        """How many there were when the step began."""

    def run(self, code: Path, say: Say) -> bool:
        """Play all steps; stops at the first that does not come true."""
        engine = Engine()
        guest = Guest(engine, code, self._setup)
        thread = guest.start(self._witness.ended)
        try:
            self._wait_until(self._opened, READY)
            for number, step in enumerate(self._scenario.step, 1):
                title = step.say or f"step {number}"
                wrong = self._play(step, guest)
                if wrong:
                    say(f"FAIL  {title}\n      {wrong}")
                    self._show_tail(say)
                    return False
                say(f"ok    {title}")
            return True
        finally:
            guest.stop(GRACE)
            thread.join()
            engine.close()

    def _play(self, step: Step, guest: Guest) -> str | None:
        """What did not come true; None when all did."""
        for target, values in step.drive.items():
            self._driven().drive(target, **values)
        if step.twin:
            self._witness.desired.update(step.twin)
            guest.notify_twin(len(step.twin))
        if step.stop:
            guest.stop(GRACE)
        ends = step.stop or step.expect.exit is not None

        def missing() -> list[str]:
            return self._unseen(step.expect, step.tolerance)

        self._wait_until(lambda: not missing() or self._ended(ends), step.within)
        if missing():
            return f"within {step.within:g} s: {'; '.join(missing())}{self._obituary()}"
        if self._ended(ends):
            return f"unexpectedly{self._obituary()}"
        wrong = self._watch(step)
        self._readings, self._lines = len(self._witness.readings), len(self._witness.lines)
        return wrong

    def _watch(self, step: Step) -> str | None:
        """What came true though it must not."""
        sights = _single_sights(step.never)
        if not sights:
            return None

        def seen() -> list[Sights]:
            return [sight for sight in sights if not self._unseen(sight, step.tolerance)]

        if self._wait_until(lambda: bool(seen()), step.during):
            return f"came true within {step.during:g} s: {_describe(seen()[0])}"
        return None

    def _unseen(self, sights: Sights, tolerance: float) -> list[str]:
        """What of it is not true (yet), for a person."""
        witness = self._witness
        missing: list[str] = []
        for name, wanted in sights.telemetry.items():
            found = [
                item.value for item in witness.readings[self._readings :] if item.name == name
            ]
            if not any(_equal(value, wanted, tolerance) for value in found):
                missing.append(f"telemetry {name} = {wanted!r}, published: {found[-TAIL:]}")
        for name, wanted in sights.twin.items():
            reported = witness.reported.get(name)
            if reported is None or not _equal(reported, wanted, tolerance):
                missing.append(f"twin {name} = {wanted!r}, reported: {reported!r}")
        if sights.log is not None and not any(
            sights.log in line for line in witness.lines[self._lines :]
        ):
            missing.append(f"no log line with {sights.log!r}")
        end = witness.end
        if sights.exit is not None and (end is None or end.code != sights.exit):
            missing.append(f"exit code {sights.exit}")
        return missing + self._unseen_on_board(sights)

    def _unseen_on_board(self, sights: Sights) -> list[str]:
        if not sights.level and not sights.received:
            return []
        states = self._driven().observe()
        missing: list[str] = []
        for name, level in sights.level.items():
            line = states.get(name)
            if not isinstance(line, LineState):
                raise ScenarioError(f"level.{name}: the board simulates no such line")
            if line.level is not bool(level):
                missing.append(f"{name} is at {int(line.level)}, not at {int(level)}")
        for name, text in sights.received.items():
            port = states.get(name)
            if not isinstance(port, PortState):
                raise ScenarioError(f"received.{name}: the board simulates no such port")
            if text.encode() not in port.received:
                missing.append(f"{name} received {port.received[-100:]!r}, without {text!r}")
        return missing

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        deadline = clock.monotonic() + timeout
        with self._witness.seen:
            while not condition():
                if clock.monotonic() >= deadline:
                    return False
                self._witness.seen.wait(LOOK)
        return True

    def _opened(self) -> bool:
        """Whether the app holds every line and port it was granted, or does something already."""
        if self._witness.end or self._witness.readings:
            return True
        if not isinstance(self._board, DrivenBoard):
            return False
        states = self._board.observe()
        lines = [states.get(name) for name in self._scenario.grants.values()]
        return all(line.direction for line in lines if isinstance(line, LineState))

    def _ended(self, expected: bool) -> bool:  # noqa: FBT001
        return self._witness.end is not None and not expected

    def _obituary(self) -> str:
        end = self._witness.end
        return f"; the app ended: {end.kind.value} {end.message}".rstrip() if end else ""

    def _driven(self) -> DrivenBoard:
        if not isinstance(self._board, DrivenBoard):
            raise ScenarioError(f"the board {self._board.name} has no simulated part to drive")
        return self._board

    def _show_tail(self, say: Say) -> None:
        for line in self._witness.lines[-TAIL:]:
            say(f"      log        {line}")
        for reading in self._witness.readings[-TAIL:]:
            say(f"      telemetry  {reading.name} = {reading.value!r}")


_NO_MODULE = Module(repository="test", digest="sha256:" + "0" * 64, size=1)


def _single_sights(sights: Sights) -> list[Sights]:
    """One Sights for each thing in it."""
    return [
        *(Sights(telemetry={name: value}) for name, value in sights.telemetry.items()),
        *(Sights(level={name: value}) for name, value in sights.level.items()),
        *(Sights(received={name: value}) for name, value in sights.received.items()),
        *(Sights(twin={name: value}) for name, value in sights.twin.items()),
        *([Sights(log=sights.log)] if sights.log is not None else []),
        *([Sights(exit=sights.exit)] if sights.exit is not None else []),
    ]


def _describe(sight: Sights) -> str:
    values = {name: getattr(sight, name) for name in sight.__struct_fields__}
    return ", ".join(
        f"{name} {value}" for name, value in values.items() if value not in ({}, None)
    )


def _equal(value: Scalar, wanted: Scalar, tolerance: float) -> bool:
    if isinstance(value, bool | str) or isinstance(wanted, bool | str):
        return type(value) is type(wanted) and value == wanted
    return abs(value - wanted) <= tolerance


def _module(directory: Path, manifest: AppManifest) -> tuple[Path, Mapping[str, bytes] | None]:
    """The built module, and the files that it runs when it is a runtime."""
    wasm = directory / "build" / f"{manifest.name}.wasm"
    packed = wasm.with_suffix(".files")
    made = wasm if manifest.runtime is UNSET else packed
    if not wasm.exists() or not made.exists():
        raise ScenarioError(f"{made}: there is none yet; run `skerry app build {directory}`")
    built = made.stat().st_mtime_ns
    for source in sorted((directory / "src").rglob("*")):
        if source.is_file() and source.stat().st_mtime_ns > built:
            raise ScenarioError(f"{source}: newer than {made}; run `skerry app build {directory}`")
    if manifest.runtime is UNSET:
        return wasm, None
    try:
        return wasm, unpack_files(packed.read_bytes())
    except DecodeError as error:
        raise ScenarioError(f"{packed}: {error}; run `skerry app build {directory}`") from error


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "skerry" / "compiled"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
