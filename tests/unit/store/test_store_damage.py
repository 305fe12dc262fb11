"""A page that the card spoiled, in a file of the right length."""

from pathlib import Path

import pytest

from edge.store import Store
from edge.store.errors import StoreCorruptError
from edge.store.layout import TABLE_NAMES
from tests.support.stores import publish

PAGE = 4096
LEAF = 0x02


def spoil(directory: Path) -> None:
    """Zero the leaves that hold the values, not the catalogue of tables, so that opening succeeds."""
    file = directory / "data.mdb"
    data = bytearray(file.read_bytes())
    for at in range(2 * PAGE, len(data), PAGE):
        page = data[at : at + PAGE]
        is_catalogue = all(name in page for name in TABLE_NAMES)
        if page[10] & LEAF and b"spoil me" in page and not is_catalogue:
            data[at : at + PAGE] = bytes(PAGE)
    file.write_bytes(data)


def test_a_damaged_page_is_called_so_and_the_store_is_left_alone_from_then_on(tmp_path: Path):
    with Store.open(tmp_path) as store:
        for number in range(40):
            store.kv.set("meter", f"key-{number}", b"spoil me" * 50, 1 << 20)
    spoil(tmp_path)
    with Store.open(tmp_path) as store:
        with pytest.raises(StoreCorruptError, match=r"the store is damaged \(.*stop the agent"):
            store.kv.get("meter", "key-1")
        for attempt in (lambda: store.meta.get("floor"), lambda: store.kv.set("a", "b", b"c", 99)):
            with pytest.raises(StoreCorruptError, match="the store is damaged"):
                attempt()


def test_a_write_that_meets_it_fails_as_damage_and_not_as_a_disk_fault(tmp_path: Path):
    with Store.open(tmp_path) as store:
        for number in range(40):
            store.kv.set("meter", f"key-{number}", b"spoil me" * 50, 1 << 20)
    spoil(tmp_path)
    with Store.open(tmp_path) as store:
        for _ in range(2):
            with pytest.raises(StoreCorruptError, match="the store is damaged"):
                store.kv.set("meter", "key-1", b"x", 1 << 20)


def test_a_sound_store_goes_on(tmp_path: Path):
    with Store.open(tmp_path) as store:
        publish(store, b"one")
        assert store.outbox.last_seq == 1
