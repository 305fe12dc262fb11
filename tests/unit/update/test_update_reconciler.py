"""The shell around lives: a real store and real files, microcontrollers that are simulated."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec import structs

from edge.errors import PrepareError, RefusedError
from edge.fetch import FetchError, NotFoundError, Progress
from edge.store import Store
from edge.store.errors import StoreFullError
from edge.trust.manifest import release_number
from edge.update.ports import Result
from edge.update.reconciler import FirmwareReconciler
from edge.wire.codec import decode_attached, decode_firmware_status
from edge.wire.firmware import (
    DesiredFirmware,
    FirmwareManifest,
    FirmwarePatch,
    FirmwareStatus,
    Microcontroller,
)
from edge.wire.firmware import FirmwareState as State
from edge.wire.messages import Module
from tests.support.chips import Chips, digest_of, patch_of

CHIP = Microcontroller(name="probe", id="1", board="mps2", version="0.1.0", connected=True)


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


class Node:
    """A reconciler with what it needs; a folder and a store outlive it."""

    def __init__(self, folder: Path, chips: Chips, store: Store) -> None:
        self.chips = chips
        self.refuses: PrepareError | None = None
        self.permission: SimpleNamespace | None = SimpleNamespace(downgrade_from=None)
        self.offline = False
        self.proved: list[DesiredFirmware] = []
        self.fetched: list[str] = []
        """Digests."""
        self.lacks: set[str] = set()
        """What the registry does not have."""
        self._folder = folder
        self._changed = asyncio.Event()
        self.firmware = FirmwareReconciler("barn", chips, self, self._fetch, store.reported)
        self.firmware.changed = self._changed.set
        self.firmware.resume()

    async def admit(self, _spec: DesiredFirmware, /) -> SimpleNamespace | None:
        if self.refuses is not None:
            raise self.refuses
        return self.permission

    def proven(self, spec: DesiredFirmware, /) -> None:
        self.proved.append(spec)

    async def _fetch(self, module: Module, progress: Progress) -> Path:
        if self.offline:
            raise FetchError("no route")
        if module.digest in self.lacks:
            raise NotFoundError(f"the registry has no {module.digest}")
        if module.digest not in self.fetched:
            self.fetched.append(module.digest)
            for done in (0, 1, module.size):
                progress(done, module.size)
        return self._folder / module.digest.replace(":", "-")

    def image(self, content: str, **fields: Any) -> DesiredFirmware:
        """Content as `tests.support.chips` reads it; its second word is the version."""
        data = content.encode()
        digest = self._keep(data)
        version = content.split()[1]
        return DesiredFirmware(
            manifest=FirmwareManifest(
                name="valve", version=version, board="mps2", digest=digest, size=len(data)
            ),
            image=Module(repository="valve", digest=digest, size=len(data)),
            **fields,
        )

    def patched(
        self, content: str, base: str, makes: str | None = None, *, damaged: bool = False
    ) -> DesiredFirmware:
        """An image with a patch from another one."""
        data = patch_of(base.encode(), (makes or content).encode(), damaged=damaged)
        patch = FirmwarePatch(
            base=digest_of(base.encode()), digest=self._keep(data), size=len(data)
        )
        return self.image(content, patches=[patch])

    def _keep(self, data: bytes) -> str:
        digest = digest_of(data)
        (self._folder / digest.replace(":", "-")).write_bytes(data)
        return digest

    def want(self, *wanted: tuple[str, DesiredFirmware, int]) -> None:
        self.firmware.want({name: (spec, generation) for name, spec, generation in wanted})

    def status(self, name: str = "valve") -> FirmwareStatus | None:
        found = {each.name: each for each in self.firmware.items() if each.kind == "firmware"}
        return decode_firmware_status(found[name].status) if name in found else None

    def attached(self) -> list[Microcontroller]:
        (item,) = (each for each in self.firmware.items() if each.kind == "microcontrollers")
        assert item.name == "barn"
        return decode_attached(item.status).microcontrollers

    async def until(
        self, holds: Callable[[FirmwareStatus], bool], name: str = "valve"
    ) -> FirmwareStatus:
        async with asyncio.timeout(10):
            while True:
                self._changed.clear()
                status = self.status(name)
                if status is not None and holds(status):
                    return status
                await self._changed.wait()

    async def until_state(self, state: State, name: str = "valve") -> FirmwareStatus:
        return await self.until(lambda status: status.state is state, name)


@asynccontextmanager
async def node(folder: Path, chips: Chips) -> AsyncIterator[Node]:
    with Store.open(folder / "store") as store:
        made = Node(folder, chips, store)
        task = asyncio.create_task(made.firmware.run())
        try:
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@on_a_loop
async def test_a_signed_image_is_fetched_installed_and_proven(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        spec = barn.image("good 0.2.0")
        barn.want(("valve", spec, 3))
        status = await barn.until_state(State.RUNNING)
        assert (status.version, status.microcontroller) == ("0.2.0", "probe")
        assert barn.proved == [spec]
        assert [chip.version for chip in barn.attached()] == ["0.2.0"]
        assert barn.firmware.images_in_use() == set()


@on_a_loop
async def test_what_is_refused_is_never_fetched(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.refuses = RefusedError("Unsigned", "nobody signed it", curable=False)
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        status = await barn.until_state(State.REFUSED)
        assert (status.reason, status.message) == ("Unsigned", "nobody signed it")
        assert (barn.fetched, barn.chips.sent) == ([], 0)


@on_a_loop
async def test_an_image_that_hangs_is_taken_back_with_the_reason(tmp_path: Path):
    chips = Chips(CHIP)
    async with node(tmp_path, chips) as barn:
        spec = barn.image("hangs 0.2.0")
        barn.want(("valve", spec, 1))
        status = await barn.until_state(State.ROLLED_BACK)
        assert (status.message, status.version) == ("it hung: the watchdog ended it", "0.1.0")
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", spec, 1))
        await barn.until_state(State.ROLLED_BACK)
        assert (chips.trials, barn.proved) == (1, [])


@on_a_loop
async def test_a_microcontroller_that_will_not_have_it_says_why(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.want(("valve", barn.image("other-board 0.2.0"), 1))
        assert (await barn.until_state(State.REFUSED)).reason == "WrongBoard"


@on_a_loop
async def test_one_that_is_plugged_in_later_is_served_then(tmp_path: Path):
    chips = Chips()
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        assert (await barn.until_state(State.WAITING)).reason == "NotAttached"
        chips.plug(CHIP)
        await barn.until_state(State.RUNNING)
        chips.pull("probe")
        await barn.until_state(State.WAITING)
        chips.plug(structs.replace(CHIP, version="0.2.0"))
        await barn.until_state(State.RUNNING)
        assert chips.trials == 1


@on_a_loop
async def test_an_agent_that_ends_during_an_upload_goes_on_where_it_was(tmp_path: Path):
    chips = Chips(CHIP)
    content = "good 0.2.0 " + "x" * 400
    chips.pause_at = 200
    async with node(tmp_path, chips) as barn:
        spec = barn.image(content)
        barn.want(("valve", spec, 1))
        await barn.until(lambda status: status.progress >= 45)
    assert 0 < chips.sent <= 200
    chips.pause_at = -1
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", spec, 1))
        await barn.until_state(State.TRIAL)
    assert chips.sent == len(content)


@on_a_loop
async def test_a_pulled_cable_is_an_attempt_that_the_next_one_continues(tmp_path: Path):
    chips = Chips(CHIP)
    chips.cut_after = 200
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", barn.image("good 0.2.0 " + "x" * 400), 1))
        status = await barn.until(lambda status: status.attempts == 1)
        assert (status.reason, status.message) == ("Retrying", "no answer at byte 200")


@on_a_loop
async def test_an_older_version_needs_a_signed_permission_or_a_node_that_demands_none(
    tmp_path: Path,
):
    for number, (permission, expected) in enumerate(
        (
            (SimpleNamespace(downgrade_from=None), False),
            (SimpleNamespace(downgrade_from=release_number("0.1.0")), True),
            (SimpleNamespace(downgrade_from=release_number("0.0.9")), False),
            (None, True),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with node(folder, Chips(CHIP)) as barn:
            barn.permission = permission
            barn.want(("valve", barn.image("good 0.2.0"), 1))
            await barn.until_state(State.RUNNING)
            assert barn.chips.downgrades == [expected]


@on_a_loop
async def test_another_wish_ends_the_step_that_is_under_way(tmp_path: Path):
    chips = Chips(CHIP)
    chips.pause_at = 0
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        await barn.until_state(State.UPLOADING)
        barn.want(("valve", barn.image("good 0.3.0"), 2))
        chips.pause_at = -1
        assert (await barn.until_state(State.RUNNING)).version == "0.3.0"
        barn.want()
        assert barn.status() is None


@on_a_loop
async def test_two_microcontrollers_are_updated_one_after_the_other(tmp_path: Path):
    chips = Chips(CHIP, structs.replace(CHIP, name="other", id="2"))
    async with node(tmp_path, chips) as barn:
        barn.want(
            ("a", barn.image("good 0.2.0", microcontroller="probe"), 1),
            ("b", barn.image("good 0.2.0", microcontroller="other"), 1),
        )
        await barn.until_state(State.RUNNING, "a")
        await barn.until_state(State.RUNNING, "b")
        assert {chip.version for chip in chips.attached()} == {"0.2.0"}


@on_a_loop
async def test_the_network_that_is_down_is_waited_for(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.offline = True
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        status = await barn.until(lambda status: bool(status.message))
        assert (status.state, status.message) == (State.FETCHING, "no route")
        assert barn.firmware.images_in_use()
        barn.offline = False
        barn.firmware.retry_now()
        await barn.until_state(State.RUNNING)


class BrokenChips(Chips):
    async def install(self, *_: Any, **__: Any) -> Result:
        raise KeyError("x")


@on_a_loop
async def test_a_fault_of_one_step_ends_nothing(tmp_path: Path):
    async with node(tmp_path, BrokenChips(CHIP)) as barn:
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        status = await barn.until(lambda status: status.attempts == 1)
        assert "KeyError" in status.message


class FullDisk:
    """Records on a disk without room."""

    def put(self, *_: object) -> None:
        raise StoreFullError("no room")

    remove = put

    def items(self) -> dict[tuple[str, str], bytes]:
        return {("firmware", "valve"): b"damaged", ("app", "x"): b""}


@on_a_loop
async def test_neither_a_full_disk_nor_a_damaged_record_stops_an_update(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.firmware._records = FullDisk()
        barn.firmware.resume()
        barn.want(("valve", barn.image("good 0.2.0"), 1))
        await barn.until_state(State.RUNNING)


@on_a_loop
async def test_what_a_deleted_firmware_left_is_forgotten(tmp_path: Path):
    chips = Chips(CHIP)
    async with node(tmp_path, chips) as barn:
        spec = barn.image("hangs 0.2.0")
        barn.want(("valve", spec, 1))
        await barn.until_state(State.ROLLED_BACK)
        barn.want()
        barn.want(("other", spec, 1))
        await barn.until_state(State.ROLLED_BACK, "other")
    with Store.open(tmp_path / "store") as store:
        assert list(store.reported.items()) == [("firmware", "other")]


# --- by patch ------------------------------------------------------------------------------------

OLD = "good 0.1.0"
"""What chips run that nobody gave anything."""
NEW = "good 0.2.0 " + "x" * 400


@on_a_loop
async def test_only_the_patch_is_fetched_and_sent_when_its_base_runs(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        spec = barn.patched(NEW, OLD)
        (patch,) = spec.patches
        barn.want(("valve", spec, 1))
        assert barn.firmware.images_in_use() == {spec.manifest.digest, patch.digest}
        status = await barn.until_state(State.RUNNING)
        assert barn.fetched == [patch.digest]
        assert barn.chips.sent == patch.size
        assert (status.patched, status.unpatched) == (True, "")
        assert (status.fetched, status.sent) == (patch.size, patch.size)
        assert barn.proved == [spec]
        assert barn.firmware.images_in_use() == set()


@on_a_loop
async def test_a_patch_of_another_base_is_not_fetched_and_the_reason_is_told(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        spec = barn.patched(NEW, "good 0.1.5")
        barn.want(("valve", spec, 1))
        status = await barn.until_state(State.RUNNING)
        assert barn.fetched == [spec.manifest.digest]
        assert barn.chips.sent == spec.manifest.size
        assert status.unpatched == f"no patch is of the image that runs, {digest_of(OLD.encode())}"
        assert (status.patched, status.fetched) == (False, spec.manifest.size)


@on_a_loop
async def test_a_patch_that_cannot_be_had_is_replaced_by_the_image(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        spec = barn.patched(NEW, OLD)
        barn.lacks = {spec.patches[0].digest}
        barn.want(("valve", spec, 1))
        status = await barn.until_state(State.RUNNING)
        assert barn.fetched == [spec.manifest.digest]
        assert "cannot be fetched: the registry has no sha256:" in status.unpatched


@on_a_loop
async def test_a_network_that_is_down_is_no_reason_for_the_image(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.offline = True
        spec = barn.patched(NEW, OLD)
        barn.want(("valve", spec, 1))
        await barn.until(lambda status: status.message == "no route")
        barn.offline = False
        barn.firmware.retry_now()
        assert (await barn.until_state(State.RUNNING)).patched
        assert barn.fetched == [spec.patches[0].digest]


@on_a_loop
async def test_a_patch_that_is_refused_is_tried_once_and_then_the_image_also_after_a_restart(
    tmp_path: Path,
):
    chips = Chips(CHIP)
    async with node(tmp_path, chips) as barn:
        spec = barn.patched(NEW, OLD, damaged=True)
        barn.want(("valve", spec, 1))
        chips.pause_at = spec.patches[0].size + 8
        await barn.until(lambda status: status.sent > 0 and status.state is State.UPLOADING)
    chips.pause_at = -1
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", spec, 1))
        status = await barn.until_state(State.RUNNING)
        assert barn.fetched == [spec.manifest.digest]
        assert (status.patched, status.unpatched) == (False, "image: its SHA-256 is wrong")
        assert (status.attempts, chips.trials) == (0, 1)
        assert status.sent == spec.patches[0].size + spec.manifest.size


@on_a_loop
async def test_a_patch_that_makes_another_image_than_was_signed_is_not_tried(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        spec = barn.patched(NEW, OLD, makes="good 6.6.6")
        barn.want(("valve", spec, 1))
        assert (await barn.until_state(State.RUNNING)).unpatched
        assert {chip.version for chip in barn.chips.attached()} == {"0.2.0"}
        assert barn.chips.trials == 1


@on_a_loop
async def test_one_that_does_not_say_what_it_runs_is_asked_again(tmp_path: Path):
    async with node(tmp_path, Chips(CHIP)) as barn:
        barn.chips.mute = True
        barn.want(("valve", barn.patched(NEW, OLD), 1))
        status = await barn.until(lambda status: bool(status.message))
        assert (status.state, status.message) == (
            State.FETCHING,
            "probe does not say what it runs",
        )
        barn.chips.mute = False
        barn.firmware.retry_now()
        assert (await barn.until_state(State.RUNNING)).patched


@on_a_loop
async def test_an_agent_that_ends_after_the_patch_was_applied_fetches_nothing(tmp_path: Path):
    """It runs by then, and no patch is of it: the microcontroller says that it is there."""
    chips = Chips(CHIP)
    async with node(tmp_path, chips) as barn:
        spec = barn.patched(NEW, OLD)
        chips.flash["probe"] = [NEW.encode(), OLD.encode()]
        chips.plug(structs.replace(CHIP, version="0.2.0"))
        barn.want(("valve", spec, 1))
        status = await barn.until_state(State.RUNNING)
        assert (barn.fetched, chips.sent, status.fetched) == ([], 0, 0)


@on_a_loop
async def test_what_was_taken_back_is_not_tried_again_and_the_former_one_still_runs(
    tmp_path: Path,
):
    chips = Chips(CHIP)
    async with node(tmp_path, chips) as barn:
        good = barn.patched(NEW, OLD)
        barn.want(("valve", good, 1))
        await barn.until_state(State.RUNNING)
        bad = barn.patched("hangs 0.3.0", NEW)
        barn.want(("valve", bad, 2))
        status = await barn.until_state(State.ROLLED_BACK)
        assert (status.patched, status.version) == (True, "0.2.0")
    fetched = []
    async with node(tmp_path, chips) as barn:
        barn.want(("valve", bad, 2))
        await barn.until_state(State.ROLLED_BACK)
        barn.want(("valve", good, 3))
        await barn.until_state(State.RUNNING)
        fetched = barn.fetched
    assert (fetched, chips.trials) == ([], 2)


@on_a_loop
async def test_one_that_takes_no_patches_or_no_such_long_one_gets_the_image(tmp_path: Path):
    for limit, why in ((0, "takes no patches"), (7, "the microcontroller takes 7")):
        folder = tmp_path / str(limit)
        folder.mkdir()
        async with node(folder, Chips(CHIP)) as barn:
            barn.chips.patch_limit = limit
            barn.want(("valve", barn.patched(NEW, OLD), 1))
            assert why in (await barn.until_state(State.RUNNING)).unpatched
