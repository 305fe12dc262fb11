"""What the control socket answers: the verbs of `skerry agent …`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from edge.config import AgentConfig
from edge.control import Answer, Handler, Request
from edge.errors import ControlError
from edge.node import VERSION, Node
from edge.store import Store
from edge.supervisor import Supervisor, running
from edge.uplink import Uplink
from edge.wire.messages import LogLine
from hal import clock
from hal.board import Board, DrivenBoard

TAIL_LIMIT = 10_000


class Console:
    """Belongs to the loop's thread."""

    def __init__(
        self,
        config: AgentConfig,
        node: Node,
        store: Store,
        board: Board,
        supervisor: Supervisor,
        uplink: Uplink,
    ) -> None:
        self._config = config
        self._node = node
        self._store = store
        self._board = board
        self._supervisor = supervisor
        self._uplink = uplink
        self._started = clock.monotonic()

    def handlers(self) -> Mapping[str, Handler]:
        """Verbs by name."""
        return {
            "status": self._status,
            "apps": self._apps,
            "logs": self._logs,
            "restart": self._restart,
            "hold": self._hold,
            "unhold": self._unhold,
            "drive": self._drive,
            "board": self._show_board,
        }

    async def _status(self, _request: Request) -> AsyncIterator[Answer]:
        now = clock.monotonic()
        link = self._uplink.link
        outbox = await asyncio.to_thread(self._store.outbox.stats)
        statuses = self._supervisor.statuses()
        yield {
            "node": self._config.name,
            "board": self._board.name,
            "agent": VERSION,
            "cloud": self._config.cloud,
            "revision": self._store.desired.revision,
            "apps": len(statuses),
            "running": running(statuses),
            "uptime": now - self._started,
            "pss_kb": _pss_kb(),
            "link": {
                "state": link.state.value,
                "since": _iso(clock.wall_ns() - int((now - link.since) * 1e9)),
                "error": link.error,
                "next_try": None if link.next_try is None else max(0.0, link.next_try - now),
            },
            "outbox": {
                "epoch": self._store.outbox.epoch,
                "last_seq": self._store.outbox.last_seq,
                "entries": outbox.entries,
                "bytes": outbox.bytes,
                "limit": self._config.outbox_limit,
                "dropped": outbox.dropped,
            },
        }

    async def _apps(self, _request: Request) -> AsyncIterator[Answer]:
        for name, (status, generation) in sorted(self._supervisor.statuses().items()):
            yield {
                "name": name,
                "generation": generation,
                "state": status.state.value,
                "reason": status.reason,
                "message": status.message,
                "ready": status.ready,
                "version": status.version,
                "digest": status.digest,
                "restarts": status.restarts,
                "exit_code": status.exit_code,
                "since": _iso(status.since_ns),
                "twin": status.twin,
                "dropped_records": status.dropped_records,
                "dropped_lines": status.dropped_lines,
            }

    async def _logs(self, request: Request) -> AsyncIterator[Answer]:
        if not 0 <= request.tail <= TAIL_LIMIT:
            raise ControlError(f"tail: from 0 to {TAIL_LIMIT}")
        loop = asyncio.get_running_loop()
        more = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(more.set)

        unsubscribe = self._node.logs.subscribe(wake)
        try:
            lines = self._node.logs.tail(request.app, request.tail)
            seen = 0
            while True:
                for line in lines:
                    seen = line.seq
                    yield _line(line)
                if not request.follow:
                    return
                await more.wait()
                more.clear()
                lines = self._node.logs.tail(request.app, TAIL_LIMIT, after=seen)
        finally:
            unsubscribe()

    async def _restart(self, request: Request) -> AsyncIterator[Answer]:
        self._supervisor.restart(_app(request))
        return
        yield {}

    async def _hold(self, request: Request) -> AsyncIterator[Answer]:
        await self._node.hold(_app(request), held=True)
        return
        yield {}

    async def _unhold(self, request: Request) -> AsyncIterator[Answer]:
        await self._node.hold(_app(request), held=False)
        return
        yield {}

    async def _drive(self, request: Request) -> AsyncIterator[Answer]:
        self._driven().drive(request.target, **request.values)
        return
        yield {}

    async def _show_board(self, _request: Request) -> AsyncIterator[Answer]:
        for resource, state in sorted(self._driven().observe().items()):
            yield {"resource": resource, "state": _text(state)}

    def _driven(self) -> DrivenBoard:
        if not isinstance(self._board, DrivenBoard):
            raise ControlError(
                f"board: {self._board.name} is real hardware; only a simulated one is driven"
            )
        return self._board


def _app(request: Request) -> str:
    if request.app is None:
        raise ControlError("app: missing; name one")
    return request.app


def _line(line: LogLine) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "app": line.app,
        "level": line.level,
        "time": _iso(line.time_ns),
        "text": line.text,
    }


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")


def _text(state: object) -> str:
    values: dict[str, object] = msgspec.to_builtins(state, enc_hook=str)
    return " ".join(f"{name}={value}" for name, value in values.items())


def _pss_kb() -> int:
    """Proportional set size of this process; 0 where the kernel does not tell."""
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as lines:  # noqa: PTH123
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0
