"""Which microcontroller a firmware is for. Pure.

One that was seen counts although it is unplugged now: of two alike, the other is never taken for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.wire.firmware import DesiredFirmware, Microcontroller


@dataclass(frozen=True, slots=True)
class Missing:
    """There is none now; there may be one."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """There is one, and it is not to have this firmware."""

    reason: str
    message: str


Match = Microcontroller | Missing | Unfit


def match_all(
    wanted: Mapping[str, DesiredFirmware], chips: Sequence[Microcontroller]
) -> dict[str, Match]:
    """For each firmware, by name, its microcontroller; of two for one the first has it."""
    found: dict[str, Match] = {}
    given: dict[str, str] = {}
    for name in sorted(wanted):
        match = match_one(wanted[name], chips)
        if isinstance(match, Microcontroller):
            first = given.setdefault(match.name, name)
            if first != name:
                match = Unfit(
                    "Contested",
                    f"{match.name}: firmware {first} is for it, too; "
                    "name another one (spec.microcontroller.name), or delete one of the two",
                )
        found[name] = match
    return found


def match_one(spec: DesiredFirmware, chips: Sequence[Microcontroller]) -> Match:
    """The microcontroller of one firmware."""
    name, board = spec.microcontroller, spec.manifest.board
    if name:
        fitting = [chip for chip in chips if chip.name == name]
    else:
        fitting = [chip for chip in chips if chip.board == board]
    if len(fitting) > 1:
        names = ", ".join(chip.name for chip in fitting)
        return Missing(
            "Ambiguous", f"{names} are all of board {board}; name one: spec.microcontroller.name"
        )
    if not fitting or not fitting[0].connected:
        what = f"microcontroller {name!r}" if name else f"microcontroller of board {board}"
        have = ", ".join(map(_shown, chips)) or "none"
        return Missing("NotAttached", f"no {what} is attached; there are: {have}"[:1024])
    (chip,) = fitting
    if chip.board != board:
        return Unfit(
            "WrongBoard",
            f"{chip.name} is a {chip.board or 'board without a name'}, the image is for {board}",
        )
    return chip


def _shown(chip: Microcontroller) -> str:
    state = "" if chip.connected else ", not connected"
    return f"{chip.name} ({chip.board or 'unknown'}{state})"
