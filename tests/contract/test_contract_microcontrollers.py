"""`edge.update.ports.Microcontrollers`: the simulated ones, and those at the end of a link, do alike."""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from boards import mcuboot
from edge.update.overlink import LinkedMicrocontrollers
from edge.update.ports import Cargo, Ending, Microcontrollers, Phase, Result
from edge.wire.firmware import FirmwareManifest, Microcontroller
from hal.errors import BusTimeoutError
from hal.link.link import Happening, Identity, Listener
from tests.support.chips import Chips
from tests.support.mcumgr import Mcumgr


class World(ABC):
    """One microcontroller, `probe`, an mps2 with 0.1.0, and images for it."""

    chips: Microcontrollers

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @abstractmethod
    def image(self, version: str, board: str = "mps2", *, hangs: bool = False) -> Path: ...

    @abstractmethod
    def pull(self) -> None: ...

    @abstractmethod
    def stall(self, at: int) -> None:
        """Uploads stay there, for ever."""

    @abstractmethod
    def go_on(self) -> None: ...

    @property
    @abstractmethod
    def sent(self) -> int:
        """Bytes of images that came in."""

    def chip(self) -> Microcontroller:
        (chip,) = self.chips.attached()
        return chip

    def _file(self, data: bytes) -> Path:
        path = self._folder / hashlib.sha256(data).hexdigest()
        path.write_bytes(data)
        return path

    async def install(self, image: Path, **how: Any) -> Result:
        data = image.read_bytes()  # noqa: ASYNC240 - a test
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        manifest = FirmwareManifest(
            name="valve", version="0.2.0", board="mps2", digest=digest, size=len(data)
        )
        return await self.send(Cargo(manifest, image), **how)

    async def send(self, cargo: Cargo, **how: Any) -> Result:
        def watcher(phase: Phase, done: int, total: int) -> None:
            self.watched.append((phase, done, total))

        self.watched: list[tuple[Phase, int, int]] = []
        return await self.chips.install("probe", cargo, watcher, **{"downgrade": False, **how})


class Simulated(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        chip = Microcontroller(
            name="probe", id="1", board="mps2", version="0.1.0", connected=True, since_ns=1
        )
        self._chips = self.chips = Chips(chip)

    def image(self, version: str, board: str = "mps2", *, hangs: bool = False) -> Path:
        what = "hangs" if hangs else "good" if board == "mps2" else "other-board"
        return self._file(f"{what} {version} {'x' * 200}".encode())

    def pull(self) -> None:
        self._chips.pull("probe")

    def stall(self, at: int) -> None:
        self._chips.pause_at = at

    def go_on(self) -> None:
        self._chips.pause_at = -1

    @property
    def sent(self) -> int:
        return self._chips.sent


class _Wire(Mcumgr):
    """mcumgr's server as a link that is subscribed to."""

    name = "probe"

    def __init__(self, runs: bytes) -> None:
        super().__init__(runs, buffer=96)
        self.connected = True
        self.stall_at = -1
        self.sent = 0
        self._listeners: list[Listener] = []

    @property
    def identity(self) -> Identity | None:
        runs = self.slots[0]
        assert runs is not None
        return Identity("mps2", "1", str(runs.version)) if self.connected else None

    def subscribe(self, listener: Listener, /) -> None:
        self._listeners.append(listener)

    def post(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, object],
        done: Callable[[dict[object, object] | Exception], None],
        /,
    ) -> None:
        done(self.request(operation, group, command, content))

    def request(self, *asked: Any, **more: Any) -> dict[Any, Any]:
        if not self.connected or (asked[1:3] == (1, 1) and 0 <= self.stall_at <= self.sent):
            raise BusTimeoutError("no answer")
        answer = super().request(*asked, **more)
        if asked[1:3] == (1, 1) and answer.get("off", 0) > 0:
            self.sent += len(asked[3]["data"])
        if asked[1:3] == (0, 5):
            self.tell(Happening.DOWN)
            self.tell(Happening.UP)
        return answer

    def tell(self, what: Happening) -> None:
        for listener in self._listeners:
            listener.happened(what)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "board": "mps2"}


class Linked(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._wire = _Wire(self._image("0.1.0"))
        self.chips = LinkedMicrocontrollers([self._wire])

    def _image(self, version: str, board: str = "mps2") -> bytes:
        program = version.encode() * 200
        return mcuboot.image(program, version=version, board=board, load_address=0)

    def image(self, version: str, board: str = "mps2", *, hangs: bool = False) -> Path:
        self._wire.hangs = hangs
        return self._file(self._image(version, board))

    def pull(self) -> None:
        self._wire.connected = False
        self._wire.tell(Happening.DOWN)

    def stall(self, at: int) -> None:
        self._wire.stall_at = at

    def go_on(self) -> None:
        self._wire.stall_at = -1

    @property
    def sent(self) -> int:
        return self._wire.sent


Script = Callable[[World], Coroutine[Any, Any, None]]


@pytest.fixture(params=[Simulated, Linked], ids=lambda kind: kind.__name__)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Script], World]:
    def run(script: Script) -> World:
        world: World = request.param(tmp_path)
        asyncio.run(script(world))
        return world

    return run


def test_who_is_attached_is_told(play):
    async def script(world: World) -> None:
        chip = world.chip()
        assert (chip.name, chip.id, chip.board, chip.version) == ("probe", "1", "mps2", "0.1.0")
        assert chip.connected
        assert chip.since_ns > 0

    play(script)


def test_one_that_goes_is_still_known_and_its_going_is_told(play):
    async def script(world: World) -> None:
        told = asyncio.Event()
        world.chips.subscribe(told.set)
        before = world.chip()
        world.pull()
        assert told.is_set()
        assert structs.replace(world.chip(), since_ns=0) == structs.replace(
            before, connected=False, since_ns=0
        )

    play(script)


def test_an_image_is_uploaded_tried_and_kept(play):
    async def script(world: World) -> None:
        image = world.image("0.2.0")
        size = image.stat().st_size
        assert await world.install(image) == Result(Ending.CONFIRMED, sent=size)
        assert world.chip().version == "0.2.0"
        phases = [phase for phase, _, _ in world.watched]
        assert phases == sorted(phases, key=[Phase.UPLOAD, Phase.TRIAL].index)
        assert set(phases) == set(Phase)
        done = [done for phase, done, _ in world.watched if phase is Phase.UPLOAD]
        assert done == sorted(done)

    play(script)


def test_what_runs_already_is_confirmed_and_not_sent(play):
    async def script(world: World) -> None:
        image = world.image("0.2.0")
        await world.install(image)
        sent = world.sent
        assert await world.install(image) == Result(Ending.CONFIRMED)
        assert world.sent == sent

    play(script)


def test_one_that_goes_back_says_so(play):
    async def script(world: World) -> None:
        result = await world.install(world.image("0.2.0", hangs=True))
        assert result.ending is Ending.ROLLED_BACK
        assert result.message
        assert world.chip().version == "0.1.0"

    play(script)


def test_an_image_of_another_board_is_refused(play):
    async def script(world: World) -> None:
        result = await world.install(world.image("0.2.0", board="pico"))
        assert (result.ending, result.reason) == (Ending.REFUSED, "WrongBoard")
        assert world.sent == 0

    play(script)


def test_an_upload_that_was_cancelled_goes_on_where_it_was(play):
    async def script(world: World) -> None:
        image = world.image("0.2.0")
        world.stall(at=96)
        task = asyncio.create_task(world.install(image))
        while world.sent < 96:  # noqa: ASYNC110 - no event of the far end
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.go_on()
        assert (await world.install(image)).ending is Ending.CONFIRMED
        size = image.stat().st_size
        assert world.sent < size + 96, "a chunk twice, and no more"

    play(script)
