"""One firmware's way: the table, what is tried again, what never is, what outlives the agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from edge.update.actions import Fetch, Install, Record, Verify
from edge.update.life import ATTEMPTS, FirmwareLife
from edge.update.matching import Missing, Unfit, match_all, match_one
from edge.update.ports import Ending, Phase, Result
from edge.update.table import TABLE, VERDICTS, Event, follow
from edge.wire.firmware import DesiredFirmware, Microcontroller
from edge.wire.firmware import FirmwareState as State
from tests.support.specs import desired_firmware

CHIP = Microcontroller(name="probe", id="1", board="mps2", version="0.1.0", connected=True)
SPEC = desired_firmware()
GONE = Missing("NotAttached", "no microcontroller is attached")
UPDATED = structs.replace(CHIP, version="0.2.0")


class World:
    """A life, the time, and a microcontroller that may be unplugged."""

    def __init__(self, record: Record | None = None, spec: DesiredFirmware = SPEC) -> None:
        self.life = FirmwareLife("valve", record or Record())
        self.now = 100.0
        self.life.want(spec, 1)

    def next(self) -> object:
        return self.life.decide(self.now)

    def up_to_install(self, chip: Microcontroller = CHIP) -> None:
        self.life.meet(chip)
        assert isinstance(self.next(), Verify)
        self.life.admitted()
        assert isinstance(self.next(), Fetch)
        self.life.fetched()
        assert isinstance(self.next(), Install)

    def lose(self) -> None:
        """The installation fails; wait until it is tried again."""
        self.life.ended(Result(Ending.LOST, "LinkLost", "no answer"), self.now)
        self.now = self.life.next_deadline(self.now) or self.now

    def again(self) -> None:
        assert isinstance(self.next(), Fetch)
        self.life.fetched()
        assert isinstance(self.next(), Install)

    def restarted(self) -> "World":
        """Another agent with what the disk kept."""
        made = World(self.life.record)
        made.now = self.now
        return made

    @property
    def state(self) -> State:
        return self.life.state


def test_a_good_image_goes_all_the_way():
    world = World()
    assert world.state is State.WAITING
    world.up_to_install()
    assert world.state is State.UPLOADING
    world.life.progress(Phase.UPLOAD, 50, 100)
    assert world.life.status().progress == 50
    world.life.progress(Phase.TRIAL, 0, 180)
    assert world.state is State.TRIAL
    world.life.ended(Result(Ending.CONFIRMED), world.now)
    world.life.meet(UPDATED)
    status = world.life.status()
    assert (status.state, status.version, status.progress, status.attempts) == (
        *(State.RUNNING, "0.2.0"),
        *(100, 0),
    )
    assert world.next() is None


def test_nothing_happens_while_none_is_attached_and_the_status_says_so():
    world = World()
    world.life.meet(GONE)
    assert world.next() is None
    status = world.life.status()
    assert (status.state, status.reason) == (State.WAITING, "NotAttached")


def test_one_that_is_unplugged_before_the_upload_is_waited_for():
    world = World()
    world.life.meet(CHIP)
    assert isinstance(world.next(), Verify)
    world.life.meet(GONE)
    world.life.admitted()
    world.life.meet(GONE)
    assert world.state is State.WAITING
    world.up_to_install()


def test_one_that_starts_anew_in_its_trial_is_not_lost():
    world = World()
    world.up_to_install()
    world.life.progress(Phase.TRIAL, 0, 1)
    world.life.meet(GONE)
    assert world.state is State.TRIAL
    assert world.life.status().microcontroller == "probe"


def test_what_fails_on_the_microcontroller_is_tried_so_often_and_no_more():
    world = World()
    world.up_to_install()
    for number in range(1, ATTEMPTS):
        world.lose()
        assert world.life.status().attempts == number
        assert world.life.status().message == "no answer"
        world.again()
    world.lose()
    assert world.state is State.FAILED
    assert "tried 3 times, and not again" in world.life.status().message
    world.now += 1e6
    assert world.next() is None
    world.life.meet(CHIP)
    assert world.next() is None


def test_waits_between_attempts_grow():
    world = World()
    world.up_to_install()
    waits = []
    for _ in range(ATTEMPTS - 1):
        before = world.now
        world.life.ended(Result(Ending.LOST), world.now)
        assert world.next() is None
        world.now = world.life.next_deadline(world.now)
        waits.append(world.now - before)
        world.again()
    assert waits == sorted(set(waits))


def test_attempts_are_counted_over_restarts_of_the_agent():
    world = World()
    for _ in range(ATTEMPTS - 1):
        world.up_to_install()
        world.life.progress(Phase.TRIAL, 0, 1)
        world = world.restarted()
    world.up_to_install()
    world.life.progress(Phase.TRIAL, 0, 1)
    cut_short = world.restarted()
    world.lose()
    assert world.state is State.FAILED
    cut_short.life.meet(CHIP)
    assert (cut_short.state, cut_short.life.status().reason) == (State.FAILED, "Interrupted")


def test_one_whose_trials_were_cut_short_and_that_says_it_runs_is_asked():
    record = Record(generation=1, digest=SPEC.manifest.digest, chip="1", attempts=ATTEMPTS)
    world = World(record)
    world.up_to_install(UPDATED)
    world.life.ended(Result(Ending.CONFIRMED), world.now)
    assert world.state is State.RUNNING


def test_a_version_that_was_taken_back_is_not_tried_again_also_after_a_restart():
    world = World()
    world.up_to_install()
    world.life.progress(Phase.TRIAL, 0, 1)
    world.life.ended(Result(Ending.ROLLED_BACK, "", "it hung: the watchdog ended it"), world.now)
    world.life.meet(CHIP)
    for each in (world, world.restarted()):
        each.life.meet(CHIP)
        assert each.state is State.ROLLED_BACK
        assert each.life.status().message == "it hung: the watchdog ended it"
        assert each.life.status().version == "0.1.0"
        assert each.next() is None


@pytest.mark.parametrize("ending", [Ending.ROLLED_BACK, Ending.REFUSED])
def test_another_spec_or_another_microcontroller_is_another_try(ending):
    for change in ("spec", "generation", "chip"):
        world = World()
        world.up_to_install()
        world.life.ended(Result(ending, "WrongBoard", "no"), world.now)
        if change == "spec":
            world.life.want(desired_firmware(version="0.3.0", image="3"), 2)
        elif change == "generation":
            world.life.want(SPEC, 2)
        world.life.meet(CHIP if change != "chip" else structs.replace(CHIP, id="2"))
        assert isinstance(world.next(), Verify), change


def test_a_signature_that_is_refused_is_asked_about_again_only_when_a_newer_root_may_help():
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.refused("SignatureInvalid", "no", curable=False, now=world.now)
    world.now += 1e6
    assert (world.next(), world.state) == (None, State.REFUSED)
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.refused("SignerUnknown", "no", curable=True, now=world.now)
    assert world.next() is None
    world.now = world.life.next_deadline(world.now)
    assert isinstance(world.next(), Verify)
    assert world.state is State.REFUSED, "it is refused all the while"
    world.life.admitted()
    assert world.state is State.FETCHING


def test_a_refused_signature_is_judged_anew_by_another_agent():
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.refused("NoTrustRoot", "no", curable=False, now=world.now)
    again = world.restarted()
    again.life.meet(CHIP)
    assert isinstance(again.next(), Verify)


def test_the_network_is_no_fault_of_the_image():
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.admitted()
    for _ in range(50):
        assert isinstance(world.next(), Fetch)
        world.life.unavailable("no route", world.now)
        assert world.next() is None
        world.now = world.life.next_deadline(world.now)
    assert world.state is State.FETCHING
    assert world.life.status().reason == "Retrying"
    world.next()
    world.life.unavailable("no route", world.now)
    world.life.retry_now()
    assert isinstance(world.next(), Fetch)


def test_what_nobody_foresaw_is_an_attempt_where_it_may_be_the_images_fault():
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.broke("KeyError: 'x'", world.now)
    assert (world.state, world.life.status().attempts) == (State.VERIFYING, 0)
    world.now = world.life.next_deadline(world.now)
    world.up_to_install()
    world.life.broke("KeyError: 'x'", world.now)
    assert (world.state, world.life.status().attempts) == (State.FETCHING, 1)
    assert world.life.status().message == "KeyError: 'x'"


def test_a_link_to_the_cloud_that_comes_back_hurries_no_installation():
    world = World()
    world.up_to_install()
    world.life.ended(Result(Ending.LOST), world.now)
    world.life.retry_now()
    assert world.next() is None


def test_progress_is_told_in_steps_and_only_while_it_is_installed():
    world = World()
    assert not world.life.progress(Phase.UPLOAD, 1, 2)
    world.up_to_install()
    told = [world.life.progress(Phase.UPLOAD, done, 1000) for done in range(0, 1001, 10)]
    assert sum(told) == 20
    assert world.life.progress(Phase.TRIAL, 0, 1)
    assert not world.life.progress(Phase.TRIAL, 1, 1)


def test_after_a_patch_that_did_not_serve_the_image_is_wanted_and_no_attempt_is_lost():
    patch = {"base": "sha256:" + "1" * 64, "digest": "sha256:" + "2" * 64, "size": 9}
    spec = desired_firmware(patches=[patch])
    world = World(spec=spec)
    world.life.meet(CHIP)
    world.next()
    world.life.admitted()
    assert world.next() == Fetch(spec, CHIP, whole=False)
    world.life.fetched(spec.patches[0])
    assert world.next() == Install(spec, CHIP, spec.patches[0])
    assert world.life.status().patched
    world.life.ended(Result(Ending.UNPATCHED, "", "it is damaged", sent=5), world.now)
    status = world.life.status()
    assert (status.attempts, status.unpatched, status.patched, status.sent) == (
        *(0, "it is damaged"),
        *(False, 5),
    )
    assert world.next() == Fetch(spec, CHIP, whole=True)
    again = World(world.life.record, spec)
    again.life.meet(CHIP)
    again.next()
    again.life.admitted()
    assert again.next() == Fetch(spec, CHIP, whole=True)
    again.life.fetched()
    again.life.ended(Result(Ending.LOST), again.now)
    again.life.meet(structs.replace(CHIP, id="2"))
    again.life.meet(GONE)
    again.life.meet(structs.replace(CHIP, id="2"))
    again.next()
    again.life.admitted()
    assert not again.next().whole, "another one may run what the patch is of"


def test_wrong_bytes_of_a_registry_are_given_up():
    world = World()
    world.life.meet(CHIP)
    world.next()
    world.life.admitted()
    while world.state is State.FETCHING:
        world.now = world.life.next_deadline(world.now) or world.now
        assert isinstance(world.next(), Fetch)
        world.life.unavailable("the registry sent another digest", world.now, wrong=True)
    assert (world.state, world.life.status().reason) == (State.FAILED, "WrongBytes")


def installed() -> World:
    world = World()
    world.up_to_install()
    world.life.progress(Phase.TRIAL, 0, 1)
    world.life.ended(Result(Ending.CONFIRMED), world.now)
    world.life.meet(UPDATED)
    return world


def test_what_is_installed_is_known_after_a_restart_and_after_it_was_unplugged():
    world = installed().restarted()
    world.life.meet(UPDATED)
    assert (world.state, world.next()) == (State.RUNNING, None)
    world.life.meet(GONE)
    assert world.state is State.WAITING
    world.life.meet(UPDATED)
    assert (world.state, world.next()) == (State.RUNNING, None)


def test_another_microcontroller_in_its_place_gets_it_too():
    world = installed()
    world.life.meet(structs.replace(CHIP, id="2"))
    assert isinstance(world.next(), Verify)


def test_one_that_was_flashed_by_hand_is_updated_again_but_not_for_ever():
    world = installed()
    for _ in range(ATTEMPTS - 1):
        world.life.meet(CHIP)
        assert world.state is State.WAITING
        world.up_to_install()
        world.life.ended(Result(Ending.CONFIRMED), world.now)
        world.life.meet(UPDATED)
        assert world.state is State.RUNNING
    world.life.meet(CHIP)
    assert world.state is State.FAILED
    assert world.life.status().reason == "Drifted"


def test_a_version_string_of_its_own_is_no_drift():
    odd = structs.replace(CHIP, version="v0.2")
    world = World()
    world.up_to_install()
    world.life.ended(Result(Ending.CONFIRMED), world.now)
    world.life.meet(odd)
    world.life.meet(odd)
    assert (world.state, world.next()) == (State.RUNNING, None)
    assert world.life.status().version == "0.2.0", "what the image says"


def test_one_that_does_not_fit_is_refused_until_another_is_plugged_in():
    world = World()
    world.life.meet(Unfit("WrongBoard", "probe is a pico"))
    assert (world.state, world.life.status().reason) == (State.REFUSED, "WrongBoard")
    world.life.meet(GONE)
    assert world.state is State.WAITING
    world.up_to_install()


def test_the_wish_that_is_repeated_disturbs_nothing():
    world = World()
    world.up_to_install()
    assert not world.life.want(SPEC, 1)
    assert world.life.busy


# --- which one it is for ------------------------------------------------------------------------


def test_by_its_name_or_as_the_only_one_of_its_board():
    pico = structs.replace(CHIP, name="arm", id="3", board="pico")
    assert match_one(SPEC, [pico, CHIP]) == CHIP
    assert match_one(desired_firmware(microcontroller="probe"), [pico, CHIP]) == CHIP
    assert match_one(desired_firmware(microcontroller="arm"), [pico, CHIP]).reason == "WrongBoard"
    missing = match_one(desired_firmware(microcontroller="none"), [pico, CHIP])
    assert (missing.reason, "arm (pico)" in missing.message) == ("NotAttached", True)


def test_of_two_alike_none_is_chosen_also_while_one_is_unplugged():
    twin = structs.replace(CHIP, name="twin", id="2", connected=False)
    assert match_one(SPEC, [CHIP, twin]).reason == "Ambiguous"


def test_two_firmwares_for_one_microcontroller_do_not_take_turns():
    found = match_all({"b": SPEC, "a": SPEC}, [CHIP])
    assert found["a"] == CHIP
    assert found["b"].reason == "Contested"


# --- the table ----------------------------------------------------------------------------------


def test_a_verdict_is_left_only_by_another_wish_or_another_microcontroller():
    ways = {event for (state, event), to in TABLE.items() if state in VERDICTS and state != to}
    assert ways == {Event.WANTED, Event.REPLACED, Event.ADMITTED}


def test_every_state_can_be_reached_and_left():
    assert {to for (_, _), to in TABLE.items()} == set(State)
    assert {state for state, _ in TABLE} == set(State)
    with pytest.raises(KeyError):
        follow(State.RUNNING, Event.SENT)


class Drama:
    """Whatever can happen, in any order; a trial that fails is counted."""

    def __init__(self) -> None:
        self.life = FirmwareLife("v")
        self.chip = CHIP
        self.now = 0.0
        self.generation = 1
        self.trials, self.allowed = 0, ATTEMPTS
        self.action: object = None
        self.life.want(SPEC, 1)

    def meet(self) -> None:
        self.life.meet(self.chip)

    def gone(self) -> None:
        self.life.meet(GONE)

    def unfit(self) -> None:
        self.life.meet(Unfit("WrongBoard", ""))

    def other(self) -> None:
        self.chip = structs.replace(self.chip, id=self.chip.id + "x")
        self.allowed += ATTEMPTS

    def want(self) -> None:
        self.generation += 1
        self.allowed += ATTEMPTS
        self.life.want(SPEC, self.generation)
        self.action = None

    def restart(self) -> None:
        self.life, self.action = FirmwareLife("v", self.life.record), None
        self.life.want(SPEC, self.generation)

    def cut(self) -> None:
        """The power goes, if it can in a trial."""
        if isinstance(self.action, Install):
            self.trials += 1
            self.life.progress(Phase.TRIAL, 0, 1)
        self.restart()

    def wait(self) -> None:
        self.now += 400

    def step(self) -> None:
        if not self.life.busy:
            self.action = self.life.decide(self.now)

    def good(self) -> None:
        done, self.action = self.action, None
        if isinstance(done, Verify):
            self.life.admitted()
        elif isinstance(done, Fetch):
            self.life.fetched()
        elif isinstance(done, Install):
            self.life.ended(Result(Ending.CONFIRMED), self.now)

    def bad(self) -> None:
        done, self.action = self.action, None
        if isinstance(done, Verify):
            self.life.refused("Unsigned", "", curable=False, now=self.now)
        elif isinstance(done, Fetch):
            self.life.unavailable("", self.now)
        elif isinstance(done, Install):
            self.trials += 1
            self.life.progress(Phase.TRIAL, 0, 1)
            self.life.ended(Result(Ending.LOST), self.now)

    def unpatched(self) -> None:
        done, self.action = self.action, None
        if isinstance(done, Fetch):
            self.life.unpatched("no")
        elif isinstance(done, Install):
            self.life.ended(Result(Ending.UNPATCHED), self.now)


SCENES = [name for name in vars(Drama) if not name.startswith("_")]


@given(st.lists(st.sampled_from([*SCENES, "step", "good", "meet"]), max_size=80))
def test_whatever_happens_no_more_trials_begin_than_wishes_and_microcontrollers_allow(scenes):
    """And no order of events is one that the table does not know."""
    drama = Drama()
    for scene in scenes:
        getattr(drama, scene)()
        drama.life.status()
        assert drama.trials <= drama.allowed
