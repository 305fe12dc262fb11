"""GPIO through the character device (gpiod v2, kernel 5.10 and later).

Closing a request gives the line back; the kernel decides what its level is afterwards.
"""

import select
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hal.errors import PinDirectionError, ResourceNotFoundError
from hal.gpio import EDGE_QUEUE_LIMIT, Direction, Edge, EdgeEvent, LineConfig, Pull
from hal.linux.faults import opening, using
from hal.owned import Owned

if TYPE_CHECKING:
    from gpiod import LineRequest
    from gpiod.line_settings import LineSettings

_GROUP = "gpio"


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a line is: `chip` by device node or label, `line` by offset or by name."""

    chip: str
    line: int | str


class LinuxLine(Owned):
    """One requested line. Any thread may call; calls are serialised."""

    def __init__(self, name: str, place: LinePlace, config: LineConfig) -> None:
        """Request the line; see `hal.board` for the errors."""
        import gpiod  # noqa: PLC0415 - only a board with a GPIO grant pays for it

        with opening(name, _GROUP):
            path = _chip_path(place.chip)
            with gpiod.Chip(str(path)) as chip:
                try:
                    self._offset = chip.line_offset_from_id(place.line)
                except ValueError as fault:
                    raise ResourceNotFoundError(f"{name}: {path} has no {place.line!r}") from fault
            self._request: LineRequest = gpiod.request_lines(
                str(path),
                {self._offset: _settings(config)},
                consumer="skerry",
                event_buffer_size=EDGE_QUEUE_LIMIT,
            )
        super().__init__(name, self._request.release)
        self._direction = config.direction
        self._next_sequence = 1

    def read(self) -> bool:
        """Level of the line now."""
        with self._held(), using(self.name):
            return bool(self._request.get_value(self._offset))

    def write(self, *, value: bool) -> None:
        """Drive the line; raises PinDirectionError on an input."""
        from gpiod.line import Value  # noqa: PLC0415

        with self._held(), using(self.name):
            if self._direction is Direction.INPUT:
                raise PinDirectionError(f"{self.name} is an input")
            self._request.set_value(self._offset, Value.ACTIVE if value else Value.INACTIVE)

    def fileno(self) -> int:
        """Readable while edges wait."""
        with self._held():
            return self._request.fd

    def read_edges(self) -> Sequence[EdgeEvent]:
        """Edges since the last call, oldest first; never blocks."""
        found: list[EdgeEvent] = []
        with self._held(), using(self.name):
            while len(found) < EDGE_QUEUE_LIMIT and _readable(self._request.fd):
                for event in self._request.read_edge_events(EDGE_QUEUE_LIMIT):
                    # The kernel numbers edges before its queue drops any: a hole is a loss.
                    lost = event.line_seqno - self._next_sequence
                    self._next_sequence = event.line_seqno + 1
                    rising = event.event_type is event.Type.RISING_EDGE
                    found.append(EdgeEvent(rising, event.timestamp_ns, lost))
        return found


def line_places() -> dict[str, LinePlace]:
    """Every named line of every chip that this user may open."""
    import gpiod  # noqa: PLC0415

    places: dict[str, LinePlace] = {}
    for path in sorted(Path("/dev").glob("gpiochip*")):
        try:
            with gpiod.Chip(str(path)) as chip:
                for offset in range(chip.get_info().num_lines):
                    name = chip.get_line_info(offset).name
                    if name:
                        places.setdefault(name, LinePlace(str(path), offset))
        except PermissionError:
            continue
    return places


def _chip_path(chip: str) -> Path:
    import gpiod  # noqa: PLC0415

    if chip.startswith("/"):
        return Path(chip)
    for path in sorted(Path("/dev").glob("gpiochip*")):
        if path.name == chip:
            return path
        with gpiod.Chip(str(path)) as opened:
            if opened.get_info().label == chip:
                return path
    raise ResourceNotFoundError(f"no GPIO chip with node or label {chip!r}")


def _settings(config: LineConfig) -> "LineSettings":
    from gpiod import LineSettings, line  # noqa: PLC0415

    if config.direction is Direction.OUTPUT:
        return LineSettings(
            direction=line.Direction.OUTPUT,
            active_low=config.active_low,
            output_value=line.Value.ACTIVE if config.initial else line.Value.INACTIVE,
        )
    bias = {
        Pull.NONE: line.Bias.DISABLED,
        Pull.UP: line.Bias.PULL_UP,
        Pull.DOWN: line.Bias.PULL_DOWN,
    }
    edge = {
        Edge.NONE: line.Edge.NONE,
        Edge.RISING: line.Edge.RISING,
        Edge.FALLING: line.Edge.FALLING,
        Edge.BOTH: line.Edge.BOTH,
    }
    return LineSettings(
        direction=line.Direction.INPUT,
        bias=bias[config.pull],
        edge_detection=edge[config.edge],
        active_low=config.active_low,
    )


def _readable(fd: int) -> bool:
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    return bool(waiting.poll(0))
