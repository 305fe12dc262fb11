"""What a node admits, and what it remembers of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from edge.errors import RefusedError, TrustConfigError
from edge.gatekeeper import Gatekeeper
from edge.store import Store
from edge.trust.manifest import Kind, capabilities, release_number
from edge.verdict import Answer, Question
from edge.verifier import answer
from edge.verifying import ask
from edge.wire.firmware import DesiredFirmware
from edge.wire.messages import DesiredApp
from tests.support.specs import desired_app, desired_firmware
from tests.support.trust import APP_KEYS, NOW, YEAR, root, signature, signed_root, statement


def app(
    *signers: str,
    name: str = "thermometer",
    version: str = "1.0.0",
    module: str = "a",
    **changes: Any,
) -> DesiredApp:
    """A signed app; `changes` are of what is signed."""
    spec = desired_app(name, version=version, module=module)
    made = statement(
        name=name,
        digest=spec.module.digest,
        version=release_number(version),
        capabilities=capabilities(spec.manifest),
        **changes,
    )
    return desired_app(name, version=version, module=module, signature=signature(made, *signers))


class World:
    """A node's store, the roots its registry has, and a clock; the judge is the real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store.open(folder / "store")
        self.published: list[bytes] = []
        self.now = NOW
        self.asked = 0
        self.root_file = folder / "root.cose"
        self.root_file.write_bytes(signed_root(root()))

    def gatekeeper(self, *, with_root: bool = True, allow: bool = False) -> Gatekeeper:
        return Gatekeeper(
            self.store.meta,
            root_file=self.root_file if with_root else None,
            allow_unsigned=allow,
            ask=self._ask,
            newer_roots=self._newer,
            now_ns=lambda: self.now * 10**9,
        )

    async def _ask(self, question: Question) -> Answer:
        self.asked += 1
        return answer(question)

    async def _newer(self, version: int) -> list[bytes]:
        return self.published[version - 1 :]

    def restarted(self) -> Gatekeeper:
        """A new process on the same store, which was given nothing."""
        self.store.close()
        self.store = Store.open(self.folder / "store")
        return self.gatekeeper(with_root=False)


@pytest.fixture
def world(tmp_path: Path):
    made = World(tmp_path)
    yield made
    made.store.close()


def admit(keeper: Gatekeeper, spec: DesiredApp) -> None:
    asyncio.run(keeper.admit(spec))


def refusal(keeper: Gatekeeper, spec: DesiredApp) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        admit(keeper, spec)
    return caught.value


def test_a_signed_app_is_admitted_and_an_unsigned_one_is_not(world: World):
    keeper = world.gatekeeper()
    admit(keeper, app())
    assert refusal(keeper, desired_app()).reason == "Unsigned"


def test_a_node_without_a_root_refuses_everything(world: World):
    keeper = world.gatekeeper(with_root=False)
    assert refusal(keeper, desired_app()).reason == "NoTrustRoot"
    assert refusal(keeper, app()).reason == "NoTrustRoot"
    assert not keeper.unsigned_allowed


def test_unsigned_apps_run_where_that_is_said_and_nowhere_with_a_root(world: World):
    open_node = world.gatekeeper(with_root=False, allow=True)
    admit(open_node, desired_app())
    assert open_node.unsigned_allowed
    strict = world.gatekeeper(allow=True)
    assert not strict.unsigned_allowed
    assert refusal(strict, desired_app()).reason == "Unsigned"


def test_a_verdict_is_asked_for_once_and_outlives_a_restart(world: World):
    admit(world.gatekeeper(), app())
    admit(world.restarted(), app())
    assert world.asked == 1


def test_what_was_admitted_stays_admitted_when_the_root_has_expired(world: World):
    admit(world.gatekeeper(), app())
    world.now = NOW + 2 * YEAR
    keeper = world.restarted()
    admit(keeper, app())
    assert refusal(keeper, app(version="1.1.0", module="b")).reason == "RootExpired"


def test_a_clock_of_1970_neither_stops_nor_refuses_anything(world: World):
    world.now = 0
    admit(world.gatekeeper(), app())
    world.now = NOW
    admit(world.restarted(), app())


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": {"grants": {"probe": {"kind": "i2c"}}}},
        {"version": "1.0.1"},
        {"name": "other"},
        {"module": "b"},
    ],
)
def test_a_verdict_holds_for_what_was_asked_and_for_nothing_else(
    world: World, change: dict[str, Any]
):
    keeper = world.gatekeeper()
    admit(keeper, app())
    fields = {"signature": app().signature, **change}
    other = desired_app(**fields)
    assert refusal(keeper, other).reason in {"CapabilityNotSigned", "SignatureMismatch"}


def test_an_older_version_is_refused_once_a_newer_one_has_run_well(world: World):
    keeper = world.gatekeeper()
    old, new = app(), app(version="2.0.0", module="b")
    admit(keeper, old)
    admit(keeper, new)
    admit(keeper, old)
    keeper.proven(new)
    refused = refusal(keeper, old)
    assert (refused.reason, refused.curable) == ("VersionRollback", False)
    assert refusal(world.restarted(), old).reason == "VersionRollback"


def test_two_names_with_the_same_code_have_a_floor_each(world: World):
    keeper = world.gatekeeper()
    one = app(version="2.0.0", module="b")
    other = app(name="other", version="3.0.0", module="b")
    admit(keeper, one)
    admit(keeper, other)
    keeper.proven(one)
    assert refusal(keeper, app()).reason == "VersionRollback"
    admit(keeper, app(name="other"))


def test_what_nobody_admitted_raises_no_floor(world: World):
    keeper = world.gatekeeper()
    keeper.proven(app(version="2.0.0", module="b"))
    admit(keeper, app())


def test_the_floor_of_a_name_outlives_its_app_and_never_sinks(world: World):
    keeper = world.gatekeeper()
    new, old = app(version="2.0.0", module="b"), app()
    admit(keeper, new)
    keeper.proven(new)
    permitted = app(downgrade_from=release_number("2.0.0"))
    admit(keeper, permitted)
    keeper.proven(permitted)
    between = app(version="1.5.0", module="c")
    assert refusal(keeper, between).reason == "VersionRollback"
    assert refusal(keeper, old).reason == "VersionRollback"
    admit(keeper, permitted)


def test_the_keys_of_apps_change_through_a_root_and_the_old_ones_count_no_more(world: World):
    keeper = world.gatekeeper()
    admit(keeper, app())
    newer = app("app-2", version="1.1.0", module="b")
    refused = refusal(keeper, newer)
    assert (refused.reason, refused.curable) == ("SignerUnknown", True)
    world.published.append(signed_root(root(2, app=(["app-2"], 1))))
    admit(keeper, newer)
    assert keeper.root_version == 2
    assert refusal(keeper, app(version="1.2.0", module="c")).reason == "SignerUnknown"
    assert world.restarted().root_version == 2
    admit(world.restarted(), app())  # what runs is not stopped by a changed root


def test_a_refusal_is_judged_again_only_under_a_newer_root(world: World):
    keeper = world.gatekeeper()
    for _ in range(3):
        refusal(keeper, app("app-2"))
    assert world.asked == 1


@pytest.mark.parametrize(
    "published",
    [
        [signed_root(root(2, root=(["thief"], 1), app=(["thief"], 1)), "thief")],
        [signed_root(root(2, app=(["thief"], 1)), "app-1")],
        [signed_root(root(3, app=(["thief"], 1)))],
        [b"\x80"],
    ],
)
def test_a_registry_cannot_hand_out_a_root_of_its_own(world: World, published: Sequence[bytes]):
    world.published = list(published)
    keeper = world.gatekeeper()
    assert refusal(keeper, app("thief")).reason == "SignerUnknown"
    assert keeper.root_version == 1
    admit(keeper, app())


def test_several_roots_are_followed_at_once(world: World):
    world.published = [
        signed_root(root(2, root=(["root-2"], 1)), "root-1", "root-2"),
        signed_root(root(3, root=(["root-2"], 1), app=(["app-3"], 1)), "root-2"),
    ]
    keeper = world.gatekeeper()
    admit(keeper, app("app-3"))
    assert (keeper.root_version, world.asked) == (3, 1)


def test_another_file_is_another_root_and_the_same_file_changes_nothing(world: World):
    world.published = [signed_root(root(2))]
    keeper = world.gatekeeper()
    admit(keeper, app())
    assert keeper.root_version == 2
    assert world.gatekeeper().root_version == 2
    world.root_file.write_bytes(signed_root(root(7)))
    assert world.gatekeeper().root_version == 7


def test_a_root_file_that_is_none_is_told_at_the_start(world: World):
    world.root_file.write_bytes(b"not a root")
    with pytest.raises(TrustConfigError, match=r"--trust-root: .*root\.cose"):
        world.gatekeeper()
    world.root_file.unlink()
    with pytest.raises(TrustConfigError, match="No such file"):
        world.gatekeeper()


def firmware(
    *signers: str, version: str = "1.0.0", board: str = "mps2", **changes: Any
) -> DesiredFirmware:
    """A signed firmware of the app's name; `changes` are of what is signed."""
    spec = desired_firmware("thermometer", version, board=board)
    made = statement(
        **{
            "kind": Kind.FIRMWARE,
            "digest": spec.image.digest,
            "version": release_number(version),
            "capabilities": ["board:mps2"],
            **changes,
        }
    )
    return structs.replace(spec, signature=signature(made, *(signers or ("fw-1",))))


def with_firmware_role(world: World) -> None:
    world.root_file.write_bytes(signed_root(root(firmware=(("fw-1",), 1))))


def test_firmware_is_admitted_by_keys_of_its_own_role(world: World):
    with_firmware_role(world)
    keeper = world.gatekeeper()
    admitted = asyncio.run(keeper.admit(firmware()))
    assert admitted is not None
    assert admitted.version == release_number("1.0.0")
    assert refusal(keeper, firmware("app-1", version="1.1.0")).reason == "SignerUnknown"
    unsigned = refusal(keeper, desired_firmware())
    assert unsigned.reason == "Unsigned"
    assert "skerry firmware push" in str(unsigned)


def test_an_image_is_not_passed_off_as_one_for_another_board(world: World):
    with_firmware_role(world)
    assert refusal(world.gatekeeper(), firmware(board="pico")).reason == "CapabilityNotSigned"


def test_an_apps_signature_does_not_cover_a_firmware_of_its_name(world: World):
    world.root_file.write_bytes(signed_root(root(firmware=(APP_KEYS, 1))))
    found = refusal(world.gatekeeper(), firmware(*APP_KEYS, kind=Kind.APP))
    assert found.reason == "SignatureMismatch"


def test_an_app_and_a_firmware_of_one_name_have_a_floor_each(world: World):
    with_firmware_role(world)
    keeper = world.gatekeeper()
    newer = app(version="2.0.0", module="b")
    admit(keeper, newer)
    keeper.proven(newer)
    spec = firmware(version="1.0.0")
    admit(keeper, spec)
    keeper.proven(spec)
    assert refusal(keeper, firmware(version="0.9.0")).reason == "VersionRollback"
    permitted = firmware(version="0.9.0", downgrade_from=release_number("1.0.0"))
    admitted = asyncio.run(keeper.admit(permitted))
    assert admitted is not None
    assert admitted.downgrade_from == release_number("1.0.0")


def test_the_child_judges_as_the_function_does(world: World):
    question = Question(
        root=signed_root(root()),
        newer=[signed_root(root(2))],
        signature=app().signature,
        kind=statement().kind,
        name="thermometer",
        digest=statement().digest,
        size=100,
        version=release_number("1.0.0"),
        capabilities=[],
        now=NOW,
    )
    given = asyncio.run(ask(question))
    assert given == answer(question)
    assert (given.accepted_roots, given.reason) == (1, None)
