from pathlib import Path

import pytest

from edge.store import Store
from edge.store.errors import BaseMismatchError, QuotaExceededError
from edge.store.kv import KEY_LIMIT, TOTAL_LIMIT, VALUE_LIMIT
from edge.wire.events import DesiredStep
from edge.wire.messages import DesiredItem


def item(name: str, generation: int = 1, spec: bytes = b"spec") -> DesiredItem:
    return DesiredItem(kind="app", name=name, generation=generation, spec=spec)


def test_a_whole_set_replaces_what_was_there(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.desired.apply(DesiredStep(4, None, (item("b"), item("a")), ()))
        store.desired.apply(DesiredStep(9, None, (item("c", 3, b""),), ()))
    with Store.open(tmp_path) as store:
        assert store.desired.revision == 9
        assert store.desired.items() == [item("c", 3, b"")]


def test_a_difference_puts_and_removes_from_its_base(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.desired.apply(DesiredStep(4, None, (item("a"), item("b")), ()))
        step = DesiredStep(5, 4, (item("a", 2), item("c")), (("app", "b"), ("app", "gone")))
        store.desired.apply(step)
        assert store.desired.items() == [item("a", 2), item("c")]
        assert store.desired.revision == 5


def test_a_difference_from_another_base_changes_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.desired.apply(DesiredStep(4, None, (item("a"),), ()))
        with pytest.raises(BaseMismatchError, match="from revision 3, the store holds 4") as error:
            store.desired.apply(DesiredStep(5, 3, (item("b"),), ()))
        assert (error.value.held, error.value.base) == (4, 3)
        assert store.desired.revision == 4
        assert store.desired.items() == [item("a")]


def test_a_step_with_an_impossible_object_changes_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.desired.apply(DesiredStep(4, None, (item("a"),), ()))
        bad = DesiredItem(kind="k" * 600, name="x", generation=1, spec=b"")
        with pytest.raises(ValueError, match=r"kind, name: .*too long"):
            store.desired.apply(DesiredStep(5, None, (item("b"), bad), ()))
        assert store.desired.items() == [item("a")]
        assert store.desired.revision == 4


def test_reported_statuses_are_replaced_and_removed(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.reported.put("app", "a", b"running")
        store.reported.put("app", "a", b"held")
        store.reported.put("app", "b", b"failed")
        store.reported.remove("app", "b")
        store.reported.remove("app", "never was")
        assert store.reported.get("app", "a") == b"held"
        assert store.reported.get("app", "b") is None
        assert store.reported.items() == {("app", "a"): b"held"}


def test_an_unknown_fact_is_none(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert store.meta.get("time-floor") is None


def test_apps_see_only_their_own_keys(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.kv.set("a", "key", b"of a", 100)
        store.kv.set("ab", "key", b"of ab", 100)
        assert store.kv.get("a", "key") == b"of a"
        assert store.kv.keys("a") == ["key"]
        store.kv.drop("a")
        assert store.kv.get("a", "key") is None
        assert store.kv.get("ab", "key") == b"of ab"


def test_keys_are_sorted_and_filtered_by_prefix(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for key in ("b", "a/2", "a/1", "a"):
            store.kv.set("app", key, b"", 100)
        assert store.kv.keys("app", "a/") == ["a/1", "a/2"]
        assert store.kv.keys("app") == ["a", "a/1", "a/2", "b"]


def test_delete_tells_whether_the_key_was_there(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.kv.set("app", "key", b"1", 100)
        assert store.kv.delete("app", "key")
        assert not store.kv.delete("app", "key")
        assert store.kv.usage("app") == 0


def test_usage_counts_keys_and_values_and_the_quota_bounds_it(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.kv.set("app", "key", bytes(7), 10)
        assert store.kv.usage("app") == 10
        with pytest.raises(QuotaExceededError, match="app: 11 bytes, its quota is 10"):
            store.kv.set("app", "key", bytes(8), 10)
        assert store.kv.get("app", "key") == bytes(7)
        store.kv.set("app", "key", bytes(2), 1)
        assert store.kv.usage("app") == 5


def test_all_apps_together_have_a_bound(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        _pretend_others_hold(store, TOTAL_LIMIT - 10)
        store.kv.set("app", "key", bytes(7), 1000)
        with pytest.raises(QuotaExceededError, match="all apps together hold"):
            store.kv.set("app", "other", b"", 1000)


@pytest.mark.parametrize(
    ("field", "key", "value"),
    [
        ("key", "", b""),
        ("key", "k" * (KEY_LIMIT + 1), b""),
        ("key", "a\0b", b""),
        ("value", "k", bytes(VALUE_LIMIT + 1)),
    ],
)
def test_a_key_or_value_out_of_bounds_is_named(
    tmp_path: Path, field: str, key: str, value: bytes
) -> None:
    with Store.open(tmp_path) as store, pytest.raises(ValueError, match=f"^{field}: "):
        store.kv.set("app", key, value, 1 << 20)


def test_the_largest_key_and_value_fit(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.kv.set("app", "k" * KEY_LIMIT, bytes(VALUE_LIMIT), 1 << 20)
        assert store.kv.get("app", "k" * KEY_LIMIT) == bytes(VALUE_LIMIT)


def _pretend_others_hold(store: Store, total: int) -> None:
    store._writer.call(lambda txn: store.kv._account(txn, "others", total))
