"""Updates by patch on the device, by the code that runs there, on the bootloader's own core."""

import hashlib
import resource
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from firmware.device.patch import COMMAND, GROUP, HEAD_BYTES, LIMIT, wrapping
from hal.link import patch as patches
from hal.link import upload
from hal.link.held import Held, held
from hal.link.image import Named, Version, parse
from hal.link.patch import Patch
from hal.link.upload import Outcome, Phase
from tests.support.boot_core import SECTOR, Cause
from tests.support.updated_chip import OLD, Device, PowerCutError, image

NEW = image("0.2.0", more=Random(1).randbytes(3000))
PATCH = patches.make(parse(OLD), parse(NEW))
NAMED = Named(parse(NEW).sha256, "mps2", Version(0, 2, 0))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def sent(device: Device, patch: bytes, to: int | None = None, **more: Any) -> dict[Any, Any]:
    """The last answer to a patch that is sent as far as `to`, in small pieces."""
    answer: dict[Any, Any] = {"off": 0}
    to = len(patch) if to is None else to
    while answer["off"] < to:
        at = answer["off"]
        content: dict[str, Any] = {"off": at, "data": patch[at : min(at + 110, to)]}
        if at == 0:
            content |= {"len": len(patch), "sha": hashlib.sha256(patch).digest()} | more
        answer = device.request(2, GROUP, COMMAND, content)
        if "rsn" in answer:
            break
        assert answer["off"] > at
    return answer


def told(device: Device) -> dict[Any, Any]:
    return device.request(0, GROUP, COMMAND, {})


def run(device: Device) -> dict[Any, Any]:
    while device.patches.step():
        device.check_power()
    return told(device)


def test_a_patch_is_sent_instead_of_an_image_and_then_all_is_as_before(device: Device):
    seen: list[Phase] = []
    result = device.updated(NEW, patch=PATCH, watcher=lambda phase, *_: seen.append(phase))
    assert result == upload.Result(Outcome.UPDATED, sent=len(PATCH.data), patched=True)
    assert len(PATCH.data) < len(NEW) / 9
    assert list(dict.fromkeys(seen)) == [Phase.UPLOAD, Phase.APPLY, Phase.TRIAL]
    assert device.runs == "0.2.0"
    assert not (device.folder / "patch").exists()
    newer = image("0.3.0", size=31_000)
    result = device.updated(newer, patch=patches.make(parse(NEW), parse(newer)))
    assert (result.outcome, result.patched, device.runs) == (Outcome.UPDATED, True, "0.3.0")
    assert device.update.running == 0


def test_an_image_made_of_a_patch_that_is_not_fit_is_rolled_back_too(device: Device):
    device.linked = False
    result = device.updated(NEW, patch=PATCH)
    assert (result.outcome, result.patched) == (Outcome.ROLLED_BACK, True)
    assert device.runs == "0.1.0"


def test_a_patch_of_another_base_is_not_sent_and_the_image_is(device: Device):
    other = patches.make(parse(image("0.1.5")), parse(NEW))
    result = device.updated(NEW, patch=other)
    assert (result.outcome, result.patched) == (Outcome.UPDATED, False)
    assert result.unpatched == "it is of another image than the one that runs"
    assert result.sent == len(NEW)


def test_the_device_refuses_what_is_of_another_base_at_its_begin(device: Device):
    other = patches.make(parse(image("0.1.5")), parse(NEW)).data
    assert sent(device, other)["rsn"] == "patch: of another image than the one that runs"
    assert sent(device, b"x" * 500)["rsn"].startswith("patch: none of ours")
    assert sent(device, bytes(HEAD_BYTES))["rsn"].startswith("len: 104 bytes, a patch has up to")
    assert sent(device, PATCH.data[:HEAD_BYTES] + bytes(LIMIT))["rsn"].startswith("len: ")
    assert sent(device, PATCH.data, sha=b"short")["rsn"].startswith("sha: must be the 32 bytes")
    reached = wrapping(1 << 24, PATCH.base, PATCH.result, PATCH.result_sha256) + bytes(100)
    assert "another image" in sent(device, reached)["rsn"]
    assert not (device.folder / "patch").exists()
    assert told(device) == {"off": 0, "len": 0, "at": 0, "of": 0}


@pytest.mark.parametrize("place", [HEAD_BYTES, HEAD_BYTES + 30, len(PATCH.data) - 12])
def test_a_damaged_patch_is_refused_and_the_image_is_sent(device: Device, place: int):
    """Damaged before its SHA-256 was taken: decoded wrong, or another digest at the end."""
    bad = bytearray(PATCH.data)
    bad[place] ^= 1
    damaged = patches.parse(bytes(bad))
    result = device.updated(NEW, patch=damaged)
    assert (result.outcome, result.patched) == (Outcome.UPDATED, False)
    assert result.unpatched.startswith(("patch: ", "image: its SHA-256 is wrong"))
    assert result.sent == len(NEW) + len(PATCH.data)
    assert result.resumed_at == 0, "nothing goes on from what a bad patch made"


def test_what_was_damaged_on_the_way_is_not_applied(device: Device):
    sent(device, PATCH.data, to=2200)
    rest = bytes(len(PATCH.data) - 2200)
    writes = device.chip.writes
    device.request(2, GROUP, COMMAND, {"off": 2200, "data": rest})
    assert run(device)["rsn"] == "patch: its SHA-256 is wrong"
    assert device.chip.writes == writes
    assert not (device.folder / "patch").exists()


def test_a_patch_that_makes_another_image_than_it_says_leaves_none(device: Device):
    lie = wrapping(len(OLD), PATCH.base, bytes(32), bytes(32)) + PATCH.data[HEAD_BYTES:]
    sent(device, lie)
    assert run(device)["rsn"] == "patch: it makes another image than it says"
    assert device.update.upload is None


def named(device: Device, patch: Patch | None = PATCH, image: Named = NAMED) -> upload.Result:
    """An update by somebody who has not the image, but knows what was signed."""
    return upload.update(device, image, patch=patch, wait=device.wait)


def test_an_image_that_is_only_named_is_reached_by_its_patch(device: Device):
    assert named(device) == upload.Result(Outcome.UPDATED, sent=len(PATCH.data), patched=True)
    assert device.runs == "0.2.0"
    assert named(device, None) == upload.Result(Outcome.UPDATED), "it runs, and that can be seen"
    assert held(device) == Held(
        PATCH.result, LIMIT, frozenset({PATCH.result_sha256, parse(OLD).sha256})
    )


def test_one_that_lies_there_already_is_only_tried(device: Device):
    sent(device, PATCH.data)
    run(device)
    assert named(device, None) == upload.Result(Outcome.UPDATED)
    assert device.runs == "0.2.0"


def test_what_a_patch_makes_is_judged_by_the_digest_that_is_believed(device: Device):
    """It says of itself what is wanted, and the device believes it."""
    other = parse(image("0.2.0", more=b"what nobody signed"))
    makes = patches.make(parse(OLD), other)
    head = wrapping(len(OLD), makes.base, makes.result, NAMED.sha256)
    lie = patches.parse(head + makes.data[HEAD_BYTES:])
    device.patches._sha = lambda slot: NAMED.sha256 if device.patches.busy else truth(slot)
    truth = type(device.patches)._sha.__get__(device.patches)
    result = named(device, lie)
    assert (result.outcome, result.reason) == (
        Outcome.UNPATCHED,
        "what it made of the patch is not the image that is wanted",
    )
    assert device.runs == "0.1.0"
    assert not any(one["pending"] for one in device.request(0, 1, 0, {})["images"])


def test_a_patch_that_makes_another_image_is_refused_by_the_device_too(device: Device):
    other = patches.make(parse(OLD), parse(image("0.2.0", more=b"what nobody signed")))
    lie = wrapping(len(OLD), other.base, other.result, NAMED.sha256) + other.data[HEAD_BYTES:]
    result = named(device, patches.parse(lie))
    assert (result.outcome, result.reason) == (
        Outcome.UNPATCHED,
        "patch: it makes another image than it says",
    )
    assert device.updated(NEW).outcome is Outcome.UPDATED


def test_without_a_patch_that_serves_it_is_not_reached_and_the_reason_is_told(device: Device):
    another = patches.make(parse(image("0.1.5")), parse(NEW))
    elsewhere = patches.make(parse(OLD), parse(image("0.3.0")))
    for patch, why in (
        (another, "it is of another image than the one that runs"),
        (elsewhere, "it makes another image"),
        (None, "no slot holds it"),
    ):
        result = named(device, patch)
        assert (result.outcome, result.reason, result.sent) == (Outcome.UNPATCHED, why, 0)
    older = Named(NAMED.sha256, "mps2", Version(0, 0, 9))
    assert named(device, PATCH, older).outcome is Outcome.REFUSED
    assert "board" in named(device, PATCH, Named(NAMED.sha256, "pico", None)).reason


def test_a_device_that_does_not_say_what_it_made_is_sent_no_patch_of_a_named_image(
    device: Device,
):
    class Older(Device):
        def request(self, *asked: Any, **how: Any) -> dict[Any, Any]:
            answer = super().request(*asked, **how)
            answer.pop("sha", None)
            return answer

    device.__class__ = Older
    result = named(device)
    assert (result.outcome, result.sent) == (Outcome.UNPATCHED, 0)
    assert "does not say what it makes" in result.reason
    assert held(device) == Held(PATCH.base, LIMIT, frozenset())


def test_only_of_an_image_in_a_slot_the_device_says_its_sha(device: Device):
    def of(slot: object) -> dict[Any, Any]:
        return device.request(0, GROUP, COMMAND, {"slot": slot})

    assert of(0)["sha"] == parse(OLD).sha256
    assert "sha" not in of(1)
    assert of(2)["rsn"] == of("x")["rsn"] == "slot: there are 0 and 1"


def test_what_a_bad_patch_left_before_a_power_cut_is_no_part_of_the_image(device: Device):
    """It wrote under the name of the image that it claims to make."""
    other = patches.make(parse(OLD), parse(image("0.2.0", more=Random(2).randbytes(3000))))
    lie = wrapping(len(OLD), other.base, PATCH.result, PATCH.result_sha256)
    sent(device, lie + other.data[HEAD_BYTES:])
    while device.update.at < 5 * SECTOR:
        assert device.patches.step()
    device.start(Cause.POWER)
    assert device.update.at > 0
    device.steps = 0
    result = device.updated(NEW)
    assert (result.outcome, result.resumed_at) == (Outcome.UPDATED, 0)


def test_it_goes_on_where_it_was_after_a_lost_line_and_after_a_power_cut(device: Device):
    sent(device, PATCH.data, to=2200)
    device.start(Cause.POWER)
    assert told(device)["off"] == 2200
    result = device.updated(NEW, patch=PATCH)
    assert (result.resumed_at, result.patched) == (2200, True)
    # The first piece is said again to ask where it was.
    assert result.sent < 2 * len(PATCH.data)


def test_whoever_lost_the_last_answer_does_not_send_it_again(device: Device):
    sent(device, PATCH.data)
    run(device)
    assert sent(device, PATCH.data) == {"off": len(PATCH.data)}
    assert not device.patches.busy


def test_a_power_cut_in_any_write_leaves_a_device_that_finishes(tmp_path: Path):
    """Each write to the slots torn in its middle; at the next start it makes the image anew."""
    new = parse(image("0.2.0", size=9_000))
    patch = patches.make(parse(OLD), new)
    device = Device(tmp_path)
    before = device.chip.flash
    begun = device.chip.writes
    sent(device, patch.data)
    run(device)
    made = device.chip.writes - begun
    assert made > 6
    spared = 0
    for write in range(1, made + 1):
        device = Device(tmp_path, before)
        sent(device, patch.data)
        device.chip.power(write, 100)
        device.last_write = device.chip.writes + write
        with suppress(PowerCutError):
            run(device)
        device.chip.power(None)
        device = Device(tmp_path, device.chip.flash)
        writes = device.chip.writes
        run(device)
        spared += device.chip.writes - writes < made
        found = [one["hash"] for one in device.request(0, 1, 0, {})["images"]]
        assert found == [parse(OLD).digest, new.digest], write
        assert not (device.folder / "patch").exists()
        result = device.updated(new.data, patch=patch)
        assert (result.outcome, result.sent, device.runs) == (Outcome.UPDATED, 0, "0.2.0")
    assert spared, "sectors that were written are not written again"


def test_an_image_that_is_sent_takes_the_slot_from_a_patch(device: Device):
    sent(device, PATCH.data)
    for _ in range(20):
        device.patches.step()
    assert device.update.at > SECTOR
    newer = image("0.3.0")
    assert device.updated(newer).outcome is Outcome.UPDATED
    assert device.runs == "0.3.0"
    assert not (device.folder / "patch").exists()


def test_erasing_the_slot_ends_a_patch_and_says_so(device: Device):
    sent(device, PATCH.data)
    device.patches.step()
    device.request(2, 1, 5, {})
    assert told(device)["rsn"] == "patch: the slot was needed otherwise"
    assert not device.patches.step()


def test_no_patch_is_taken_while_an_image_is_on_trial(device: Device):
    sent(device, PATCH.data)
    run(device)
    device.request(2, 1, 0, {"hash": PATCH.result})
    assert "waits for the next start" in sent(device, PATCH.data)["rsn"]
    device.start(Cause.RESET)
    assert "on trial" in sent(device, PATCH.data)["rsn"]


def test_a_file_system_that_is_full_is_told_and_the_image_is_sent(device: Device):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        answer = sent(device, PATCH.data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "no room" in answer["rsn"]
    assert not (device.folder / "patch").exists()
    device.patches._file = str(device.folder / "no folder" / "patch")
    result = device.updated(NEW, patch=PATCH)
    assert (result.outcome, result.patched) == (Outcome.UPDATED, False)
    assert "errno 2" in result.unpatched


def test_a_device_that_stands_still_is_sent_the_image(device: Device):
    device.steps = 0
    result = device.updated(NEW, patch=PATCH)
    assert (result.outcome, result.patched) == (Outcome.UPDATED, False)
    assert "stands still" in result.unpatched


def test_a_device_that_is_lost_meanwhile_is_lost(device: Device):
    class Gone(Device):
        def request(self, *asked: Any, **how: Any) -> dict[Any, Any]:
            if asked[:2] == (0, GROUP):
                raise OSError("no answer")
            return super().request(*asked, **how)

    device.__class__ = Gone
    assert device.updated(NEW, patch=PATCH).outcome is Outcome.LOST


def test_one_that_knows_no_patches_is_not_asked(device: Device):
    class Older(Device):
        def request(self, *asked: Any, **how: Any) -> dict[Any, Any]:
            assert asked[1] != GROUP
            answer = super().request(*asked, **how)
            answer.pop("patch", None)
            return answer

    device.__class__ = Older
    assert device.updated(NEW, patch=PATCH).outcome is Outcome.UPDATED


def test_node_and_device_mean_the_same_request():
    assert (upload.PATCHES, upload.PATCH) == (GROUP, COMMAND)


def test_a_patch_is_read_and_made_with_reasons_for_refusals():
    assert patches.parse(PATCH.data) == PATCH
    assert patches.apply(PATCH, OLD) == NEW
    with pytest.raises(patches.PatchFileError, match="shorter than its header"):
        patches.parse(b"")
    with pytest.raises(patches.PatchFileError, match="both must be for the same one"):
        patches.make(parse(OLD), parse(image("0.2.0", board="pico")))
    cut = Patch(PATCH.data[:-5], *[getattr(PATCH, name) for name in Patch.__slots__[1:]])
    with pytest.raises(patches.PatchFileError, match="cut off"):
        patches.apply(cut, OLD)
