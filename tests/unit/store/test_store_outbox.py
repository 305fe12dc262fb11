import threading
from pathlib import Path

import pytest

from edge.store import Store
from edge.store.entry import OVERHEAD
from edge.store.errors import FlushTimeoutError, OutboxFullError, StoreClosedError
from edge.wire.codec import decode_gap
from edge.wire.limits import PACK_LIMIT
from edge.wire.manifest import Durability, OnFull
from edge.wire.messages import EntryKind, Gap
from tests.support.stores import NEVER, gap_records, held, killed, payloads, publish

RELAXED, REFUSE = Durability.RELAXED, OnFull.REFUSE
PACK = 1000 - OVERHEAD
"""Payload whose charge is 1000 bytes."""


def test_entries_are_numbered_from_one_and_carry_what_was_published(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert publish(store, b"a", app="gps", stream="track/lat", time_ns=-5) == 1
        assert publish(store, b"b") == 2
        first, second = held(store)
        assert (first.seq, first.app, first.stream, first.time_ns) == (1, "gps", "track/lat", -5)
        assert (second.seq, second.kind, second.payload) == (2, EntryKind.SENML, b"b")


def test_a_relaxed_entry_is_in_the_journal_until_it_is_flushed(tmp_path: Path) -> None:
    with Store.open(tmp_path, sync_interval=NEVER) as store:
        assert publish(store, durability=RELAXED) == 0
        assert held(store) == []
        store.outbox.flush("meter", 10)
        assert payloads(held(store)) == [b"pack"]


def test_a_relaxed_entry_reaches_the_outbox_by_itself(tmp_path: Path) -> None:
    arrived = threading.Event()
    with Store.open(tmp_path, sync_interval=0.01) as store:
        store.outbox.subscribe(arrived.set)
        publish(store, durability=RELAXED)
        assert arrived.wait(60)
        assert payloads(held(store)) == [b"pack"]


def test_the_next_commit_takes_relaxed_entries_along_in_order(tmp_path: Path) -> None:
    with Store.open(tmp_path, sync_interval=NEVER) as store:
        publish(store, b"1", durability=RELAXED)
        publish(store, b"2", durability=RELAXED)
        assert publish(store, b"3") == 3
        publish(store, b"4", durability=RELAXED)
        store.kv.set("meter", "key", b"", 100)
        assert payloads(held(store)) == [b"1", b"2", b"3", b"4"]


def test_relaxed_entries_survive_the_death_of_the_process(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", sync_interval=NEVER) as store:
        publish(store, b"1")
        publish(store, b"2", durability=RELAXED)
        publish(store, b"3", durability=RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
    for _ in range(2):
        with Store.open(image) as store:
            assert payloads(held(store)) == [b"1", b"2", b"3"]


def test_relaxed_entries_may_lie_in_a_runtime_directory(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", runtime=tmp_path / "run", sync_interval=NEVER) as store:
        publish(store, b"1", durability=RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
        runtime = killed(tmp_path / "run", tmp_path / "image-run")
    with Store.open(image, runtime=runtime) as store:
        assert payloads(held(store)) == [b"1"]


def test_two_stores_may_share_a_runtime_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with (
        Store.open(tmp_path / "a", runtime=run, sync_interval=NEVER) as a,
        Store.open(tmp_path / "b", runtime=run, sync_interval=NEVER) as b,
    ):
        publish(a, b"of a", durability=RELAXED)
        publish(b, b"of b", durability=RELAXED)
        a.outbox.flush("meter", 10)
        b.outbox.flush("meter", 10)
        assert (payloads(held(a)), payloads(held(b))) == ([b"of a"], [b"of b"])


def test_more_relaxed_entries_than_the_journal_holds_are_moved_early(tmp_path: Path) -> None:
    packs = [index.to_bytes(4) + bytes(PACK_LIMIT - 4) for index in range(64)]
    with Store.open(tmp_path, sync_interval=NEVER) as store:
        for pack in packs:
            publish(store, pack, durability=RELAXED)
        store.outbox.flush("meter", 10)
        assert payloads(held(store)) == packs


def test_flush_of_an_empty_journal_returns_at_once(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.outbox.flush("meter", 0)


def test_flush_gives_up_when_the_disk_is_slower_than_its_timeout(tmp_path: Path) -> None:
    with Store.open(tmp_path, sync_interval=NEVER) as store:
        publish(store, durability=RELAXED)
        held_up, go_on = threading.Event(), threading.Event()

        def slow_disk() -> None:
            held_up.set()
            go_on.wait(60)

        store.outbox.subscribe(slow_disk)
        publish_in_background = threading.Thread(target=publish, args=(store,))
        publish_in_background.start()
        assert held_up.wait(60)
        publish(store, durability=RELAXED)
        with pytest.raises(FlushTimeoutError):
            store.outbox.flush("meter", 0.001)
        go_on.set()
        publish_in_background.join()


def test_read_stops_at_its_bounds_but_always_returns_one(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for size in (10, 10, 500, 10):
            publish(store, bytes(size))
        outbox = store.outbox
        assert [entry.seq for entry in outbox.read(0, 1000, 2)] == [1, 2]
        assert [entry.seq for entry in outbox.read(0, 25, 10)] == [1, 2]
        assert [entry.seq for entry in outbox.read(2, 25, 10)] == [3]
        assert [entry.seq for entry in outbox.read(3, 25, 10)] == [4]
        assert outbox.read(4, 25, 10) == []


def test_trim_deletes_what_is_acknowledged_in_this_epoch_only(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for _ in range(4):
            publish(store)
        store.outbox.trim(store.outbox.epoch + 1, 4)
        assert len(held(store)) == 4
        store.outbox.trim(store.outbox.epoch, 3)
        assert [entry.seq for entry in held(store)] == [4]
        assert publish(store) == 5


def test_numbers_go_on_after_everything_was_trimmed_and_reopened(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store)
        store.outbox.trim(store.outbox.epoch, 1)
    with Store.open(tmp_path) as store:
        assert publish(store) == 2


def test_a_new_epoch_keeps_the_entries(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store)
        old = store.outbox.epoch
        new = store.outbox.new_epoch()
        assert store.outbox.epoch == new != old
        store.outbox.trim(old, 1)
        assert payloads(held(store)) == [b"pack"]


def test_subscribers_hear_of_new_entries_until_they_cancel(tmp_path: Path) -> None:
    heard: list[int] = []
    with Store.open(tmp_path) as store:
        cancel = store.outbox.subscribe(lambda: heard.append(store.outbox.last_seq))
        publish(store)
        publish(store)
        store.outbox.trim(store.outbox.epoch, 1)
        store.kv.set("meter", "key", b"", 10)
        cancel()
        publish(store)
        store.kv.set("meter", "key", b"1", 10)
    assert heard == [1, 2]


def test_drop_oldest_leaves_one_counted_gap_a_stream(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=8000) as store:
        for index in range(6):
            publish(store, bytes(PACK), stream="ab"[index % 2], time_ns=index, records=10)
        entries = held(store)
        gaps = {
            entry.stream: decode_gap(entry.payload)
            for entry in entries
            if entry.kind is EntryKind.GAP
        }
        assert gaps == {
            "a": Gap(records=10, first_ns=0, last_ns=0),
            "b": Gap(records=10, first_ns=1, last_ns=1),
        }
        assert store.outbox.stats().dropped == 20
        assert store.outbox.stats().bytes == 4000


def test_later_losses_merge_into_the_gap_at_the_last_dropped_number(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        for index in range(7):
            publish(store, bytes(PACK), time_ns=index)
        first, *kept = held(store)
        assert (first.seq, first.kind) == (5, EntryKind.GAP)
        assert decode_gap(first.payload) == Gap(records=5, first_ns=0, last_ns=4)
        assert [entry.seq for entry in kept] == [6, 7]


def test_what_may_have_been_sent_is_not_merged_into_later_gaps(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        publish(store, bytes(PACK))
        publish(store, bytes(PACK))
        store.outbox.read(0, 1 << 20, 1)
        for _ in range(4):
            publish(store, bytes(PACK))
        gaps = [entry for entry in held(store) if entry.kind is EntryKind.GAP]
        assert [(gap.seq, decode_gap(gap.payload).records) for gap in gaps] == [(1, 1), (4, 3)]


def test_a_trimmed_gap_is_not_counted_again(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        for _ in range(3):
            publish(store, bytes(PACK))
        assert gap_records(held(store)) == 1
        store.outbox.trim(store.outbox.epoch, 1)
        publish(store, bytes(PACK))
        assert gap_records(held(store)) == 1


def test_a_refusing_stream_is_refused_and_never_dropped(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        publish(store, bytes(PACK), on_full=REFUSE)
        publish(store, bytes(PACK), on_full=REFUSE, durability=RELAXED)
        for durability in Durability:
            with pytest.raises(OutboxFullError, match="meter: holds 2000 of the 2000 bytes"):
                publish(store, bytes(PACK), on_full=REFUSE, durability=durability)
        publish(store, b"dropped at once", records=3)
        entries = held(store)
        assert len(payloads(entries)) == 2
        assert gap_records(entries) == 3


def test_refused_room_comes_back_when_it_is_trimmed(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        for _ in range(2):
            publish(store, bytes(PACK), on_full=REFUSE)
        store.outbox.trim(store.outbox.epoch, 1)
        publish(store, bytes(PACK), on_full=REFUSE)


def test_promised_room_is_remembered_after_a_crash(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", outbox_limit=4000, sync_interval=NEVER) as store:
        publish(store, bytes(PACK), on_full=REFUSE)
        publish(store, bytes(PACK), on_full=REFUSE, durability=RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
    with Store.open(image, outbox_limit=4000) as store, pytest.raises(OutboxFullError):
        publish(store, bytes(PACK), on_full=REFUSE)


def test_all_refusing_apps_together_stay_within_the_limit(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=4000) as store:
        for app in ("a", "a", "b", "b"):
            publish(store, bytes(PACK), app=app, on_full=REFUSE)
        with pytest.raises(OutboxFullError, match="4000 bytes are all taken"):
            publish(store, bytes(PACK), app="c", on_full=REFUSE)


def test_a_flooding_app_drops_only_its_own(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=20_000) as store:
        for _ in range(5):
            publish(store, bytes(PACK), app="quiet")
        for _ in range(50):
            publish(store, bytes(PACK), app="flood")
        entries = held(store)
        assert sum(entry.app == "quiet" for entry in entries) == 5
        assert {entry.app for entry in entries if entry.kind is EntryKind.GAP} == {"flood"}
        assert store.outbox.stats().apps == {"quiet": 5000, "flood": 10_000}


def test_room_for_a_third_app_comes_from_whoever_holds_most(tmp_path: Path) -> None:
    with Store.open(tmp_path, outbox_limit=20_000) as store:
        for app in ("a", "b"):
            for _ in range(10):
                publish(store, bytes(PACK), app=app)
        for _ in range(4):
            publish(store, bytes(PACK), app="modest", on_full=REFUSE)
        assert store.outbox.stats().apps == {"a": 8000, "b": 8000, "modest": 4000}


def test_a_pack_that_can_never_fit_is_refused(tmp_path: Path) -> None:
    never = pytest.raises(OutboxFullError, match="payload: 3000 bytes and 128 never fit")
    with Store.open(tmp_path, outbox_limit=4000) as store, never:
        publish(store, bytes(3000))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("app", {"app": ""}),
        ("app", {"app": "a\0b"}),
        ("stream", {"stream": "s" * 256}),
        ("payload", {"payload": bytes(PACK_LIMIT + 1)}),
        ("records", {"records": -1}),
    ],
)
def test_a_field_out_of_bounds_is_named(
    tmp_path: Path, field: str, values: dict[str, object]
) -> None:
    with Store.open(tmp_path) as store:
        with pytest.raises(ValueError, match=f"^{field}: "):
            publish(store, **values)  # type: ignore[arg-type]
        assert publish(store) == 1


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    for durability in Durability:
        with pytest.raises(StoreClosedError):
            publish(store, durability=durability)
    with pytest.raises(StoreClosedError):
        store.outbox.read(0, 1, 1)


def test_what_was_read_before_a_crash_is_not_merged_into_a_gap_after_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", outbox_limit=4000, sync_interval=NEVER) as store:
        publish(store, bytes(PACK))
        publish(store, bytes(PACK))
        store.outbox.read(0, 1 << 20, 1)
        image = killed(tmp_path / "store", tmp_path / "image")
    with Store.open(image, outbox_limit=4000) as store:
        for _ in range(3):
            publish(store, bytes(PACK))
        gaps = [entry for entry in held(store) if entry.kind is EntryKind.GAP]
        assert [(gap.seq, decode_gap(gap.payload).records) for gap in gaps] == [(1, 1), (3, 2)]


def test_a_damaged_mark_is_no_mark(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store)
        held(store)
    (mark,) = tmp_path.glob("*.mark")
    mark.write_bytes(bytes(11) + b"x")
    with Store.open(tmp_path) as store:
        assert payloads(held(store)) == [b"pack"]
