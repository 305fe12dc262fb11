"""Nodes that neither become ready nor fail: how long a rollout waits for them."""

from datetime import timedelta

from msgspec import structs

from edge.wire.messages import AppState, AppStatus
from tests.support.fleet import Behaviour, Fleet, app, desired, node, ready

V1, V2 = desired("1.0.0"), desired("2.0.0")


def fleet_of(count: int, behave: Behaviour = ready, **rollout) -> Fleet:
    made = Fleet([node(f"n{i:02}") for i in range(count)], behave)
    made.app = app(**rollout)
    return made


def silent(*_: object) -> None:
    """A node that is online and says nothing of the change."""


def test_a_node_that_gets_nowhere_fails_at_the_deadline_with_what_it_said_last():
    boards = fleet_of(2, concurrency=1, failure_threshold=1, progress_deadline_seconds=60)
    boards.settle(V1)
    boards.behave = lambda *_: AppStatus(
        state=AppState.FETCHING,
        reason="Retrying",
        message="no such blob",
        digest=V1.module.digest,
        version="1.0.0",
    )
    plan = boards.step(V2)
    assert plan.update
    assert boards.step(V2).again == timedelta(seconds=60)
    boards.now += timedelta(seconds=59)
    assert boards.step(V2).status.failed == 0
    boards.now += timedelta(seconds=1)
    [failure] = boards.step(V2).status.failures
    assert (failure.node, failure.reason) == ("n00", "ProgressDeadlineExceeded")
    assert "within 60 s; it said last: Fetching: no such blob" in failure.message
    boards.step(V2)
    assert boards.versions() == {"n00": "1.0.0", "n01": "1.0.0"}, "it got its old version back"
    assert boards.app.status.failures[0].reason == "ProgressDeadlineExceeded"


def test_a_node_past_its_deadline_makes_room_for_the_next():
    boards = fleet_of(2, concurrency=1, failure_threshold=2, progress_deadline_seconds=60)
    boards.behave = lambda name, spec: None if name == "n00" else ready(name, spec)
    boards.settle(V1)
    assert boards.app.status.ready == 1
    assert [each.node for each in boards.app.status.failures] == ["n00"]
    boards.behave = ready
    boards.settle(V1)
    assert (boards.app.status.ready, boards.app.status.failed) == (2, 0), "better late than never"


def test_time_offline_is_not_held_against_a_node():
    boards = fleet_of(1, silent, progress_deadline_seconds=60)
    boards.step(V1)
    boards.set_online("n00", online=False)
    boards.now += timedelta(hours=1)
    assert boards.step(V1).status.failed == 0
    boards.set_online("n00", online=True, since=boards.now)
    boards.now += timedelta(seconds=59)
    assert boards.step(V1).status.failed == 0
    boards.now += timedelta(seconds=1)
    assert boards.step(V1).status.failed == 1


def test_a_restart_long_after_the_change_has_its_own_time_to_become_ready():
    boards = fleet_of(1, progress_deadline_seconds=60)
    boards.settle(V1)
    boards.now += timedelta(days=1)
    boards.behave = lambda name, spec: structs.replace(ready(name, spec), ready=False)
    boards.step(V1)
    assert boards.step(V1).status.failed == 0
    boards.now += timedelta(seconds=60)
    assert boards.step(V1).status.failed == 1


def test_a_held_app_never_runs_out_of_time():
    boards = fleet_of(1, progress_deadline_seconds=60)
    boards.behave = lambda _, spec: AppStatus(
        state=AppState.HELD, digest=spec.module.digest, version=spec.manifest.version
    )
    boards.step(V1)
    boards.now += timedelta(days=1)
    assert boards.step(V1).status.failed == 0
