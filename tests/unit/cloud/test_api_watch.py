"""Watches over a real socket: resume, bookmarks, compaction, selectors, the end of the service."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from cloud.kinds.meta import Metadata
from cloud.kinds.node import Node
from cloud.store.watch import Change, Event, Watch
from tests.support.api import APPS, MERGE, NODES, TABLE, events, node_body
from tests.support.cloud import cloud_service


def now(api: httpx.Client) -> str:
    return api.get(NODES, params={"limit": 1}).json()["metadata"]["resourceVersion"]


def label(api: httpx.Client, name: str, **labels: str | None) -> dict:
    return api.patch(
        f"{NODES}/{name}", json={"metadata": {"labels": labels}}, headers=MERGE
    ).json()


def test_a_watch_without_a_version_begins_with_what_is_there(api):
    api.post(NODES, json=node_body("w-there", w1="y"))
    with events(api, NODES, labelSelector="w1") as stream:
        first = next(stream)
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "w-there")
        api.delete(f"{NODES}/w-there")
        assert next(stream)["type"] == "DELETED"


def test_a_watch_resumes_after_any_version_without_gap_or_duplicate(api):
    start = now(api)
    api.post(NODES, json=node_body("w-resumed", w2="y"))
    versions = [label(api, "w-resumed", n=str(n))["metadata"]["resourceVersion"] for n in range(5)]
    with events(api, NODES, labelSelector="w2", resourceVersion=start) as stream:
        seen = [next(stream) for _ in range(6)]
    assert [event["type"] for event in seen] == ["ADDED", *["MODIFIED"] * 5]
    assert [event["object"]["metadata"]["resourceVersion"] for event in seen][1:] == versions
    with events(api, NODES, labelSelector="w2", resourceVersion=versions[2]) as stream:
        rest = [next(stream)["object"]["metadata"]["resourceVersion"] for _ in range(2)]
        assert rest == versions[3:]
        live = label(api, "w-resumed", live="y")["metadata"]["resourceVersion"]
        assert next(stream)["object"]["metadata"]["resourceVersion"] == live


def test_an_object_that_leaves_the_selector_is_deleted_for_its_watcher(api):
    start = now(api)
    api.post(NODES, json=node_body("w-leaves", w3="in"))
    with events(api, NODES, labelSelector="w3=in", resourceVersion=start) as stream:
        label(api, "w-leaves", w3="out")
        label(api, "w-leaves", w3="in")
        assert [next(stream)["type"] for _ in range(3)] == ["ADDED", "DELETED", "ADDED"]


def test_one_object_is_watched_by_its_name(api):
    start = now(api)
    for name in ("w-one", "w-other"):
        api.post(NODES, json=node_body(name))
    api.delete(f"{NODES}/w-one")
    with events(api, NODES, fieldSelector="metadata.name=w-one", resourceVersion=start) as stream:
        assert [next(stream)["type"] for _ in range(2)] == ["ADDED", "DELETED"]


def test_a_watch_ends_after_its_time_with_a_bookmark_of_how_far_it_came(api):
    start = now(api)
    api.post(NODES, json=node_body("w-quiet"))
    with events(
        api,
        NODES,
        labelSelector="nobody-has-this",
        resourceVersion=start,
        timeoutSeconds=1,
        allowWatchBookmarks="true",
    ) as stream:
        seen = list(stream)
    assert [event["type"] for event in seen] == ["BOOKMARK"]
    assert int(seen[0]["object"]["metadata"]["resourceVersion"]) > int(start)


def test_a_watch_of_tables_has_columns_once(api):
    start = now(api)
    api.post(NODES, json=node_body("w-table", w4="y"))
    label(api, "w-table", n="1")
    params = {"watch": "true", "labelSelector": "w4", "resourceVersion": start}
    with api.stream("GET", NODES, params=params, headers={"accept": TABLE}) as response:
        lines = response.iter_lines()
        first, second = (httpx.Response(200, text=next(lines)).json() for _ in range(2))
    assert first["object"]["columnDefinitions"]
    assert second["object"]["columnDefinitions"] == []
    assert second["object"]["rows"][0]["cells"][0] == "w-table"


def test_a_version_of_the_future_is_an_error(api):
    with events(api, NODES, resourceVersion=10**15) as stream:
        error = next(stream)
    assert (error["type"], error["object"]["code"]) == ("ERROR", 400)


def test_watches_end_at_once_when_the_service_stops(tmp_path: Path):
    with ThreadPoolExecutor() as pool:
        with cloud_service(tmp_path) as service:
            opened = threading.Event()

            def follow() -> int:
                with (
                    service.client() as api,
                    api.stream("GET", APPS, params={"watch": "1"}) as response,
                ):
                    opened.set()
                    return sum(1 for _ in response.iter_lines())

            watching = pool.submit(follow)
            assert opened.wait(10)
        assert watching.result(timeout=10) == 0


def test_objects_survive_a_restart_and_watches_resume_over_it(tmp_path: Path):
    with cloud_service(tmp_path) as service, service.client() as api:
        start = now(api)
        made = api.post(NODES, json=node_body("w-kept")).json()
    with cloud_service(tmp_path) as service, service.client() as api:
        assert api.get(f"{NODES}/w-kept").json() == made
        with events(api, NODES, resourceVersion=start) as stream:
            assert next(stream)["object"] == made


def test_a_change_that_comes_while_history_is_read_is_not_slept_over():
    node = Node(metadata=Metadata(name="late"))

    async def history(_after: int) -> list[Change[Node]]:
        watch.offer(Change(2, None, node, node))  # committed after the read, told before its end
        return []

    watch = Watch(1, lambda _node: True, history)

    async def first() -> list[Event[Node]]:
        return await asyncio.wait_for(watch.take(), 10)

    assert [event.revision for event in asyncio.run(first())] == [2]
