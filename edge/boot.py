"""What the agent owes the image it runs in: food for the watchdog, word of the boot, a verdict.

The image's init leaves facts in a directory in RAM: `slot` (A or B), `disk` (the device that both
lie on) and, when the slot is on trial, an empty file `trial`. The agent leaves `boot.json` there,
so that one that is started again tells the boot's figures and not its own.

The watchdog is fed by a task of the agent's loop, so a loop that hangs for the watchdog's time
restarts the board. A slot on trial is confirmed once the cloud is reached or, without it, after
CONFIRM_SECONDS of a loop that runs; until then any restart counts against it.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge import slots
from edge.slots import Slot, Slots
from edge.wire.codec import encode_boot_status
from edge.wire.messages import BootStatus, StatusItem
from hal import clock

WATCHDOG_SECONDS = 30
"""Longer than any pause of the loop and than a restart of the agent; it is fed four times as often."""
CONFIRM_SECONDS = 600.0
"""Of a healthy agent without a cloud: crash loops are over long before."""
KIND = "boot"
"""Of the status item; a cloud that does not know it acknowledges it and leaves it out."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CONSOLE = Path("/dev/console")

_log = logging.getLogger(__name__)


class Food(Protocol):
    """A watchdog as this module uses it: `hal.linux.watchdog.Watchdog`."""

    timeout: int

    def feed(self) -> None:
        """Put the restart off."""
        ...


class Boot:
    """One start of a board. Belongs to the loop's thread."""

    def __init__(self, facts: Path, node: str, console: Path = _CONSOLE) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called when there is news for the cloud."""
        self._facts = facts
        self._node = node
        self._console = console
        self._slot = _slot_of(facts)
        self._live = asyncio.Event()
        try:
            said = msgspec.json.decode((facts / "boot.json").read_bytes(), type=BootStatus)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            said = BootStatus(
                id=_BOOT_ID.read_text().strip(),
                slot="" if self._slot is None else self._slot.value,
                agent_seconds=clock.since_boot(),
            )
        self._said = said
        self._keep()

    @property
    def status(self) -> BootStatus:
        """The figures, as far as they are known."""
        return self._said

    def items(self) -> list[StatusItem]:
        """The status as it travels."""
        data = encode_boot_status(self._said)
        return [StatusItem(kind=KIND, name=self._node, generation=0, status=data)]

    def app_runs(self, app: str) -> None:
        """An app is Running; the first of a boot is told at the console and to the cloud."""
        if self._said.app_seconds is not None:
            return
        seconds = clock.since_boot()
        self._said = msgspec.structs.replace(self._said, app_seconds=seconds)
        self._keep()
        text = f"{app} runs {seconds:.1f} s after the kernel's start (the firmware before it not counted)"
        _log.info("first app: %s", text)
        try:
            self._console.write_text(f"skerry: first app: {text}\n")
        except OSError:
            _log.debug("no console")
        self.changed()

    def linked(self) -> None:
        """A session with the cloud is up."""
        self._live.set()

    async def feed(self, watchdog: Food) -> None:
        """Feed the watchdog, for ever."""
        while True:
            try:
                watchdog.feed()
            except OSError as error:
                _log.error("the watchdog takes no food: %s", error)
            await asyncio.sleep(watchdog.timeout / 4)

    async def confirm(self, after: float = CONFIRM_SECONDS) -> None:
        """Confirm a slot on trial once it has proved itself; returns at once for any other."""
        mark = self._facts / "trial"
        if self._slot is None or not mark.exists():
            return
        try:
            async with asyncio.timeout(after):
                await self._live.wait()
        except TimeoutError:
            _log.info("slot %s ran %.0f s without a cloud", self._slot.value, after)
        try:
            disk = Path((self._facts / "disk").read_text().strip())
            await asyncio.to_thread(confirm_on, disk, self._slot)
            mark.unlink(missing_ok=True)
        except OSError as error:
            _log.error("slot %s could not be confirmed: %s", self._slot.value, error)
        else:
            _log.info("slot %s is confirmed", self._slot.value)

    def _keep(self) -> None:
        try:
            part = self._facts / "boot.json.part"
            part.write_bytes(msgspec.json.encode(self._said))
            part.replace(self._facts / "boot.json")
        except OSError as error:
            _log.warning("the boot's figures are not kept: %s", error)


def read_slots(disk: Path) -> Slots:
    """The slots' state on a disk; raises OSError."""
    return slots.newest(_copies(disk))[0]


def write_slots(disk: Path, change: Callable[[Slots], Slots]) -> Slots:
    """Write what `change` makes of the state, over its older copy; flushed when this returns.

    Raises OSError. One process at a time.
    """
    state, place = slots.newest(_copies(disk))
    changed = change(state)
    if changed != state:
        with disk.open("r+b", buffering=0) as opened:
            opened.seek(slots.PLACES[place])
            opened.write(slots.encode(changed))
            os.fsync(opened.fileno())
    return changed


def confirm_on(disk: Path, running: Slot) -> None:
    """`running` is the good one from now on; raises OSError."""
    write_slots(disk, lambda state: slots.confirm(state, running))


def _copies(disk: Path) -> list[bytes]:
    with disk.open("rb") as opened:
        copies: list[bytes] = []
        for place in slots.PLACES:
            opened.seek(place)
            copies.append(opened.read(slots.SECTOR))
    return copies


def _slot_of(facts: Path) -> Slot | None:
    try:
        return Slot((facts / "slot").read_text().strip())
    except (OSError, ValueError):
        return None
