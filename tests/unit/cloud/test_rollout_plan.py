"""The rollout as pure planning: tables, and a simulated fleet under hypothesis."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from cloud.controllers.appcraft import APPS
from cloud.controllers.selecting import selects
from cloud.kinds.app import App
from cloud.kinds.appinstance import AppInstanceStatus
from cloud.kinds.meta import Truth, find_condition, with_metadata
from cloud.kinds.work import Expression, LabelSelector, Operator, RolloutSpec
from edge.wire.manifest import Restart, RestartPolicy, Runtime
from edge.wire.messages import AppState, AppStatus, Files
from tests.support.fleet import Fleet, app, desired, module, node, ready, trapped, traps_in

V1, V2, V3 = desired("1.0.0"), desired("2.0.0"), desired("3.0.0")


def names(count: int) -> list[str]:
    return [f"n{i:02}" for i in range(count)]


def fleet(count: int, behave=ready, **rollout) -> Fleet:
    made = Fleet([node(name) for name in names(count)], behave)
    made.app = app(**rollout)
    return made


def condition(fleet: Fleet, name: str):
    found = find_condition(fleet.app.status.conditions, name)
    assert found is not None
    return found


def new_spec(fleet: Fleet, **rollout) -> None:
    """As the API does it: another generation."""
    spec = structs.replace(
        fleet.app.spec, rollout=structs.replace(fleet.app.spec.rollout, **rollout)
    )
    generation = fleet.app.metadata.generation + 1
    fleet.app = with_metadata(structs.replace(fleet.app, spec=spec), generation=generation)


def with_rollout(old: App, rollout: RolloutSpec) -> App:
    return structs.replace(old, spec=structs.replace(old.spec, rollout=rollout))


def test_every_selected_node_gets_an_instance_and_the_app_is_available():
    boards = fleet(3)
    boards.settle(V1)
    assert boards.versions() == dict.fromkeys(names(3), "1.0.0")
    status = boards.app.status
    assert (status.selected, status.updated, status.ready, status.failed) == (3, 3, 3, 0)
    assert condition(boards, "Available").status is Truth.TRUE
    assert condition(boards, "Progressing").reason == "Complete"


def test_no_more_nodes_change_at_one_time_than_concurrency_allows():
    boards = fleet(7, concurrency=2)
    boards.settle(V1)
    boards.settle(V2)
    assert boards.most_changing == 2
    assert set(boards.versions().values()) == {"2.0.0"}


def test_a_broken_version_stops_at_the_threshold_and_the_failed_nodes_get_theirs_back():
    boards = fleet(10, concurrency=2)
    boards.settle(V1)
    boards.behave = traps_in("2.0.0")
    touched = set()
    for _ in range(20):
        plan = boards.step(V2)
        touched |= {
            each.spec.node for each in plan.update if each.spec.desired.module == V2.module
        }
    assert len(touched) in {3, 4}, "three failures, and at most one more that was under way"
    assert set(boards.versions().values()) == {"1.0.0"}
    assert boards.app.status.failed >= 3
    stopped = condition(boards, "Progressing")
    assert (stopped.status, stopped.reason) == (Truth.FALSE, "FailureThresholdReached")
    assert "n00: Trapped: unreachable executed" in stopped.message
    assert condition(boards, "Degraded").status is Truth.TRUE
    assert boards.app.status.failures[0].node == "n00"


@pytest.mark.parametrize("size", [2, 10, 40])
def test_by_default_a_broken_version_reaches_one_node_and_a_good_one_all(size):
    boards = fleet(size)
    boards.app = with_rollout(boards.app, RolloutSpec())
    boards.settle(V1)
    assert set(boards.versions().values()) == {"1.0.0"}
    boards.behave = traps_in("2.0.0")
    touched = set()
    for _ in range(20):
        touched |= {
            each.spec.node
            for each in boards.step(V2).update
            if each.spec.desired.module == V2.module
        }
    assert touched == {"n00"}
    assert set(boards.versions().values()) == {"1.0.0"}
    assert condition(boards, "Progressing").reason == "FailureThresholdReached"
    boards.behave = ready
    boards.most_changing = 0
    boards.settle(V3)
    assert boards.versions() == dict.fromkeys(names(size), "3.0.0")
    assert boards.most_changing == max(1, size // 10)


def changed(boards: Fleet) -> list[str]:
    return [name for name, version in boards.versions().items() if version == "2.0.0"]


def test_the_others_wait_for_the_canaries_and_then_go_together():
    boards = fleet(12, silent, canaries=2, concurrency=5)
    boards.settle(V1)
    for _ in range(5):
        boards.step(V2)
    assert changed(boards) == ["n00", "n01"]
    boards.behave = ready
    boards.most_changing = 0
    boards.settle(V2)
    assert changed(boards) == names(12)
    assert boards.most_changing == 5


def test_a_canary_that_goes_offline_is_replaced_and_the_trial_goes_on():
    boards = fleet(5)
    boards.settle(V1)
    boards.app = with_rollout(boards.app, RolloutSpec(concurrency=5))
    boards.behave = silent
    boards.step(V2)
    boards.set_online("n00", online=False)
    for _ in range(5):
        boards.step(V2)
    assert changed(boards) == ["n00", "n01"]


def test_a_stopped_attempt_stays_stopped_even_when_a_failed_node_looks_well_for_a_moment():
    boards = fleet(4, trapped, concurrency=1, failure_threshold=1)
    boards.settle(V1)
    assert [*boards.versions()] == ["n00"]
    boards.behave = lambda _, spec: AppStatus(state=AppState.RUNNING, digest=spec.module.digest)
    boards.settle(V1)
    assert [*boards.versions()] == ["n00"]
    assert condition(boards, "Progressing").reason == "FailureThresholdReached"


def test_a_node_that_never_had_a_ready_version_keeps_the_failed_one():
    boards = fleet(1, trapped)
    boards.settle(V1)
    assert boards.versions() == {"n00": "1.0.0"}
    assert condition(boards, "Degraded").reason == "FailureThresholdReached"


def test_the_version_to_go_back_to_is_the_last_that_was_ready_not_the_last_that_was_tried():
    boards = fleet(3)
    boards.settle(V1)
    boards.behave = lambda name, spec: (
        None if spec.manifest.version == "2.0.0" else ready(name, spec)
    )
    boards.settle(V2)
    boards.behave = traps_in("3.0.0")
    new_spec(boards)
    boards.settle(V3)
    assert set(boards.versions().values()) == {"1.0.0"}


def test_a_corrected_version_starts_the_rollout_again():
    boards = fleet(5)
    boards.settle(V1)
    boards.behave = traps_in("2.0.0")
    boards.settle(V2)
    new_spec(boards)
    boards.settle(V3)
    assert set(boards.versions().values()) == {"3.0.0"}
    assert condition(boards, "Degraded").status is Truth.FALSE
    assert all(each.spec.failed is None for each in boards.instances.values())


def test_other_rollout_settings_try_the_same_version_again():
    boards = fleet(5)
    boards.settle(V1)
    boards.behave = traps_in("2.0.0")
    boards.settle(V2)
    boards.behave = ready
    new_spec(boards, concurrency=3)
    boards.settle(V2)
    assert set(boards.versions().values()) == {"2.0.0"}


def test_a_twin_change_after_a_stop_does_not_try_the_broken_version_again():
    boards = fleet(5)
    boards.settle(V1)
    boards.behave = traps_in("2.0.0")
    boards.settle(V2)
    spec = structs.replace(boards.app.spec, twin={"setpoint": 20.0})
    boards.app = structs.replace(boards.app, spec=spec)
    new_spec(boards)
    boards.settle(structs.replace(V2, twin={"setpoint": 20.0}))
    assert set(boards.versions().values()) == {"1.0.0"}
    assert all(each.spec.desired.twin == {"setpoint": 20.0} for each in boards.instances.values())


def test_one_failure_below_the_threshold_does_not_stop_the_others():
    boards = fleet(6, concurrency=1)
    boards.settle(V1)
    boards.behave = lambda name, spec: (traps_in("2.0.0") if name == "n01" else ready)(name, spec)
    boards.settle(V2)
    assert set(boards.versions().values()) == {"2.0.0"}
    assert (boards.app.status.ready, boards.app.status.failed) == (5, 1)
    assert condition(boards, "Degraded").reason == "NodesFailed"


@pytest.mark.parametrize(
    ("threshold", "fleet_size", "touched"),
    [(3, 10, 3), (1, 10, 1), ("20%", 10, 2), ("1%", 10, 1), ("100%", 4, 4), (99, 4, 4)],
)
def test_the_threshold_is_a_count_or_a_share_and_never_more_than_all(
    threshold, fleet_size, touched
):
    boards = fleet(fleet_size, trapped, concurrency=1, failure_threshold=threshold)
    boards.settle(V1)
    assert len(boards.versions()) == touched


def test_twin_values_reach_all_nodes_at_once_and_restart_nothing():
    boards = fleet(5, concurrency=1)
    boards.settle(V1)
    boards.app = structs.replace(
        boards.app, spec=structs.replace(boards.app.spec, twin={"setpoint": 21.5})
    )
    plan = boards.plan(structs.replace(V1, twin={"setpoint": 21.5}))
    assert len(plan.update) == 5
    assert {each.spec.desired.twin["setpoint"] for each in plan.update} == {21.5}
    assert {each.spec.desired.module for each in plan.update} == {V1.module}


def test_a_value_of_another_type_is_a_twin_change_even_if_python_calls_it_equal():
    boards = fleet(1)
    boards.app = structs.replace(
        boards.app, spec=structs.replace(boards.app.spec, twin={"setpoint": 20})
    )
    boards.settle(structs.replace(V1, twin={"setpoint": 20}))
    boards.app = structs.replace(
        boards.app, spec=structs.replace(boards.app.spec, twin={"setpoint": 20.0})
    )
    assert len(boards.plan(structs.replace(V1, twin={"setpoint": 20.0})).update) == 1


def test_an_offline_node_is_left_alone_and_takes_no_place_until_it_is_back():
    boards = fleet(3, concurrency=1)
    boards.settle(V1)
    boards.set_online("n00", online=False)
    boards.settle(V2)
    assert boards.versions() == {"n00": "1.0.0", "n01": "2.0.0", "n02": "2.0.0"}
    assert condition(boards, "Progressing").reason == "NodesOffline"
    assert condition(boards, "Available").status is Truth.TRUE
    boards.set_online("n00", online=True)
    boards.settle(V2)
    assert set(boards.versions().values()) == {"2.0.0"}


def test_a_node_that_goes_offline_while_it_changes_frees_its_place():
    boards = fleet(2, concurrency=1)
    boards.settle(V1)
    boards.step(V2)
    boards.set_online("n00", online=False)
    boards.instances["n00"] = structs.replace(boards.instances["n00"], status=AppInstanceStatus())
    boards.settle(V2)
    assert boards.versions()["n01"] == "2.0.0"


def test_minimum_ready_time_delays_the_next_node_and_says_when_to_look_again():
    boards = fleet(2, concurrency=1, min_ready_seconds=30.0)
    boards.step(V1)
    plan = boards.step(V1)
    assert [*boards.versions()] == ["n00"]
    assert plan.again == timedelta(seconds=30)
    boards.now += timedelta(seconds=30)
    boards.step(V1)
    assert [*boards.versions()] == ["n00", "n01"]


def test_a_paused_rollout_changes_no_version():
    boards = fleet(2)
    boards.settle(V1)
    new_spec(boards, paused=True)
    boards.settle(V2)
    assert set(boards.versions().values()) == {"1.0.0"}
    assert condition(boards, "Progressing").reason == "Paused"


def test_a_node_that_is_no_longer_selected_loses_its_instance():
    boards = fleet(2)
    boards.settle(V1)
    del boards.nodes["n01"]
    boards.settle(V1)
    assert [*boards.versions()] == ["n00"]


def test_an_unschedulable_node_gets_nothing_new_and_keeps_what_it_has():
    boards = fleet(2)
    boards.nodes["n01"] = node("n01", unschedulable=True)
    boards.settle(V1)
    assert [*boards.versions()] == ["n00"]
    boards.nodes["n00"] = node("n00", unschedulable=True)
    boards.settle(V2)
    assert boards.versions() == {"n00": "2.0.0"}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        (LabelSelector(), {"a", "b", "c"}),
        (LabelSelector(match_labels={"site": "north"}), {"a"}),
        (LabelSelector(match_labels={"skerry.dev/node": "b"}), {"b"}),
        (
            LabelSelector(
                match_expressions=[
                    Expression(key="site", operator=Operator.IN, values=["north", "south"])
                ]
            ),
            {"a", "b"},
        ),
        (
            LabelSelector(
                match_expressions=[
                    Expression(key="site", operator=Operator.NOT_IN, values=["north"])
                ]
            ),
            {"b", "c"},
        ),
        (
            LabelSelector(match_expressions=[Expression(key="site", operator=Operator.EXISTS)]),
            {"a", "b"},
        ),
        (
            LabelSelector(
                match_expressions=[Expression(key="site", operator=Operator.DOES_NOT_EXIST)]
            ),
            {"c"},
        ),
    ],
)
def test_nodes_are_selected_by_label(selector, chosen):
    boards = Fleet([node("a", site="north"), node("b", site="south"), node("c")], ready)
    boards.app = structs.replace(
        boards.app, spec=structs.replace(boards.app.spec, selector=selector)
    )
    boards.settle(V1)
    assert boards.versions().keys() == chosen


def test_no_node_selected_is_said_in_the_status():
    boards = Fleet([], ready)
    boards.settle(V1)
    assert condition(boards, "Available").reason == "NoNodes"


OLD = {"digest": module("0.9.0").digest, "version": "0.9.0"}
NEW = {"digest": V1.module.digest, "version": "1.0.0"}


@pytest.mark.parametrize(
    ("status", "failed", "good"),
    [
        ({"state": AppState.RUNNING, "ready": True, **NEW}, False, True),
        ({"state": AppState.RUNNING, **NEW}, False, False),
        ({"state": AppState.RUNNING, "ready": True, **OLD}, False, False),
        ({"state": AppState.TRAPPED, "restarts": 1, **NEW}, True, False),
        ({"state": AppState.TRAPPED, "restarts": 0, **NEW}, False, False),
        ({"state": AppState.TRAPPED, "restarts": 9, **OLD}, False, False),
        ({"state": AppState.OUT_OF_BUDGET, "restarts": 1, **NEW}, True, False),
        ({"state": AppState.OUT_OF_MEMORY, "restarts": 1, **NEW}, True, False),
        ({"state": AppState.HUNG, "restarts": 1, **NEW}, True, False),
        ({"state": AppState.FAILED, **OLD}, True, False),
        ({"state": AppState.EXITED, "exit_code": 1, **NEW}, True, False),
        ({"state": AppState.EXITED, "exit_code": 0, **NEW}, False, False),
        ({"state": AppState.EXITED, "exit_code": 0, "reason": "CrashLoop", **NEW}, True, False),
        ({"state": AppState.HELD, **NEW}, False, False),
        ({"state": AppState.FETCHING, "reason": "Retrying", **OLD}, False, False),
    ],
)
def test_what_counts_as_failed_and_as_good(status, failed, good):
    boards = fleet(1)
    boards.settle(V1)
    instance = structs.replace(boards.instances["n00"], status=AppInstanceStatus(**status))
    assert (APPS.has_failed(instance), APPS.is_good(instance)) == (failed, good)


def test_an_app_that_may_end_is_good_when_it_ended_well():
    once = structs.replace(V1, restart=Restart(policy=RestartPolicy.ON_FAILURE))
    boards = fleet(
        3,
        lambda _name, _spec: AppStatus(state=AppState.EXITED, exit_code=0, restarts=1, **NEW),
        concurrency=1,
    )
    boards.settle(once)
    assert boards.app.status.ready == 3


behaviours = st.sampled_from(["ready", "trapped", "silent"])


@given(
    st.lists(st.tuples(behaviours, st.booleans()), min_size=1, max_size=12),
    st.integers(1, 5),
    st.one_of(st.integers(1, 5), st.sampled_from(["10%", "50%", "100%"])),
    st.integers(0, 3),
)
def test_whatever_nodes_do_the_window_and_the_threshold_hold(
    kinds, concurrency, threshold, canaries
):
    every = names(len(kinds))
    boards = fleet(len(kinds))
    boards.settle(V1)
    for name, (_, online) in zip(every, kinds, strict=True):
        boards.set_online(name, online=online)
    boards.most_changing = 0
    boards.app = structs.replace(
        boards.app,
        spec=structs.replace(
            boards.app.spec,
            rollout=RolloutSpec(
                canaries=canaries, concurrency=concurrency, failure_threshold=threshold
            ),
        ),
    )
    acts = {
        name: {"ready": ready, "trapped": traps_in("2.0.0"), "silent": silent}[kind]
        for name, (kind, _) in zip(every, kinds, strict=True)
    }
    boards.behave = lambda name, spec: acts[name](name, spec)
    boards.settle(V2)
    assert boards.most_changing <= concurrency or boards.app.status.stopped
    versions = boards.versions()
    offline = {name for name, (_, online) in zip(every, kinds, strict=True) if not online}
    assert all(versions[name] == "1.0.0" for name in offline)
    failing = {n for n, (k, on) in zip(every, kinds, strict=True) if k == "trapped" and on}
    if boards.app.status.stopped:
        assert all(versions[name] == "1.0.0" for name in failing)
        assert boards.app.status.failed >= 1
    silent_ones = sum(k == "silent" and on for k, on in kinds)
    if not boards.app.status.stopped and silent_ones < min(concurrency, canaries or concurrency):
        online = set(every) - offline
        assert all(versions[name] == "2.0.0" for name in online)


def silent(name: str, spec):
    """Answers for what it had, and never for the new version."""
    return None if spec.manifest.version == "2.0.0" else ready(name, spec)


def test_no_label_of_a_nodes_own_makes_it_another_node():
    posing = node("a", **{"skerry.dev/node": "b"})
    assert not selects(LabelSelector(match_labels={"skerry.dev/node": "b"}), posing)
    assert selects(LabelSelector(match_labels={"skerry.dev/node": "a"}), posing)


def test_a_rollout_goes_by_the_files_of_an_app_and_not_by_the_module_it_shares():
    def version(letter: str):
        files = Files(repository="thermo", digest="sha256:" + letter * 64, size=9)
        manifest = structs.replace(V1.manifest, runtime=Runtime.PYTHON)
        return structs.replace(V1, manifest=manifest, files=files)

    boards = Fleet([node("a")], ready)
    boards.settle(version("e"))
    assert boards.instances["a"].status.digest == version("e").code_digest
    plan = boards.step(version("f"))
    assert (plan.status.ready, plan.status.updated) == (0, 0)
    assert [each.spec.desired.files for each in plan.update] == [version("f").files]
    boards.settle(version("f"))
    assert boards.instances["a"].status.digest == version("f").code_digest
