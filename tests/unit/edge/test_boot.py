"""What the agent owes its image: the boot's figures, the watchdog's food, the verdict on a trial."""

import asyncio
from pathlib import Path

import pytest

from edge import slots
from edge.boot import Boot, confirm_on, read_slots, write_slots
from edge.slots import Slot, Slots
from edge.wire.codec import decode_boot_status
from hal.linux.watchdog import Watchdog


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    write_slots(disk, lambda state: slots.begin_trial(state, Slot.B))
    folder = tmp_path / "facts"
    folder.mkdir()
    (folder / "slot").write_text("B\n")
    (folder / "disk").write_text(f"{disk}\n")
    (folder / "trial").touch()
    return folder


def boot_of(facts: Path) -> Boot:
    return Boot(facts, "barn", console=facts / "console")


def state(facts: Path) -> Slots:
    return read_slots(Path((facts / "disk").read_text().strip()))


def test_the_first_app_is_told_once_and_outlives_the_agent(facts):
    boot = boot_of(facts)
    news: list[None] = []
    boot.changed = lambda: news.append(None)
    assert boot.status.app_seconds is None
    boot.app_runs("beeper")
    boot.app_runs("thermostat")
    assert len(news) == 1
    assert (facts / "console").read_text().startswith("skerry: first app: beeper runs ")
    again = boot_of(facts)
    assert again.status == boot.status
    [item] = again.items()
    assert (item.kind, item.name) == ("boot", "barn")
    assert decode_boot_status(item.status) == boot.status
    assert boot.status.slot == "B"


def test_a_trial_is_confirmed_by_a_session_with_the_cloud(facts):
    async def confirm() -> None:
        boot = boot_of(facts)
        boot.linked()
        await boot.confirm()

    asyncio.run(confirm())
    assert (state(facts).good, state(facts).trial) == (Slot.B, None)
    assert not (facts / "trial").exists()


def test_a_trial_without_a_cloud_is_confirmed_by_a_loop_that_ran(facts):
    asyncio.run(boot_of(facts).confirm(after=0.01))
    assert state(facts).good is Slot.B


def test_a_trial_that_waits_is_not_confirmed(facts):
    async def wait() -> None:
        task = asyncio.create_task(boot_of(facts).confirm())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait())
    assert state(facts).trial is Slot.B
    assert (facts / "trial").exists()


def test_a_slot_that_is_not_on_trial_changes_nothing(facts):
    before = state(facts)
    (facts / "trial").unlink()
    asyncio.run(boot_of(facts).confirm(after=0.01))
    confirm_on(Path((facts / "disk").read_text().strip()), Slot.A)
    assert state(facts) == before


def test_a_board_whose_init_left_no_facts_still_starts(tmp_path):
    boot = boot_of(tmp_path)
    asyncio.run(boot.confirm(after=0.01))
    assert boot.status.slot == ""


class Bowl:
    """A watchdog that counts."""

    def __init__(self) -> None:
        self.timeout = 0
        self.fed = 0
        self.refused = False
        self.enough = asyncio.Event()

    def feed(self) -> None:
        self.fed += 1
        if self.fed == 2:
            self.refused = True
            raise OSError(5, "worn out")
        if self.fed == 4:
            self.enough.set()


def test_the_watchdog_is_fed_by_the_loop_even_after_it_refused(facts):
    async def feed() -> bool:
        bowl = Bowl()
        task = asyncio.create_task(boot_of(facts).feed(bowl))
        await bowl.enough.wait()
        task.cancel()
        return bowl.refused

    assert asyncio.run(feed())


def test_a_watchdog_is_fed_and_ends_with_the_magic_letter(tmp_path):
    device = tmp_path / "watchdog"
    assert Watchdog.start(device, 30) is None
    device.touch()
    watchdog = Watchdog.start(device, 30)
    assert watchdog is not None
    watchdog.feed()
    watchdog.stop()
    watchdog.stop()
    assert device.read_bytes() == b"\0V"
