"""What rollouts of firmware have of their own; the rest is tested with apps, on the same planner."""

from datetime import timedelta

import pytest
from msgspec import structs

from cloud.controllers.craft import SpecError
from cloud.controllers.firmwarecraft import FIRMWARES, desired_firmware
from cloud.controllers.rollout import Change, Plan, plan_rollout
from cloud.kinds.firmware import Firmware, FirmwareStatus, Target
from cloud.kinds.firmwareinstance import FirmwareInstance
from cloud.kinds.meta import LABEL_FIRMWARE, Truth, find_condition, with_metadata
from cloud.kinds.node import Node
from cloud.registry.artifacts import ResolvedFirmware
from edge.wire.firmware import DesiredFirmware, FirmwareState
from tests.support.firmware_fleet import CHIP, firmware, node_with, says
from tests.support.fleet import NOW
from tests.support.specs import desired_firmware as spec_of

V1, V2 = spec_of(version="0.1.0", image="1"), spec_of(version="0.2.0", image="2")


class Site:
    """A Firmware, its nodes and its instances; plans are carried out."""

    def __init__(self, *nodes: Node, **rollout: object) -> None:
        self.nodes = {each.metadata.name: each for each in nodes}
        self.firmware: Firmware = firmware(**rollout)
        self.instances: dict[str, FirmwareInstance] = {}
        self.now = NOW

    def step(self, wanted: DesiredFirmware) -> Plan[FirmwareInstance]:
        change = Change(FIRMWARES, self.firmware, wanted)
        plan = plan_rollout(change, [*self.nodes.values()], [*self.instances.values()], self.now)
        assert isinstance(plan.status, FirmwareStatus)
        self.firmware = structs.replace(self.firmware, status=plan.status)
        for each in plan.create:
            self.instances[each.spec.node] = with_metadata(each, generation=1)
        for each in plan.update:
            generation = self.instances[each.spec.node].metadata.generation + 1
            self.instances[each.spec.node] = with_metadata(each, generation=generation)
        return plan

    def say(self, name: str, *what: FirmwareState, **more: object) -> None:
        self.instances[name] = says(self.instances[name], *what, **more)

    def versions(self) -> dict[str, str]:
        return {name: each.spec.desired.manifest.version for name, each in self.instances.items()}

    def condition(self, name: str):
        return find_condition(self.firmware.status.conditions, name)


def test_a_node_with_the_microcontroller_gets_an_instance_and_one_without_none():
    bare, other = node_with("b"), node_with("c", structs.replace(CHIP, board="pico"))
    bare = structs.replace(bare, status=structs.replace(bare.status, microcontrollers=[]))
    gone = node_with("d", structs.replace(CHIP, connected=False))
    site = Site(node_with("a"), bare, other, gone)
    [made] = site.step(V1).create
    assert made.metadata.name == "valve.a"
    assert made.metadata.labels[LABEL_FIRMWARE] == "valve"
    site.say("a")
    site.step(V1)
    available = site.condition("Available")
    assert "3 offline or without the microcontroller" in available.message
    assert site.firmware.status.board == "mps2"


def test_a_microcontroller_that_is_plugged_in_later_is_served_then():
    site = Site(node_with("a", structs.replace(CHIP, connected=False)))
    assert not site.step(V1).create
    site.nodes["a"] = node_with("a")
    assert site.step(V1).create


def test_one_that_was_named_is_found_by_its_name():
    twins = [structs.replace(CHIP, name=name) for name in ("left", "right")]
    site = Site(node_with("a", *twins), node_with("b", twins[0]), target=Target(name="right"))
    assert [each.spec.node for each in site.step(V1).create] == ["a"]


def test_a_node_keeps_its_place_while_its_microcontroller_starts_anew():
    site = Site(node_with("a"), node_with("b"), concurrency=1)
    site.step(V1)
    site.say("a", FirmwareState.TRIAL, progress=100)
    site.nodes["a"] = node_with("a", structs.replace(CHIP, connected=False))
    assert not site.step(V1).create
    site.say("a")
    assert [each.spec.node for each in site.step(V1).create] == ["b"]


def test_one_that_was_unplugged_takes_no_place_and_never_runs_out_of_time():
    site = Site(node_with("a"), node_with("b"), concurrency=1, progress_deadline_seconds=60)
    site.step(V1)
    site.say("a", FirmwareState.WAITING, reason="NotAttached", version="")
    assert [each.spec.node for each in site.step(V1).create] == ["b"]
    site.say("b")
    site.now += timedelta(days=30)
    assert site.step(V1).status.failed == 0


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (FirmwareState.ROLLED_BACK, "", "RolledBack"),
        (FirmwareState.REFUSED, "VersionRollback", "VersionRollback"),
        (FirmwareState.FAILED, "LinkLost", "LinkLost"),
    ],
)
def test_a_bad_image_stops_the_rollout_and_says_why(state, reason, shown):
    site = Site(*(node_with(name) for name in "abc"), canaries=1)
    for _ in "abc":
        site.step(V1)
        for name in site.instances:
            site.say(name)
    site.step(V1)
    assert site.firmware.status.ready == 3
    site.step(V2)
    site.say("a", state, reason=reason, message="it hung", version="0.1.0")
    site.step(V2)
    degraded = site.condition("Degraded")
    assert degraded.reason == "FailureThresholdReached"
    assert f"a: {shown}: it hung" in degraded.message
    assert site.versions() == dict.fromkeys("abc", "0.1.0"), "no other has seen it"
    assert site.instances["a"].spec.failed.reason == shown
    site.say("a")
    assert not site.step(V2).update, "and it is not tried again"


def test_progress_is_the_mean_of_the_updated_nodes():
    site = Site(node_with("a"), node_with("b"))
    site.step(V1)
    site.say("a", FirmwareState.UPLOADING, progress=30, version="0.0.9")
    site.say("b", progress=0)
    site.step(V1)
    assert site.firmware.status.progress == 65
    assert site.condition("Available").status is Truth.FALSE


def test_the_former_version_that_answers_is_not_the_new_one():
    site = Site(node_with("a"))
    site.step(V1)
    site.say("a", version="0.0.9")
    assert site.step(V1).status.ready == 0


def test_a_spec_for_another_board_than_the_image_is_rolled_out_nowhere():
    resolved = ResolvedFirmware(digest="d", manifest=V1.manifest, image=V1.image)
    spec = firmware(target=Target(board="pico")).spec
    with pytest.raises(SpecError, match=r"spec.microcontroller.board: pico; .* mps2"):
        desired_firmware(spec, resolved)
