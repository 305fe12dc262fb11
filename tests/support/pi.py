"""An emulated Raspberry Pi that was flashed as a person would flash it, and the cloud it dials."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qemu.board import Board, Fittings, Programs, Tmp105
from qemu.board.card import board_of, emulated
from tests.support.system import Cloud, Node, skerry, until

FROM_GUEST = "10.0.2.2"
"""Where QEMU's user network shows a guest this machine's loopback."""
HEATER = 17
"""The GPIO line of the thermostat's heater."""
_FIRST_PARTITION = 446 + 8
"""Where a partition table has the first sector of the first one."""
SLOW = 300.0
"""Seconds that anything may take: the board is emulated, the machine busy with other tests."""


class Pi(Node):
    """The node on an emulated board, asked through the shell at its console."""

    deadline = SLOW

    def __init__(self, board: Board) -> None:
        self.board = board

    def ask(self, verb: str, **fields: Any) -> list[dict[str, Any]]:
        """Answers of `skerry agent VERB`, run on the board."""
        words = " ".join(["skerry agent", verb, *map(str, fields.values())])
        if verb not in ("status", "apps"):
            self.board.check(words, within=SLOW)
            return []
        return until(lambda: self._answer(f"{words} -o json"), f"an answer to {words}", SLOW)[0]

    def _answer(self, command: str) -> tuple[list[dict[str, Any]]] | None:
        """None when something else on the board spoke in between: the console is everybody's."""
        try:
            answer = json.loads(self.board.check(command, within=SLOW))
        except ValueError:
            return None
        return (answer if isinstance(answer, list) else [answer],)

    def power_on(self, *, linked: bool = True) -> None:
        """Boot to an agent that answers; `linked`: with the network cable in."""
        self.board.power_on(ready="")
        self.board.set_link(up=linked)
        self.board.expect(self.board.media.ready, within=self.board.machine.boot_s)
        self.board.check("dmesg -n 1", within=SLOW)  # the console is the test's
        self.board.check("until skerry agent status; do sleep 1; done", within=SLOW)

    def until_heater(self, *, on: bool) -> None:
        """Wait for the level of the heater's line, seen from outside the board."""
        until(
            lambda: self.board.gpio_level(HEATER) is on, f"the heater is on: {on}", self.deadline
        )


@contextmanager
def pi(
    image: Path, cloud: Cloud, programs: Programs, keys: Path, *, more: str = ""
) -> Iterator[Pi]:
    """A Raspberry Pi called barn at site=barn, not yet on: two TMP105, and `mcu` on serial0.

    It joins with a token, and runs what the keys in `keys` (`skerry keys init`) signed. `more` is
    added to its skerry.toml, as a person does who opens the card.
    """
    made = skerry("token", "create", "--pattern", "barn", "--label", "site=barn", cloud=cloud.url)
    with tempfile.TemporaryDirectory(prefix="pi-") as place:
        card = Path(place) / "barn.img"
        skerry(
            *("flash", str(image), str(card), "--name", "barn", "--label", "site=barn"),
            *("--cloud", f"https://{FROM_GUEST}:{cloud.port}", "--token", made.stdout.strip()),
            *("--trust-root", str(keys / "root.cose")),
        )
        if more:
            add_settings(card, more)
        machine, media = emulated(board_of(card), card, Path(place))
        sensors = (Tmp105(), Tmp105(name="room", address=0x49))
        fittings = Fittings(sensors=sensors, ports=("mcu",))
        with Board(machine, media, programs, fittings) as board:
            yield Pi(board)


def add_settings(card: Path, text: str) -> None:
    """Add to skerry.toml in the first partition, which any computer can open."""
    with card.open("rb") as disk:
        disk.seek(_FIRST_PARTITION)
        start = int.from_bytes(disk.read(4), "little") * 512
    fat, file = f"{card}@@{start}", card.with_suffix(".toml")
    subprocess.run(["mcopy", "-i", fat, "::/skerry.toml", file], check=True)
    file.write_text(file.read_text() + text)
    subprocess.run(["mcopy", "-o", "-i", fat, file, "::/skerry.toml"], check=True)
