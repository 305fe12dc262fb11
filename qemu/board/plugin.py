"""pytest-qemu: a virtual board for each test that asks for one.

A test takes the `board` fixture and says with `@pytest.mark.board("virt", …)` which one; a project
overrides `board_media` to boot its own image. A failing test's report ends with the serial log
of every board it used, in whatever fixture that lives.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from qemu.board.board import Board
from qemu.board.errors import BoardError, PackageError
from qemu.board.machine import Fittings, Machine, Media, machine_named
from qemu.board.programs import Programs, pinned_programs
from qemu.board.tiny import tiny_media

MARKER = "board(machine='virt', *, power=True, deadline=seconds, **media and fittings)"
# The last words matter; a report of megabytes hides them.
LOG_SHOWN = 20_000
_MEDIA = set(Media.__struct_fields__)
_FITTINGS = set(Fittings.__struct_fields__)

MediaOf = Callable[[Machine], Media]


class BoardRequest(msgspec.Struct, frozen=True):
    """What a test's marker asks for."""

    machine: Machine
    media: dict[str, object]
    fittings: Fittings
    power: bool
    deadline: float | None


def board_request(marker: pytest.Mark | None) -> BoardRequest:
    """The marker's arguments, checked; raises pytest.UsageError, which names the wrong one."""
    arguments = () if marker is None else marker.args
    given = {} if marker is None else dict(marker.kwargs)
    if len(arguments) > 1:
        raise pytest.UsageError(f"board: one machine, not {arguments!r}; then names: {MARKER}")
    power = bool(given.pop("power", True))
    deadline = given.pop("deadline", None)
    name = given.pop("machine", arguments[0] if arguments else "virt")
    unknown = sorted(set(given) - _MEDIA - _FITTINGS)
    if unknown:
        known = ", ".join(sorted(_MEDIA | _FITTINGS))
        raise pytest.UsageError(f"board: no {', '.join(unknown)}; there are {known}")
    try:
        machine = name if isinstance(name, Machine) else machine_named(str(name))
    except BoardError as fault:
        raise pytest.UsageError(f"board: {fault}") from fault
    fittings = Fittings(**{key: given[key] for key in given if key in _FITTINGS})
    media = {key: given[key] for key in given if key in _MEDIA}
    return BoardRequest(machine, media, fittings, power, deadline)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--board-cache`, and `--board-required` for machines where a skip would hide a failure."""
    group = parser.getgroup("board", "virtual boards")
    group.addoption("--board-cache", metavar="DIR", help="where packages and images are kept")
    group.addoption(
        "--board-required",
        action="store_true",
        help="fail, rather than skip, when QEMU or a package cannot be had",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{MARKER}: the virtual board that `board` boots")


@pytest.fixture(scope="session")
def board_cache(pytestconfig: pytest.Config) -> Path:
    """The folder of packages and tiny images; `--board-cache`, else `.cache/qemu`."""
    chosen: str | None = pytestconfig.getoption("board_cache")
    return Path(chosen) if chosen else pytestconfig.rootpath / ".cache" / "qemu"


@pytest.fixture(scope="session")
def board_programs(pytestconfig: pytest.Config, board_cache: Path) -> Programs:
    """Which QEMU runs the boards."""
    try:
        return pinned_programs(board_cache)
    except PackageError as fault:
        _unavailable(pytestconfig, fault)


@pytest.fixture(scope="session")
def board_media(pytestconfig: pytest.Config, board_cache: Path) -> MediaOf:
    """What a machine boots: a function from Machine to Media, overridden by a project.

    Here it is the tiny system of Debian's kernel and busybox.
    """

    def media(machine: Machine) -> Media:
        try:
            return tiny_media(machine, board_cache)
        except PackageError as fault:
            _unavailable(pytestconfig, fault)

    return media


@pytest.fixture
def board(
    request: pytest.FixtureRequest, board_programs: Programs, board_media: MediaOf
) -> Iterator[Board]:
    """The board that the test's marker describes, booted unless it says `power=False`."""
    asked = board_request(request.node.get_closest_marker("board"))
    media = msgspec.structs.replace(board_media(asked.machine), **asked.media)
    with Board(asked.machine, media, board_programs, asked.fittings) as made:
        # Known before it boots: a board that does not come up is the one whose log matters.
        request.node.stash.setdefault(_BOARDS, []).append(made)
        if asked.power:
            made.power_on(within=asked.deadline)
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the serial logs of the boards that a failing test used."""
    report = yield
    if report.failed:
        for name, board in _boards_of(item).items():
            said = board.log[-LOG_SHOWN:]
            report.sections.append((f"Serial log of {name} ({board.machine.name})", said))
    return report


_BOARDS = pytest.StashKey[list[Board]]()


def _boards_of(item: pytest.Item) -> dict[str, Board]:
    fixtures: dict[str, object] = getattr(item, "funcargs", {})
    found = {name: value for name, value in fixtures.items() if isinstance(value, Board)}
    for made in item.stash.get(_BOARDS, []):
        if made not in found.values():
            found["board"] = made
    return found


def _unavailable(config: pytest.Config, fault: PackageError) -> NoReturn:
    if config.getoption("board_required"):
        pytest.fail(str(fault), pytrace=False)
    pytest.skip(f"no board: {fault}")
