"""Nodes at the hub: real sockets, real stores, the real session at both ends."""

import asyncio

import cbor2
import pytest
from msgspec import structs

from cloud.hub import hub as hub_module
from cloud.hub.credit import BUDGET, BUSY, Credit
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.node import Node, is_ready
from edge.wire.codec import decode_app_spec, encode_app_status
from edge.wire.events import DesiredStep, LogsAcked, StatusAcked, TelemetryAcked
from edge.wire.limits import WINDOW_DEFAULT, WINDOW_MIN
from edge.wire.messages import AppState, AppStatus, CloseCode, StatusItem
from tests.support.data import broken_entry, log_line, numbers, senml_entry
from tests.support.hub import WireNode, hello, hub_service
from tests.support.specs import desired_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cloud(tmp_path):
    async with hub_service(tmp_path) as service:
        yield service


def status(name="thermometer", generation=1, **fields):
    said = AppStatus(state=AppState.RUNNING, ready=True, **fields)
    return StatusItem(kind="app", name=name, generation=generation, status=encode_app_status(said))


async def take_step(node):
    step = await node.event(DesiredStep)
    node.session.ack_desired(step.revision)
    await node.flush()
    return step


# --- coming and going ----------------------------------------------------------------------------


async def test_a_node_that_comes_for_the_first_time_is_made_known(cloud):
    await cloud.join(
        hello(labels={"site": "north", "bad label": "x"}, board="rpi3", resources=["b", "a"])
    )
    node = await cloud.objects.get(Node, "n1")
    assert is_ready(node)
    assert node.metadata.labels == {"site": "north"}
    assert (node.status.board, node.status.resources) == ("rpi3", ["a", "b"])
    assert node.status.addresses == ["127.0.0.1"]


async def test_labels_that_a_person_set_are_kept_when_the_node_comes_again(cloud):
    first = await cloud.join(hello(labels={"site": "north"}))

    def relabel(node):
        return structs.replace(node, metadata=structs.replace(node.metadata, labels={"site": "s"}))

    await cloud.objects.modify(Node, "n1", relabel)
    first.hang_up()
    await cloud.join(hello(labels={"site": "north"}))
    assert (await cloud.objects.get(Node, "n1")).metadata.labels == {"site": "s"}


async def test_a_connected_node_whose_object_is_deleted_is_sent_away_and_known_when_it_comes(
    cloud,
):
    node = await cloud.join(hello(labels={"site": "north"}))
    await cloud.objects.delete(Node, "n1")
    closed = await node.closed()
    assert (closed.code, closed.retry) == (CloseCode.NORMAL, True)
    assert "Node n1 was deleted" in closed.reason
    await cloud.join(hello(labels={"site": "south"}))
    again = await cloud.objects.get(Node, "n1")
    assert again.metadata.labels == {"site": "south"}
    assert is_ready(again)


async def test_a_node_that_stays_away_is_no_longer_ready(cloud):
    node = await cloud.join()
    node.hang_up()
    gone = await cloud.until(Node, "n1", lambda node: not is_ready(node))
    assert gone.status.conditions[0].reason == "Disconnected"


async def test_a_node_that_comes_back_in_time_stays_ready(tmp_path):
    async with hub_service(tmp_path, grace=3600) as cloud:
        node = await cloud.join()
        node.hang_up()
        await cloud.join()
        assert is_ready(await cloud.objects.get(Node, "n1"))


async def test_after_a_restart_nodes_that_do_not_return_are_given_up(tmp_path):
    async with hub_service(tmp_path, grace=3600) as cloud:
        await cloud.join()
    async with hub_service(tmp_path) as cloud:
        await cloud.until(Node, "n1", lambda node: not is_ready(node))


async def test_a_second_process_replaces_the_first_and_a_person_can_see_it(cloud):
    first = await cloud.join(hello(boot_id="one"))
    await cloud.join(hello(boot_id="two"))
    assert (await first.closed()).code is CloseCode.REPLACED
    node = await cloud.objects.get(Node, "n1")
    assert "two boards" in node.status.conditions[0].message
    assert is_ready(node)


async def test_the_same_process_may_connect_again(cloud):
    first = await cloud.join()
    await cloud.join()
    assert (await first.closed()).code is CloseCode.NORMAL
    node = await cloud.objects.get(Node, "n1")
    assert node.status.conditions[0].message == "connected"


async def test_a_replaced_connection_that_ends_late_does_not_make_the_node_unready(cloud):
    first = await cloud.join(hello(boot_id="one"))
    await cloud.join(hello(boot_id="two"))
    await first.closed()
    first.hang_up()
    await cloud.join(hello("n2"))
    assert is_ready(await cloud.objects.get(Node, "n1"))


async def test_nodes_over_the_bound_are_sent_away(cloud, monkeypatch):
    monkeypatch.setattr(hub_module, "CONNECTIONS_LIMIT", 1)
    await cloud.join()
    second = await cloud.dial()
    second.session.open(hello("n2"), 0.0)
    assert (await second.closed()).code is CloseCode.OVERLOAD


async def test_another_subprotocol_is_refused_before_it_begins(cloud):
    with pytest.raises(ConnectionRefusedError, match="403"):
        await WireNode.dial(cloud.port, ("mqtt",))


@pytest.mark.parametrize(
    "data", [b"\xff", b"", cbor2.dumps({"t": "status", "id": 1, "items": []})]
)
async def test_frames_that_are_no_greeting_end_only_their_own_connection(cloud, data):
    good, bad = await cloud.join(), await cloud.dial()
    await bad.send_raw(data)
    bad.session.open(hello("n2"), 0.0)
    bad.session.outgoing()
    assert (await bad.closed()).code is CloseCode.PROTOCOL
    good.session.send_logs([log_line(1)])
    await good.event(LogsAcked)


async def test_a_text_frame_ends_the_connection(cloud):
    node = await cloud.dial()
    await node.send_raw("hello")
    with pytest.raises(ConnectionResetError):
        await node.closed()


async def test_a_silent_node_is_let_go(tmp_path):
    async with hub_service(tmp_path, heartbeat=0.05) as cloud:
        node = await cloud.join()
        # Nothing is read or written here until the hub has given up.
        await cloud.until(Node, "n1", lambda node: not is_ready(node))
        assert (await node.closed()).code is CloseCode.TIMEOUT


async def test_nodes_are_told_when_the_cloud_stops(tmp_path):
    async with hub_service(tmp_path) as cloud:
        node = await cloud.join()
        stopping = asyncio.create_task(cloud.hub.stop())
        assert (await node.closed()).reason == "the cloud is stopping"
        await stopping


# --- down ----------------------------------------------------------------------------------------


async def test_a_new_node_gets_what_is_wanted_of_it(cloud):
    await cloud.want()
    await cloud.want("other", node="n2")
    node = await cloud.join()
    step = await take_step(node)
    assert [item.name for item in step.put] == ["thermometer"]
    assert decode_app_spec(step.put[0].spec) == desired_app("thermometer")
    assert step.put[0].generation == 1
    held = await cloud.until(Node, "n1", lambda node: node.status.revision == step.revision)
    assert is_ready(held)


async def test_a_change_reaches_a_connected_node_as_a_difference(cloud):
    node = await cloud.join()
    await cloud.want()
    first = await take_step(node)
    await cloud.want("second")
    second = await take_step(node)
    assert second.base == first.revision
    assert [item.name for item in second.put] == ["second"]
    await cloud.objects.delete(AppInstance, "thermometer.n1")
    third = await take_step(node)
    assert (third.base, third.put, third.remove) == (
        second.revision,
        (),
        (("app", "thermometer"),),
    )


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_node_that_was_away_gets_only_what_it_missed(tmp_path, restarted):
    async with hub_service(tmp_path) as cloud:
        for app in ("kept", "changed", "removed"):
            await cloud.want(app)
        node = await cloud.join()
        step = await take_step(node)
        while len(step.put) < 3 and step.base is not None:
            step = await take_step(node)
        held = step.revision
        node.hang_up()
        await cloud.objects.delete(AppInstance, "removed.n1")
        await cloud.objects.modify(AppInstance, "changed.n1", with_version("2.0.0"))
        if not restarted:
            await check_difference(cloud, held)
    if restarted:
        async with hub_service(tmp_path) as cloud:
            await check_difference(cloud, held)


def with_version(version):
    def change(instance):
        spec = structs.replace(instance.spec, desired=desired_app(instance.spec.app, version))
        return structs.replace(instance, spec=spec)

    return change


async def check_difference(cloud, held):
    node = await cloud.join(hello(revision=held))
    names, removed, base = set(), set(), held
    while base < cloud.objects.head and not (names and removed):
        step = await take_step(node)
        assert step.base == base
        names |= {item.name for item in step.put}
        removed |= {name for _, name in step.remove}
        base = step.revision
    assert (names, removed) == ({"changed"}, {"removed"})


async def test_a_node_that_refuses_a_step_gets_the_whole_set(cloud):
    await cloud.want()
    node = await cloud.join()
    await take_step(node)
    await cloud.want("second")
    await node.event(DesiredStep)
    node.session.reset_desired(0, "the store is new")
    whole = await take_step(node)
    assert whole.base is None
    assert {item.name for item in whole.put} == {"thermometer", "second"}


async def test_a_revision_from_the_future_gets_the_whole_set(cloud):
    await cloud.want()
    node = await cloud.join(hello(revision=10**6))
    assert (await take_step(node)).base is None


async def test_a_deploy_to_one_node_wakes_no_other(cloud, monkeypatch):
    nodes = [await cloud.join(hello(f"n{number}")) for number in range(5)]
    woken = []
    for name, connection in cloud.hub._connections.items():
        want = connection.want_step
        monkeypatch.setattr(
            connection, "want_step", lambda name=name, want=want: (woken.append(name), want())
        )
    await cloud.want(node="n3")
    await nodes[3].event(DesiredStep)
    assert woken == ["n3"]


# --- up ------------------------------------------------------------------------------------------


async def test_telemetry_is_acknowledged_after_it_is_stored(cloud):
    node = await cloud.join()
    node.session.send_telemetry([senml_entry(1), broken_entry(2), senml_entry(3)])
    node.session.send_telemetry([senml_entry(4)])
    while (await node.event(TelemetryAcked)).seq != 4:
        pass
    assert await numbers(cloud.database) == [1, 3, 4]


async def test_a_node_is_told_what_was_stored_before(cloud):
    node = await cloud.join()
    node.session.send_telemetry([senml_entry(1), senml_entry(2)])
    await node.event(TelemetryAcked)
    node.hang_up()
    again = await cloud.dial()
    assert (await again.join(hello(last_seq=5))).acked_seq == 2


async def test_a_node_whose_store_went_back_in_time_starts_another_epoch(cloud):
    node = await cloud.join()
    node.session.send_telemetry([senml_entry(1), senml_entry(2)])
    await node.event(TelemetryAcked)
    node.hang_up()
    again = await cloud.dial()
    assert (await again.join(hello(last_seq=1))).new_epoch
    again.session.start_epoch(2)
    again.session.send_telemetry([senml_entry(1, {2: 99})])
    await again.event(TelemetryAcked)
    assert await numbers(cloud.database) == [1, 2, 99]


async def test_status_is_written_to_the_instance_and_acknowledged(cloud):
    await cloud.want()
    node = await cloud.join()
    node.session.send_status([status(version="1.0.0", twin={"setpoint": 21.5})], whole=True)
    await node.event(StatusAcked)
    said = (await cloud.objects.get(AppInstance, "thermometer.n1")).status
    assert (said.state, said.ready, said.observed_generation) == (AppState.RUNNING, True, 1)
    assert said.twin == {"setpoint": 21.5}
    head = cloud.objects.head
    node.session.send_status([status(version="1.0.0", twin={"setpoint": 21.5})], whole=False)
    await node.event(StatusAcked)
    assert cloud.objects.head == head


@pytest.mark.parametrize(
    "item",
    [
        status(generation=9),
        status("unknown"),
        status(twin={"x": float("nan")}),
        status(twin={"x": 1 << 63}),
        structs.replace(status(), status=b"\xff"),
        structs.replace(status(), kind="device"),
    ],
)
async def test_status_that_means_nothing_here_is_left_out_and_acknowledged(cloud, item):
    await cloud.want()
    await cloud.want("second")
    node = await cloud.join()
    node.session.send_status([item, status("second", since_ns=1 << 62)], whole=False)
    await node.event(StatusAcked)
    left_out = await cloud.objects.get(AppInstance, "thermometer.n1")
    assert left_out.status.state is AppState.PENDING
    assert (await cloud.objects.get(AppInstance, "second.n1")).status.ready


async def test_log_lines_are_stored_and_acknowledged(cloud):
    node = await cloud.join()
    node.session.send_logs([log_line(1), log_line(2)], dropped=3)
    assert (await node.event(LogsAcked)).seq == 2
    rows = await cloud.database.read(
        lambda connection: list(connection.exec_driver_sql("SELECT text, dropped FROM logs"))
    )
    assert rows == [("", 3), ("line 1", 0), ("line 2", 0)]


async def test_a_store_that_fails_ends_the_session_and_acknowledges_nothing(cloud):
    node = await cloud.join()
    await cloud.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE logs"))
    node.session.send_logs([log_line(1)])
    assert (await node.closed()).code is CloseCode.OVERLOAD
    assert not [event for event in node.events if isinstance(event, LogsAcked)]


def test_windows_shrink_with_the_number_of_nodes_and_with_the_queue():
    credit = Credit()
    assert credit.window() == WINDOW_DEFAULT
    credit.connections = 1000
    assert WINDOW_MIN <= credit.window() <= BUDGET // 1000
    credit.connections, credit.waiting = 1, BUSY
    assert credit.window() == WINDOW_MIN
