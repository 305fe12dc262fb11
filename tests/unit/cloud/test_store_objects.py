"""The object store in one process: consistency of list and watch, compaction, slow watchers."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.errors import AlreadyExists, BadRequest, Conflict, Expired, NotFound
from cloud.kinds.app import APP, App, AppSpec
from cloud.kinds.appinstance import APP_INSTANCE
from cloud.kinds.meta import Metadata, with_metadata
from cloud.kinds.node import NODE, Node
from cloud.kinds.scheme import Scheme
from cloud.kinds.work import ArtifactRef
from cloud.store.database import Database
from cloud.store.objects import Objects, Query
from cloud.store.selectors import EVERYTHING, Selector, label_equals, parse_labels
from cloud.store.watch import BACKLOG_LIMIT, EventType, Watch

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def store(directory: Path) -> AsyncIterator[Objects]:
    database = await Database.open(directory / "objects.db")
    try:
        yield await Objects.open(database, Scheme([APP, NODE, APP_INSTANCE]))
    finally:
        await database.close()


def board(name: str, **labels: str) -> Node:
    return Node(metadata=Metadata(name=name, labels=labels))


def labelled(**labels: str):
    return lambda node: with_metadata(node, labels=labels)


async def replay(watch: Watch[Node], state: dict[str, Node], until: int) -> dict[str, Node]:
    """Apply what a watch says until it has seen everything up to a revision."""
    while watch.revision < until:
        for event in await watch.take(0.05):
            name = event.object.metadata.name
            if event.type is EventType.ADDED:
                assert name not in state, "added twice"
                state[name] = event.object
            elif event.type is EventType.MODIFIED:
                assert name in state, "modified before it was added"
                state[name] = event.object
            else:
                del state[name]
        if watch.caught_up():
            break
    return state


async def listed(objects: Objects, labels: Selector) -> dict[str, Node]:
    page = await objects.list(Node, Query(labels=labels))
    return {node.metadata.name: node for node in page.items}


steps = st.tuples(
    st.sampled_from(["create", "label", "delete", "delete-all", "watch", "compact", "take"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["1", "2"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_a_watcher_that_replays_list_and_watch_always_has_the_final_state(history):
    async def run(directory: Path) -> None:
        async with store(directory) as objects:
            watchers: list[tuple[Selector, Watch[Node], dict[str, Node]]] = []
            for act, name, value in history:
                selector = label_equals("v", value) if name != "c" else EVERYTHING
                if act == "watch":
                    page = await objects.list(Node, Query(labels=selector))
                    state = {node.metadata.name: node for node in page.items}
                    watch = await objects.watch(Node, Query(labels=selector), page.revision)
                    watchers.append((selector, watch, state))
                elif act == "take":
                    for _, watch, state in watchers:
                        await replay(watch, state, objects.head)
                elif act == "compact" and all(w.caught_up() for _, w, _ in watchers):
                    await objects.compact(objects.head)
                else:
                    await change(objects, act, name, value)
            for selector, watch, state in watchers:
                final = await replay(watch, state, objects.head)
                assert final == await listed(objects, selector)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory)))


async def change(objects: Objects, act: str, name: str, value: str) -> None:
    with suppress(NotFound, AlreadyExists):
        if act == "create":
            await objects.create(board(name, v=value))
        elif act == "label":
            await objects.modify(Node, name, labelled(v=value))
        elif act == "delete":
            await objects.delete(Node, name)
        elif act == "delete-all":
            await objects.delete_all(Node, Query(labels=label_equals("v", value)))


async def test_a_watch_from_before_the_floor_has_expired_and_one_from_the_floor_has_not(tmp_path):
    async with store(tmp_path) as objects:
        await objects.create(board("a"))
        for value in "123":
            await objects.modify(Node, "a", labelled(v=value))
        await objects.create(board("gone"))
        await objects.delete(Node, "gone")
        floor = objects.head
        await objects.create(board("b"))
        assert await objects.compact(floor) == 5
        with pytest.raises(Expired):
            await objects.watch(Node, Query(), floor - 1)
        watch = await objects.watch(Node, Query(), floor)
        assert [event.object.metadata.name for event in await watch.take()] == ["b"]
        assert (await listed(objects, EVERYTHING)).keys() == {"a", "b"}


async def test_after_compaction_a_change_still_knows_what_was_before(tmp_path):
    async with store(tmp_path) as objects:
        await objects.create(board("a", v="1"))
        await objects.compact(objects.head)
        floor = objects.head
        await objects.modify(Node, "a", labelled(v="2"))
        watch = await objects.watch(Node, Query(labels=label_equals("v", "1")), floor)
        assert [event.type for event in await watch.take()] == [EventType.DELETED]


async def test_a_continue_token_from_before_the_floor_has_expired(tmp_path):
    async with store(tmp_path) as objects:
        for name in "abc":
            await objects.create(board(name))
        page = await objects.list(Node, Query(limit=1))
        await objects.create(board("d"))
        await objects.compact(objects.head)
        with pytest.raises(Expired):
            await objects.list(Node, Query(limit=1, token=page.token))


async def test_the_head_is_not_forgotten_when_its_row_is_compacted(tmp_path):
    async with store(tmp_path) as objects:
        await objects.create(board("a"))
        await objects.delete(Node, "a")
        head = objects.head
        await objects.compact(head)
    async with store(tmp_path) as objects:
        assert objects.head == head
        await objects.create(board("a"))
        assert objects.head > head


async def test_a_watcher_that_does_not_keep_up_is_ended(tmp_path):
    async with store(tmp_path) as objects:
        watch = await objects.watch(Node, Query(), objects.head)
        assert await watch.take(0) == []
        await asyncio.gather(*(objects.create(board(f"n{i}")) for i in range(BACKLOG_LIMIT + 1)))
        with pytest.raises(Expired, match="behind"):
            await watch.take()


async def test_a_watcher_that_starts_far_behind_reads_history_in_order(tmp_path):
    async with store(tmp_path) as objects:
        await asyncio.gather(*(objects.create(board(f"n{i}")) for i in range(1200)))
        watch = await objects.watch(Node, Query(), 0)
        revisions: list[int] = []
        while len(revisions) < 1200:
            revisions += [event.revision for event in await watch.take()]
        assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("since_begin", [True, False])
async def test_a_watch_of_two_kinds_tells_them_in_one_order_without_a_gap(tmp_path, since_begin):
    """From far behind too, where each kind's history is read in pieces."""
    async with store(tmp_path) as objects:
        early = await objects.watch_all((Node, App), Query(), 0)
        for number in range(520):
            await objects.create(board(f"n{number}"))
            if number % 2:
                await objects.create(app(f"a{number}"))
        watch = await objects.watch_all((Node, App), Query(), 0) if since_begin else early
        revisions: list[int] = []
        while len(revisions) < 780:
            revisions += [event.revision for event in await watch.take()]
        assert revisions == list(range(1, 781))
        await objects.delete(App, "a1")
        [gone] = await watch.take()
        assert (gone.type, gone.object.metadata.name) == (EventType.DELETED, "a1")
        objects.stop(watch)
        assert watch.closed


def app(name: str) -> App:
    spec = AppSpec(artifact=ArtifactRef(repository="thermo", reference="1"))
    return App(metadata=Metadata(name=name), spec=spec)


async def test_a_change_and_its_conflict_are_decided_where_nothing_comes_between(tmp_path):
    async with store(tmp_path) as objects:
        made = await objects.create(board("a"))

        def add(node: Node) -> Node:
            count = int(node.metadata.labels.get("n", "0")) + 1
            return with_metadata(node, labels={"n": str(count)})

        await asyncio.gather(*(objects.modify(Node, "a", add) for _ in range(50)))
        assert (await objects.get(Node, "a")).metadata.labels == {"n": "50"}
        with pytest.raises(Conflict):
            await objects.modify(Node, "a", lambda _: made)


async def test_an_object_made_again_is_another(tmp_path):
    async with store(tmp_path) as objects:
        first = await objects.create(board("a"))
        await objects.delete(Node, "a")
        second = await objects.create(board("a"))
        assert first.metadata.uid != second.metadata.uid
        with pytest.raises(Conflict, match="created again"):
            await objects.modify(
                Node, "a", lambda node: with_metadata(node, uid=first.metadata.uid)
            )


values = st.sampled_from(["", "a", "b"])
label_maps = st.dictionaries(st.sampled_from(["x", "y"]), values)


@given(label_maps, st.sampled_from(["x", "y"]), st.sets(values, min_size=1))
def test_a_selector_and_its_opposite_divide_all_objects(labels, key, wanted):
    text = ",".join(sorted(wanted))
    inside = parse_labels(f"{key} in ({text})").matches(labels)
    outside = parse_labels(f"{key} notin ({text})").matches(labels)
    assert inside != outside
    assert parse_labels(key).matches(labels) != parse_labels(f"!{key}").matches(labels)


@given(st.text(max_size=60))
def test_any_text_is_a_selector_or_a_bad_request(text):
    with suppress(BadRequest):
        assert parse_labels(text).matches({}) in {True, False}
