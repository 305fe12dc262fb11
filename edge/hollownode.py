"""A hollow node: the real connection of an agent, with memory where an agent has a board.

It sends what boards of its trade would send, takes its desired set and says that all of it runs.
Everything belongs to one loop: what the connection hands to threads, because an agent's disk may
block, `AtOnce` runs on the spot.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from typing import ParamSpec, TypeVar

import cbor2

from edge.connection import Connection, Wakes
from edge.hollowtally import Tally
from edge.logbuffer import LogBuffer
from edge.net.errors import NetError
from edge.net.websocket import WebSocket
from edge.store.errors import BaseMismatchError
from edge.uplink import CONNECT_PATH, SUBPROTOCOL
from edge.wire import limits
from edge.wire.backoff import Backoff
from edge.wire.codec import decode_app_spec, encode_app_status
from edge.wire.events import DesiredStep
from edge.wire.messages import (
    AppState,
    AppStatus,
    DesiredItem,
    Entry,
    EntryKind,
    Hello,
    StatusItem,
)
from hal import clock

OUTBOX_PACKS = 600
"""Packs a node keeps while it cannot send: ten minutes at one a second."""
LOG_LINES = 16
REPORT_INTERVAL = 10.0
"""Seconds between two changes of a node's status."""
RETRY_CAP = 10.0
"""Seconds of the longest backoff: a run is short."""
_NAME, _UNIT, _VALUE, _TIME = 0, 1, 2, 6
"""SenML labels in CBOR (RFC 8428 section 6)."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What a kind of node measures."""

    kind: str
    board: str
    stream: str
    unit: str
    channels: int
    low: float
    high: float
    resources: tuple[str, ...]


TRADES = (
    Trade("climate", "hollow-zero-2w", "temperature", "Cel", 1, 17, 26, ("i2c-1:0x48",)),
    Trade("meter", "hollow-pi-3", "power", "W", 3, 0, 3500, ("serial0",)),
    Trade("machine", "hollow-pi-4", "vibration", "m/s2", 6, 0, 12, ("i2c-1:0x68", "GPIO17")),
    Trade("tank", "hollow-arm", "level", "%FS", 2, 0, 100, ("serial0", "GPIO4", "GPIO5")),
)


P = ParamSpec("P")
T = TypeVar("T")


class AtOnce(ThreadPoolExecutor):
    """The loop's executor for hollow nodes: a thread's detour costs more than reading a deque."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """A future that is done already."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - the future carries it
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True)
class _Pack:
    entry: Entry
    records: int
    made: float


class HollowOutbox:
    """An outbox in memory; refuses when full. `acknowledged` hears of records and their times."""

    def __init__(self, epoch: int, acknowledged: Callable[[int, Sequence[float]], None]) -> None:
        self.epoch = epoch
        self.last_seq = 0
        self._acknowledged = acknowledged
        self._packs: deque[_Pack] = deque()
        self._listener: Callable[[], None] | None = None

    @property
    def packs(self) -> int:
        """How many are not acknowledged yet."""
        return len(self._packs)

    def append(self, stream: str, payload: bytes, records: int, now: float) -> bool:
        """Keep a pack made at monotonic `now`; False when there is no room."""
        if len(self._packs) >= OUTBOX_PACKS:
            return False
        self.last_seq += 1
        entry = Entry(
            seq=self.last_seq,
            kind=EntryKind.SENML,
            app="hollow",
            stream=stream,
            time_ns=clock.wall_ns(),
            payload=payload,
        )
        self._packs.append(_Pack(entry, records, now))
        if self._listener is not None:
            self._listener()
        return True

    def read(self, after: int, max_bytes: int, max_entries: int) -> list[Entry]:
        """Entries above `after`, oldest first; at least one when there is any."""
        found: list[Entry] = []
        for pack in self._packs:
            if pack.entry.seq <= after:
                continue
            max_bytes -= len(pack.entry.payload)
            if len(found) == max_entries or (found and max_bytes < 0):
                break
            found.append(pack.entry)
        return found

    def trim(self, epoch: int, seq: int) -> None:
        """Drop what the cloud holds and tell how long it took."""
        if epoch != self.epoch:
            return
        done = list(takewhile(lambda pack: pack.entry.seq <= seq, self._packs))
        for _ in done:
            self._packs.popleft()
        if done:
            self._acknowledged(sum(pack.records for pack in done), [pack.made for pack in done])

    def new_epoch(self) -> int:
        """Name another epoch."""
        self.epoch += 1
        return self.epoch

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]:
        """Call `callback` after each pack."""
        self._listener = callback
        return lambda: None


class HollowNode:
    """One node: its ports and its link. `run` lasts until it is cancelled."""

    def __init__(
        self, url: str, index: int, rate: float, tally: Tally, dice: random.Random
    ) -> None:
        """`rate` is telemetry records a second."""
        self.name = f"hollow-{index:05d}"
        self.trade = TRADES[index % len(TRADES)]
        self.online = False
        self.logs = LogBuffer(LOG_LINES)
        self.outbox = HollowOutbox(dice.getrandbits(62), self._acknowledged)
        self._url = f"ws{url.removeprefix('http').rstrip('/')}{CONNECT_PATH}"
        self._rate = rate
        self._tally = tally
        self._dice = dice
        self._boot = f"{dice.getrandbits(64):016x}"
        self._wakes = Wakes()
        self._backoff = Backoff(dice.uniform, cap=RETRY_CAP)
        self._socket: WebSocket | None = None
        self._revision = 0
        self._desired: dict[tuple[str, str], DesiredItem] = {}
        self._opened_once = False
        self._finished = False
        self._opened_at: float | None = None
        self._reading = dice.uniform(self.trade.low, self.trade.high)

    @property
    def apps(self) -> int:
        """How many apps it was told to run."""
        return len(self._desired)

    async def run(self) -> None:
        """Stay connected and send readings."""
        loop = asyncio.get_running_loop()
        for wake in (self._wakes.telemetry, self._wakes.status, self._wakes.logs):
            wake.attach(loop)
        self.outbox.subscribe(self._wakes.telemetry.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected())
            group.create_task(self._measure())
            group.create_task(self._change_status())

    def cut(self) -> None:
        """Drop the connection without a word, as a dead link does."""
        if self._socket is not None and self.online:
            self._tally.cuts += 1
            self._socket.abort()

    def finish(self) -> None:
        """Make no more readings; what is made may still be acknowledged."""
        self._finished = True

    # --- the connection's ports ----------------------------------------------------------------

    def hello(self) -> Hello:
        """Who it is and what it holds."""
        return Hello(
            versions=(limits.OLDEST_VERSION, limits.VERSION),
            node=self.name,
            boot_id=self._boot,
            agent="hollow",
            epoch=self.outbox.epoch,
            last_seq=self.outbox.last_seq,
            revision=self._revision,
            labels={"hollow": "true", "trade": self.trade.kind},
            board=self.trade.board,
            resources=list(self.trade.resources),
        )

    def statuses(self) -> list[StatusItem]:
        """Every app that is desired runs."""
        return [_running(item, self._reading) for item in self._desired.values()]

    async def apply(self, step: DesiredStep) -> int:
        """Take a step; raises BaseMismatchError."""
        if step.base is None:
            self._desired.clear()
        elif step.base != self._revision:
            raise BaseMismatchError(self._revision, step.base)
        for key in step.remove:
            self._desired.pop(key, None)
        self._desired.update({(item.kind, item.name): item for item in step.put})
        self._revision = step.revision
        self._tally.steps += 1
        if self._opened_at is not None:
            self._tally.convergence.add(clock.monotonic() - self._opened_at)
            self._opened_at = None
        self._wakes.status.set()
        return step.revision

    # --- what it does --------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        while True:
            self._tally.failed(await self._connect())
            await asyncio.sleep(self._backoff.next())

    async def _connect(self) -> str:
        """One connection from its first byte to its end: why it ended."""
        try:
            self._socket = await WebSocket.connect(
                self._url, subprotocol=SUBPROTOCOL, within=limits.HANDSHAKE_TIMEOUT
            )
            closed = await Connection(self._socket, self, self._wakes, self._opened).run()
        except NetError as error:
            return str(error)
        finally:
            self._socket = None
            self.online = False
        return f"{closed.code.value}: {closed.reason}"

    def _opened(self, _time_ns: int) -> None:
        self._tally.opened(again=self._opened_once)
        self._opened_once = self.online = True
        self._opened_at = clock.monotonic()
        self._backoff.reset()

    async def _measure(self) -> None:
        """A pack a second, or a record whenever one is due."""
        interval = max(1.0, 1.0 / self._rate)
        await asyncio.sleep(self._dice.uniform(0, interval))
        owed = 0.0
        while not self._finished:
            owed += self._rate * interval
            records, owed = int(owed), owed % 1
            self._publish(records)
            await asyncio.sleep(interval)

    def _publish(self, records: int) -> None:
        for start in range(0, records, limits.PACK_RECORDS_LIMIT):
            count = min(records - start, limits.PACK_RECORDS_LIMIT)
            self._tally.made += count
            payload = self._pack(count)
            if not self.outbox.append(self.trade.stream, payload, count, clock.monotonic()):
                self._tally.refused += count

    def _pack(self, records: int) -> bytes:
        """SenML of a value that wanders between the trade's bounds, spread over its channels."""
        trade = self.trade
        step = (trade.high - trade.low) / 50
        rows: list[dict[int, object]] = []
        for index in range(records):
            moved = self._reading + self._dice.uniform(-step, step)
            self._reading = min(max(moved, trade.low), trade.high)
            row: dict[int, object] = {
                _UNIT: trade.unit,
                _VALUE: round(self._reading, 3),
                _TIME: (index - records) / max(records, 1),
            }
            if trade.channels > 1:
                row[_NAME] = f"ch{index % trade.channels}"
            rows.append(row)
        return cbor2.dumps(rows)

    async def _change_status(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, REPORT_INTERVAL))
        while True:
            self._wakes.status.set()  # the reading is part of each status, so it has changed
            await asyncio.sleep(REPORT_INTERVAL)

    def _acknowledged(self, records: int, made: Sequence[float]) -> None:
        self._tally.acknowledged(records, made, clock.monotonic())


def _running(item: DesiredItem, reading: float) -> StatusItem:
    spec = decode_app_spec(item.spec)
    status = AppStatus(
        state=AppState.RUNNING,
        digest=spec.code_digest,
        version=spec.manifest.version,
        ready=True,
        twin=dict(spec.twin) | {"reading": round(reading, 3)},
    )
    return StatusItem(
        kind=item.kind,
        name=item.name,
        generation=item.generation,
        status=encode_app_status(status),
    )
