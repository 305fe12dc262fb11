"""One app's life, decision by decision."""

from typing import Any

import pytest

from edge.lifecycle import (
    CRASH_LOOP_AFTER,
    AppLife,
    ChangeTwin,
    Prepare,
    Start,
    Stop,
)
from edge.sandbox.exits import Exit, ExitKind
from edge.wire.messages import AppState, DesiredApp
from tests.support.specs import desired_app

CRASH = Exit(ExitKind.TRAPPED, message="unreachable")


def running(spec: DesiredApp, now: float = 0.0) -> AppLife:
    life = AppLife("thermometer")
    life.want(spec, 1)
    assert life.decide(now) == [Prepare(spec)]
    life.prepared()
    assert life.decide(now) == [Start(spec)]
    life.started(now)
    return life


def test_an_app_is_prepared_and_then_started():
    life = running(desired_app())
    assert life.status(0.0).state is AppState.RUNNING


def test_deciding_twice_acts_once():
    spec = desired_app()
    life = AppLife("thermometer")
    life.want(spec, 1)
    assert life.decide(0.0) == [Prepare(spec)]
    assert life.decide(0.0) == []


def test_an_app_is_ready_once_it_has_run_past_its_settle_time():
    life = running(desired_app(restart={"settle": 10}))
    assert not life.status(9.9).ready
    assert life.next_deadline(9.9) == 10.0
    assert life.status(10.0).ready


def test_the_old_version_runs_until_the_new_one_is_prepared():
    old, new = desired_app(), desired_app(version="2.0.0", module="b")
    life = running(old)
    life.want(new, 2)
    assert life.decide(1.0) == [Prepare(new)]
    assert life.status(1.0).state is AppState.RUNNING
    life.prepared()
    assert life.decide(2.0) == [Stop()]
    life.ended(Exit(ExitKind.STOPPED), 3.0)
    assert life.decide(3.0) == [Start(new)]


def test_the_old_version_keeps_running_when_the_new_one_cannot_be_used():
    life = running(desired_app())
    life.want(desired_app(version="2.0.0", module="b"), 2)
    life.decide(1.0)
    life.prepare_failed("not a module", unusable=True, now=1.0)
    assert life.decide(1000.0) == []
    status = life.status(1000.0)
    assert (status.state, status.version) == (AppState.FAILED, "1.0.0")
    assert "version 1.0.0 keeps running" in status.message


def test_a_download_that_fails_is_tried_again_with_a_growing_delay():
    spec = desired_app()
    life = AppLife("thermometer")
    life.want(spec, 1)
    waits: list[float] = []
    now = 0.0
    for _ in range(9):
        assert life.decide(now) == [Prepare(spec)]
        life.prepare_failed("no route", unusable=False, now=now)
        deadline = life.next_deadline(now)
        assert deadline is not None
        assert life.decide(deadline - 0.01) == []
        waits.append(deadline - now)
        now = deadline
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_link_that_heals_ends_the_wait_for_a_download():
    spec = desired_app()
    life = AppLife("thermometer")
    life.want(spec, 1)
    life.decide(0.0)
    life.prepare_failed("no route", unusable=False, now=0.0)
    life.retry_now()
    assert life.decide(0.1) == [Prepare(spec)]


def test_a_failure_to_prepare_an_outdated_version_does_not_blame_the_new_one():
    life = AppLife("thermometer")
    life.want(desired_app(), 1)
    life.decide(0.0)
    newer = desired_app(version="2.0.0", module="b")
    life.want(newer, 2)
    life.prepare_failed("no such blob", unusable=True, now=0.0)
    assert life.decide(0.0) == [Prepare(newer)]


def test_a_twin_change_reaches_the_running_app_without_a_restart():
    life = running(desired_app(twin={"setpoint": 20, "mode": "auto"}))
    life.want(desired_app(twin={"setpoint": 21, "mode": "auto"}), 2)
    assert life.decide(1.0) == [ChangeTwin({"setpoint": 21, "mode": "auto"}, 1)]
    assert life.decide(1.0) == []
    assert life.generation == 2


@pytest.mark.parametrize(
    "change", [{"grants": {"probe": "i2c-1:0x49"}}, {"limits": {"memory": 1 << 20}}]
)
def test_a_change_of_grants_or_limits_restarts(change: dict[str, object]):
    life = running(desired_app())
    life.want(desired_app(**change), 2)
    assert life.decide(1.0) == [Stop()]


@pytest.mark.parametrize(
    "kind", [kind for kind in ExitKind if kind not in {ExitKind.FAILED, ExitKind.STOPPED}]
)
def test_each_end_is_a_state_of_its_own(kind: ExitKind):
    life = running(desired_app())
    life.ended(Exit(kind, code=3, message="why"), 1.0)
    life.decide(1.0)
    status = life.status(1.0)
    assert (status.state, status.exit_code) == (AppState(kind.value), 3)
    assert status.message == "why; next start in 1 s"


def test_restarts_back_off_to_a_maximum_and_are_called_a_crash_loop():
    spec = desired_app(restart={"backoff": 1, "backoff_max": 8})
    life = running(spec)
    now = 0.0
    for crash, wait in enumerate([1, 2, 4, 8, 8], 1):
        life.ended(CRASH, now)
        assert life.decide(now + wait - 0.01) == []
        assert (life.status(now).reason == "CrashLoop") == (crash >= CRASH_LOOP_AFTER)
        assert life.next_deadline(now) == now + wait
        now += wait
        assert life.decide(now) == [Start(spec)]
        life.started(now)
    assert life.restarts == 5


def test_a_run_past_its_settle_time_forgives_earlier_crashes():
    spec = desired_app(restart={"settle": 10})
    life = running(spec)
    for _ in range(3):
        life.ended(CRASH, 0.0)
        life.decide(100.0)
        life.started(0.0)
    life.ended(CRASH, 50.0)
    assert life.next_deadline(50.0) == 51.0


@pytest.mark.parametrize(
    ("policy", "end", "again"),
    [
        ("Always", Exit(ExitKind.EXITED, code=0), True),
        ("OnFailure", Exit(ExitKind.EXITED, code=0), False),
        ("OnFailure", Exit(ExitKind.EXITED, code=1), True),
        ("OnFailure", CRASH, True),
        ("Never", CRASH, False),
    ],
)
def test_the_restart_policy_decides(policy: str, end: Exit, again: bool):
    spec = desired_app(restart={"policy": policy})
    life = running(spec)
    life.ended(end, 0.0)
    assert life.decide(10.0) == ([Start(spec)] if again else [])


def test_an_app_that_cannot_start_is_not_tried_again_until_it_changes():
    life = running(desired_app())
    life.ended(Exit(ExitKind.FAILED, message="grants.probe: missing"), 0.0)
    assert life.decide(1e6) == []
    assert life.status(1e6).state is AppState.FAILED
    better = desired_app(grants={"probe": "i2c-1:0x48"})
    life.want(better, 2)
    assert life.decide(1e6) == [Start(better)]


def test_a_held_app_stays_stopped_until_it_is_let_go():
    spec = desired_app()
    life = running(spec)
    life.hold(held=True)
    assert life.decide(1.0) == [Stop()]
    life.ended(Exit(ExitKind.STOPPED), 1.0)
    life.want(desired_app(version="2.0.0", module="b"), 2)
    assert life.decide(2.0) == []
    assert life.status(2.0).state is AppState.HELD
    life.want(spec, 3)
    life.hold(held=False)
    assert life.decide(3.0) == [Start(spec)]


def test_a_restart_by_hand_is_no_failure_and_ends_a_backoff():
    spec = desired_app()
    life = running(spec)
    life.restart()
    assert life.decide(1.0) == [Stop()]
    life.ended(Exit(ExitKind.STOPPED), 1.0)
    assert life.restarts == 0
    assert life.decide(1.0) == [Start(spec)]
    life.started(1.0)
    life.ended(CRASH, 2.0)
    life.restart()
    assert life.decide(2.0) == [Start(spec)]


def test_an_unwanted_app_is_stopped_and_then_gone():
    life = running(desired_app())
    life.unwant()
    assert life.decide(1.0) == [Stop()]
    assert not life.gone
    life.ended(Exit(ExitKind.STOPPED), 1.0)
    assert life.gone


def test_what_limits_dropped_adds_up_over_runs():
    life = running(desired_app())
    life.count_dropped(5, 1)
    life.count_dropped(7, 1, final=True)
    life.count_dropped(2, 0)
    status = life.status(0.0)
    assert (status.dropped_records, status.dropped_lines) == (9, 1)


@pytest.mark.parametrize(
    "change", [{"manifest": {"grants": {"door": {"kind": "gpio"}}}}, {"signature": b"other"}]
)
def test_the_same_module_under_another_manifest_or_signature_is_admitted_anew(change):
    life = running(desired_app())
    other = desired_app(**change)
    life.want(other, 2)
    assert life.decide(1.0) == [Prepare(other)]
    life.prepare_failed("nobody signed it", unusable=True, now=1.0, reason="Unsigned")
    assert life.decide(1000.0) == []
    status = life.status(1000.0)
    assert (status.state, status.reason) == (AppState.FAILED, "Unsigned")
    assert status.message == "nobody signed it; version 1.0.0 keeps running"


def test_a_refusal_that_a_newer_root_may_cure_is_shown_and_tried_again():
    spec = desired_app()
    life = AppLife("thermometer")
    life.want(spec, 1)
    life.decide(0.0)
    life.prepare_failed("unknown", unusable=False, now=0.0, reason="SignerUnknown")
    assert (life.status(0.5).state, life.status(0.5).reason) == (AppState.FAILED, "SignerUnknown")
    assert life.decide(1.0) == [Prepare(spec)]


def python_app(files: str = "f", **fields: Any) -> DesiredApp:
    blob = {"repository": "thermometer", "digest": "sha256:" + files * 64, "size": 10}
    return desired_app(manifest={"runtime": "python"}, files=blob, **fields)


def test_changed_files_are_made_ready_while_the_old_ones_run_and_then_started():
    old, new = python_app(), python_app("e")
    life = running(old)
    assert life.status(0.0).digest == old.code_digest != old.module.digest
    life.want(new, 2)
    assert life.decide(1.0) == [Prepare(new)]
    life.prepared()
    assert life.decide(2.0) == [Stop()]
    life.ended(Exit(ExitKind.STOPPED), 3.0)
    assert life.decide(3.0) == [Start(new)]
    assert life.status(3.0).digest == new.code_digest


def test_module_and_files_of_what_runs_and_of_what_comes_stay_in_the_cache():
    old, new = python_app(), python_app("e", module="b")
    life = running(old)
    life.want(new, 2)
    assert life.blobs_in_use == {"sha256:" + letter * 64 for letter in "afbe"}
