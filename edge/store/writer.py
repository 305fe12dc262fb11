"""Group commit: one thread writes; what is handed in while a commit runs shares the next one.

An operation is a function of a transaction. It keeps no state of its own, because it may run
again when the commit it was part of fails; it raises to refuse, and then fails alone.
"""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from edge.store.environment import Environment
from edge.store.errors import FlushTimeoutError, StoreClosedError, StoreFullError
from edge.store.layout import Transaction
from hal.clock import monotonic

T = TypeVar("T")

QUEUE_LIMIT = 64
"""Operations waiting for a commit; an app has one thread, so this is 64 apps writing at once.
Callers past it wait: with packs of 64 KiB the queue holds 4 MiB."""


class Rider(Protocol):
    """What goes along with every commit. All its methods run on the writer's thread."""

    def board(self, txn: Transaction) -> None:
        """Write its part, before any operation; an error leaves the operations unharmed."""
        ...

    def landed(self, *, on_disk: bool) -> None:
        """The transaction is on disk, or has left nothing. Called after each, ridden or not."""
        ...


class Pending(Generic[T]):
    """An operation handed in; any thread may wait for it."""

    def __init__(self, operation: Callable[[Transaction], T], *, deletes: bool) -> None:
        self._operation = operation
        self._done = threading.Event()
        self._result: list[T] = []
        self.deletes = deletes
        self.error: Exception | None = None

    def run(self, env: Environment, txn: Transaction) -> None:
        """Try the operation in a transaction of its own within `txn`."""
        self._result.clear()
        self.error = None
        try:
            with env.write(txn) as nested:
                self._result.append(self._operation(nested))
        except Exception as error:  # noqa: BLE001 (whoever waits gets it)
            self.error = error

    def settle(self, error: Exception | None = None) -> None:
        """Wake whoever waits, with `error` if the whole transaction failed."""
        self.error = self.error or error
        self._done.set()

    def wait(self, timeout: float | None = None) -> T:
        """The operation's result once it is on disk; raises what it raised."""
        if not self._done.wait(timeout):
            raise FlushTimeoutError(f"not on disk after {timeout} s")
        if self.error is not None:
            raise self.error
        return self._result[0]


class Writer:
    """The thread that commits. Any thread may hand in; the order handed in is the order kept."""

    def __init__(self, env: Environment, rider: Rider) -> None:
        self._env = env
        self._rider = rider
        self._changed = threading.Condition()
        self._queue: list[Pending[object]] = []
        self._due: float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(
        self, operation: Callable[[Transaction], T], *, deletes: bool = False
    ) -> Pending[T]:
        """Hand in an operation; blocks while the queue is full. StoreClosedError after close.

        An operation that `deletes` may use the map's reserve when the map is full.
        """
        pending = Pending(operation, deletes=deletes)
        with self._changed:
            self._changed.wait_for(lambda: self._closing or len(self._queue) < QUEUE_LIMIT)
            if self._closing:
                raise StoreClosedError("the store is closed")
            self._queue.append(pending)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            self._changed.notify_all()
        return pending

    def call(self, operation: Callable[[Transaction], T], *, deletes: bool = False) -> T:
        """Hand in an operation and wait until it is on disk."""
        return self.submit(operation, deletes=deletes).wait()

    def commit_by(self, due: float) -> None:
        """Commit at monotonic time `due` even if nothing is handed in."""
        with self._changed:
            if self._due is None or due < self._due:
                self._due = due
                self._changed.notify_all()

    def close(self) -> None:
        """Commit what was handed in and what rides along, then stop; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                while not (self._queue or self._closing or self._is_due()):
                    self._changed.wait(None if self._due is None else self._due - monotonic())
                batch, self._queue = self._queue, []
                self._due = None
                closing = self._closing
                self._changed.notify_all()
            self._commit(batch)

    def _is_due(self) -> bool:
        return self._due is not None and self._due <= monotonic()

    def _commit(self, batch: list[Pending[object]]) -> None:
        error = self._attempt(batch, ride=True)
        if not isinstance(error, StoreFullError):
            for call in batch:
                if isinstance(call.error, StoreFullError):
                    self._commit_alone(call)
                else:
                    call.settle(error)
            return
        for call in batch:
            self._commit_alone(call)

    def _commit_alone(self, call: Pending[object]) -> None:
        """The missing room may have been another's doing; a deletion may use the reserve."""
        error = self._attempt([call], ride=True) or call.error
        if isinstance(error, StoreFullError) and call.deletes:
            with self._env.reserve():
                error = self._attempt([call], ride=False)
        call.settle(error)

    def _attempt(self, batch: list[Pending[object]], *, ride: bool) -> Exception | None:
        """One transaction; what made it fail as a whole, None when it is on disk."""
        try:
            self._transact(batch, ride=ride)
        except Exception as error:  # noqa: BLE001 (every caller of the batch gets it)
            return error
        return None

    def _transact(self, batch: list[Pending[object]], *, ride: bool) -> None:
        on_disk = False
        try:
            with self._env.write() as txn:
                if ride:
                    self._rider.board(txn)
                for call in batch:
                    call.run(self._env, txn)
            on_disk = True
        finally:
            self._rider.landed(on_disk=on_disk)
