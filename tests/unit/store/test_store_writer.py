import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.store.environment import READERS, Environment
from edge.store.errors import FlushTimeoutError, StoreClosedError
from edge.store.layout import Tables, Transaction, open_tables
from edge.store.writer import QUEUE_LIMIT, Writer


class Counting:
    """Counts commits."""

    def __init__(self) -> None:
        self.commits = 0

    def board(self, txn: Transaction) -> None: ...

    def landed(self, *, on_disk: bool) -> None:
        self.commits += on_disk


@pytest.fixture
def env(tmp_path: Path) -> Iterator[Environment]:
    env = Environment.open(tmp_path, 1 << 20)
    yield env
    env.close()


@pytest.fixture
def tables(env: Environment) -> Tables:
    with env.write() as txn:
        return open_tables(env.lmdb, txn)


def test_what_is_handed_in_during_a_commit_shares_the_next(
    env: Environment, tables: Tables
) -> None:
    rider = Counting()
    writer = Writer(env, rider)
    running, go_on = threading.Event(), threading.Event()

    def first(_txn: Transaction) -> None:
        running.set()
        go_on.wait(60)

    calls = [writer.submit(first)]
    assert running.wait(60)
    calls += [
        writer.submit(lambda txn, n=n: txn.put(b"%d" % n, b"", db=tables.kv)) for n in range(20)
    ]
    go_on.set()
    for call in calls:
        call.wait()
    assert rider.commits == 2
    writer.close()


def test_an_operation_that_raises_fails_alone_and_leaves_nothing(
    env: Environment, tables: Tables
) -> None:
    writer = Writer(env, Counting())
    running, go_on = threading.Event(), threading.Event()

    def first(txn: Transaction) -> None:
        running.set()
        go_on.wait(60)
        txn.put(b"first", b"", db=tables.kv)

    def bad(txn: Transaction) -> None:
        txn.put(b"bad", b"", db=tables.kv)
        raise LookupError("refused")

    calls = [writer.submit(first)]
    assert running.wait(60)
    failing = writer.submit(bad)
    calls.append(writer.submit(lambda txn: txn.put(b"last", b"", db=tables.kv)))
    go_on.set()
    with pytest.raises(LookupError, match="refused"):
        failing.wait()
    for call in calls:
        call.wait()
    with env.read() as txn, txn.cursor(db=tables.kv) as cursor:
        assert [key for key, _ in cursor] == [b"first", b"last"]
    writer.close()


def test_callers_wait_while_the_queue_is_full(env: Environment, tables: Tables) -> None:
    writer = Writer(env, Counting())
    running, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def first(_txn: Transaction) -> None:
        running.set()
        go_on.wait(60)

    writer.submit(first)
    assert running.wait(60)
    for number in range(QUEUE_LIMIT):
        writer.submit(lambda _txn, number=number: done.append(number))
    late = threading.Thread(target=lambda: writer.call(lambda _txn: done.append(-1)))
    late.start()
    assert len(writer._queue) == QUEUE_LIMIT
    go_on.set()
    late.join()
    assert done == [*range(QUEUE_LIMIT), -1]
    writer.close()


def test_waiting_has_a_timeout(env: Environment, tables: Tables) -> None:
    writer = Writer(env, Counting())
    go_on = threading.Event()
    call = writer.submit(lambda _txn: go_on.wait(60))
    with pytest.raises(FlushTimeoutError):
        call.wait(0.001)
    go_on.set()
    call.wait()
    writer.close()


def test_a_closed_writer_has_done_what_it_took_and_takes_no_more(
    env: Environment, tables: Tables
) -> None:
    writer = Writer(env, Counting())
    call = writer.submit(lambda txn: txn.put(b"key", b"value", db=tables.kv))
    writer.close()
    call.wait(0)
    with pytest.raises(StoreClosedError):
        writer.submit(lambda _txn: None)


def test_more_readers_than_slots_take_turns(env: Environment, tables: Tables) -> None:
    together = threading.Barrier(READERS)
    seen: list[int] = []

    def look(*, wait: bool) -> None:
        with env.read() as txn:
            if wait:
                together.wait(60)
            seen.append(txn.stat(tables.kv)["entries"])

    threads = [
        threading.Thread(target=look, kwargs={"wait": n < READERS}) for n in range(3 * READERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [0] * 3 * READERS
