"""Firmware at the hub: what a node is told, what it says, and nodes that know none of it."""

import pytest

from cloud.kinds.firmwareinstance import FirmwareInstance, FirmwareInstanceSpec
from cloud.kinds.meta import Metadata
from cloud.kinds.node import Node
from edge.wire.codec import (
    decode_firmware_spec,
    encode_app_status,
    encode_attached,
    encode_firmware_status,
)
from edge.wire.events import StatusAcked
from edge.wire.firmware import AttachedStatus, FirmwareState, FirmwareStatus, Microcontroller
from edge.wire.messages import AppState, AppStatus, StatusItem
from tests.support.hub import hub_service
from tests.support.specs import desired_firmware
from tests.unit.cloud.test_hub import take_step

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cloud(tmp_path):
    async with hub_service(tmp_path) as service:
        yield service


async def want(cloud, name="thermometer", **spec):
    """A firmware that may have the name of an app."""
    instance = FirmwareInstance(
        metadata=Metadata(name=f"{name}.n1"),
        spec=FirmwareInstanceSpec(firmware=name, node="n1", desired=desired_firmware(**spec)),
    )
    return await cloud.objects.create(instance)


def said(status, kind="firmware", name="thermometer", generation=1):
    encode = {"app": encode_app_status, "firmware": encode_firmware_status}
    encode["microcontrollers"] = encode_attached
    what = {FirmwareStatus: "firmware", AppStatus: "app", AttachedStatus: "microcontrollers"}
    data = encode[what[type(status)]](status)
    return StatusItem(kind=kind, name=name, generation=generation, status=data)


async def test_an_app_and_a_firmware_of_one_name_travel_and_go_each_for_itself(cloud):
    await cloud.want()
    await want(cloud)
    node = await cloud.join()
    step = await take_step(node)
    assert {(item.kind, item.name) for item in step.put} == {
        ("app", "thermometer"),
        ("firmware", "thermometer"),
    }
    (item,) = (item for item in step.put if item.kind == "firmware")
    assert decode_firmware_spec(item.spec) == desired_firmware()
    await cloud.objects.delete(FirmwareInstance, "thermometer.n1")
    assert (await take_step(node)).remove == (("firmware", "thermometer"),)


async def test_changes_of_both_kinds_reach_a_node_whichever_comes_last(cloud):
    node = await cloud.join()
    await want(cloud, "a")
    await cloud.want("b")
    await want(cloud, "c")
    names, revision = set(), 0
    while len(names) < 3:
        step = await take_step(node)
        assert step.revision > revision
        names, revision = names | {item.name for item in step.put}, step.revision
    assert names == {"a", "b", "c"}


async def test_what_a_node_says_of_a_firmware_is_written_and_acknowledged(cloud):
    await want(cloud)
    node = await cloud.join()
    status = FirmwareStatus(
        state=FirmwareState.UPLOADING,
        microcontroller="probe",
        progress=40,
        version="0.1.0",
        unpatched="no patch is of it",
        fetched=9,
        sent=4,
    )
    node.session.send_status([said(status)], whole=False)
    await node.event(StatusAcked)
    found = (await cloud.objects.get(FirmwareInstance, "thermometer.n1")).status
    assert (found.state, found.progress, found.version, found.observed_generation) == (
        FirmwareState.UPLOADING,
        *(40, "0.1.0", 1),
    )
    assert (found.unpatched, found.fetched, found.sent) == ("no patch is of it", 9, 4)
    assert (found.ready, found.ready_time) == (False, None)
    running = FirmwareStatus(state=FirmwareState.RUNNING, version="0.2.0", patched=True)
    node.session.send_status([said(running)], whole=False)
    await node.event(StatusAcked)
    found = (await cloud.objects.get(FirmwareInstance, "thermometer.n1")).status
    assert (found.ready, found.patched) == (True, True)
    assert found.ready_time is not None


@pytest.mark.parametrize(
    "item",
    [
        said(FirmwareStatus(state=FirmwareState.RUNNING), generation=9),
        said(FirmwareStatus(state=FirmwareState.RUNNING), name="unknown"),
        StatusItem(kind="firmware", name="thermometer", generation=1, status=b"\xff"),
        StatusItem(kind="microcontrollers", name="n1", generation=0, status=b"\xff"),
    ],
)
async def test_what_means_nothing_here_is_left_out_and_acknowledged(cloud, item):
    await want(cloud)
    node = await cloud.join()
    node.session.send_status([item], whole=False)
    await node.event(StatusAcked)
    found = await cloud.objects.get(FirmwareInstance, "thermometer.n1")
    assert found.status.state is FirmwareState.WAITING


async def test_a_node_that_knows_no_firmware_says_so_in_its_own_words(cloud):
    await want(cloud)
    node = await cloud.join()
    words = AppStatus(
        state=AppState.FAILED, reason="Unsupported", message="this agent knows no kind 'firmware'"
    )
    node.session.send_status([said(words)], whole=False)
    await node.event(StatusAcked)
    found = (await cloud.objects.get(FirmwareInstance, "thermometer.n1")).status
    assert (found.state, found.reason) == (FirmwareState.FAILED, "Unsupported")


async def test_what_is_attached_is_written_to_the_node(cloud):
    node = await cloud.join()
    chips = [
        Microcontroller(name="b"),
        Microcontroller(
            name="a", id="7", board="pico", version="0.1.0", connected=True, since_ns=10**18
        ),
    ]
    status = AttachedStatus(microcontrollers=chips)
    node.session.send_status([said(status, "microcontrollers", "n1", 0)], whole=True)
    await node.event(StatusAcked)
    found = (await cloud.objects.get(Node, "n1")).status.microcontrollers
    assert [(each.name, each.connected) for each in found] == [("a", True), ("b", False)]
    assert found[0].since.year == 2001
    assert found[1].since is None
