"""The peer's two processes, each ends by itself: `python -m tests.bench.mqtt ROLE PORT COUNT FORM WINDOW DIR`.

The publisher stands for the app on a node, the broker for the node's outbox, the subscriber for
the cloud: it acknowledges a message only after SQLite (WAL, synchronous=FULL) has committed it.
`FORM` is `single` (a record a message) or `packs`, `WINDOW` the messages in flight each way. Each prints its monotonic seconds: the
publisher of its first publish, the subscriber of its last commit.
"""

import queue
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from hal import clock
from tests.bench import records

TOPIC = "bench/records"
BATCH = 100
"""Messages of one commit at most."""
LINGER = 0.005
"""Seconds a commit waits for its batch to fill."""
GIVE_UP = 60.0
"""Seconds without a message after which a process ends with an error."""


def main() -> int:
    role, port, count, form, window, directory = sys.argv[1:]
    if role == "publish":
        return publish(int(port), int(count), form, int(window))
    return subscribe(int(port), int(count), int(window), Path(directory))


def publish(port: int, count: int, form: str, window: int) -> int:
    """Publish `count` records with QoS 1; returns once the broker acknowledged all."""
    messages: list[bytes] = (
        [records.message(index) for index in range(count)]
        if form == "single"
        else [records.pack(first) for first in range(0, count, records.PACK)]
    )
    client = _client("bench-publisher", port, window)
    room = threading.Semaphore(window)
    client.on_publish = lambda *_: room.release()
    client.loop_start()
    print(clock.monotonic(), flush=True)
    for payload in messages:
        if not room.acquire(timeout=GIVE_UP):
            return 1
        client.publish(TOPIC, payload, qos=1)
    for _ in range(window):
        if not room.acquire(timeout=GIVE_UP):
            return 1
    client.disconnect()
    client.loop_stop()
    return 0


def subscribe(port: int, count: int, window: int, directory: Path) -> int:
    """Store `count` records, duplicates not counted, acknowledging after each commit."""
    database = _database(directory / "subscriber.db")
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = _client("bench-subscriber", port, window)
    client.on_message = lambda _client, _data, message: arrived.put(message)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.loop_start()
    client.subscribe(TOPIC, qos=1)
    if not subscribed.wait(GIVE_UP):
        return 1
    print("ready", flush=True)
    stored = 0
    while stored < count:
        try:
            stored += _store(database, client, _batch(arrived))
        except queue.Empty:
            return 1
    print(clock.monotonic(), flush=True)
    client.disconnect()
    client.loop_stop()
    return 0


def _store(database: sqlite3.Connection, client: mqtt.Client, batch: list[Any]) -> int:
    rows = [
        (1, int(time * 1e9), value)
        for message in batch
        if not message.dup
        for _name, time, value in records.unpack(message.payload)
    ]
    with database:
        database.executemany(
            "INSERT INTO readings (series_id, time_ns, number) VALUES (?, ?, ?)", rows
        )
    for message in batch:
        client.ack(message.mid, message.qos)
    return len(rows)


def _batch(arrived: "queue.SimpleQueue[Any]") -> list[Any]:
    batch = [arrived.get(timeout=GIVE_UP)]
    try:
        while len(batch) < BATCH:
            batch.append(arrived.get(timeout=LINGER))
    except queue.Empty:
        pass
    return batch


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(
        "CREATE TABLE readings (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, number REAL)"
    )
    database.execute("CREATE INDEX readings_time ON readings (series_id, time_ns)")
    return database


def _client(name: str, port: int, window: int) -> mqtt.Client:
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=True
    )
    client.max_inflight_messages_set(window)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    return client


if __name__ == "__main__":
    sys.exit(main())
