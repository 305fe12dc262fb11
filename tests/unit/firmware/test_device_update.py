"""Updates on the device, by the code that runs there, on the bootloader's own core; no machine."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from firmware.device.update import GIVE_UP_AFTER, HEALTHY_FOR
from hal.errors import BusTimeoutError
from hal.link.image import Image, parse
from hal.link.upload import Outcome, Result
from tests.support.boot_core import SECTOR, SLOTS_AT, Cause, Chip
from tests.support.updated_chip import NEW, OLD, Device, PowerCutError, image


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_an_image_is_sent_tried_judged_and_kept(device: Device):
    seen: list[bool] = []
    device.meanwhile = lambda: seen.append(device.update.trial)
    assert device.updated() == Result(Outcome.UPDATED, sent=len(NEW))
    assert any(seen), "it was on trial before"
    assert device.runs == "0.2.0"
    assert device.update.brief() == {"slot": 1, "version": "0.2.0", "trial": False}
    device.start(Cause.POWER)
    assert device.runs == "0.2.0"
    assert device.updated(image("0.3.0")).outcome is Outcome.UPDATED
    assert device.update.brief() == {"slot": 0, "version": "0.3.0", "trial": False}


def test_it_is_judged_for_a_while_and_not_at_once(device: Device):
    device.linked = False
    device.request(2, 1, 0, {})
    assert send(device, NEW)
    device.request(2, 1, 0, {"hash": parse(NEW).digest})
    device.start(Cause.RESET)
    assert not device.update.judge(0, False, True, ["air"], ["air"])
    assert not device.update.judge(10_000, True, True, ["air"], ["air"])
    assert not device.update.judge(10_000 + HEALTHY_FOR - 1, True, True, ["air"], ["air"])
    assert device.update.trial
    assert not device.update.judge(10_000 + HEALTHY_FOR, True, True, ["air"], ["air"])
    assert not device.update.trial


def test_one_bad_look_begins_the_judgement_anew(device: Device):
    assert send(device, NEW)
    device.request(2, 1, 0, {"hash": parse(NEW).digest})
    device.start(Cause.RESET)
    for now, linked in ((0, True), (2_000, False), (2_100, True), (HEALTHY_FOR + 2_000, True)):
        assert not device.update.judge(now, linked, True, ["air"], [])
    assert device.update.trial
    device.update.judge(HEALTHY_FOR + 2_100, True, True, [], [])
    assert not device.update.trial


def send(device: Device, data: bytes, to: int | None = None) -> bool:
    """Upload as far as `to`, in chunks that end where they like."""
    at, to = 0, len(data) if to is None else to
    while at < to:
        content: dict[str, Any] = {"off": at, "data": data[at : min(at + 1111, to)]}
        if at == 0:
            content |= {"len": len(data), "sha": parse(data).sha256, "image": 0}
        answer = device.request(2, 1, 1, content)
        if "rsn" in answer:
            raise AssertionError(answer)
        at = answer["off"]
    return at == len(data)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("linked", "it met no node"),
        ("configured", "it could not use its configuration"),
        ("readable", "it could not read what could be read before"),
    ],
)
def test_an_image_that_is_not_fit_gives_up_and_says_why(device: Device, broken: str, reason: str):
    def breaks() -> None:
        if device.update.trial:
            setattr(device, broken, [])

    device.meanwhile = breaks
    result = device.updated()
    assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, reason)
    assert device.runs == "0.1.0"
    assert device.update.brief() == {
        "slot": 0,
        "version": "0.1.0",
        "trial": False,
        "rollback": reason,
        "rolled_back": "0.2.0",
    }
    assert device.now >= GIVE_UP_AFTER


def test_what_could_not_be_read_before_need_not_be_readable(device: Device):
    device.properties = ["air", "attic"]
    assert device.updated().outcome is Outcome.UPDATED
    device.meanwhile = lambda: device.properties.clear() if device.update.trial else None
    device.readable = []
    assert device.updated(image("0.3.0")).outcome is Outcome.UPDATED


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.WATCHDOG, "it hung: the watchdog ended it"),
        (Cause.FAULT, "it crashed"),
        (Cause.POWER, "the power went before it was confirmed"),
        (Cause.RESET, "it was reset before it was confirmed"),
    ],
)
def test_an_image_that_does_not_live_is_rolled_back_and_the_node_is_told_why(
    device: Device, cause: Cause, reason: str
):
    def dies() -> None:
        if device.update.trial:
            device.start(cause)
            raise BusTimeoutError("no answer")

    device.meanwhile = dies
    result = device.updated()
    assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, reason)


def test_a_program_that_ends_gives_up_too(device: Device):
    assert not device.update.ended()
    send(device, NEW)
    device.request(2, 1, 0, {"hash": parse(NEW).digest})
    device.start(Cause.RESET)
    assert device.update.ended()
    device.start(Cause.RESET)
    assert device.update.brief()["rollback"] == "its program ended"


def test_an_upload_goes_on_where_it_was_after_a_lost_line_and_after_a_power_cut(device: Device):
    send(device, NEW, to=17_000)
    result = device.updated()
    assert (result.outcome, result.resumed_at) == (Outcome.UPDATED, 17_000)
    newer = image("0.3.0")
    send(device, newer, to=17_000)
    device.start(Cause.POWER)
    result = device.updated(newer)
    assert (result.outcome, result.resumed_at) == (Outcome.UPDATED, 4 * SECTOR)
    assert device.runs == "0.3.0"


def test_another_upload_begins_anew(device: Device):
    send(device, NEW, to=17_000)
    newer = image("0.3.0")
    assert device.updated(newer) == Result(Outcome.UPDATED, sent=len(newer))


def test_a_power_cut_in_any_write_of_an_update_leaves_a_device_that_can_be_updated(tmp_path: Path):
    """Each write of a small update, torn in its middle; then the update is asked for again."""
    small = image("0.2.0", size=9_000)
    device = Device(tmp_path)
    before, begun = device.chip.flash, device.chip.writes
    assert device.updated(small).outcome is Outcome.UPDATED
    resumed: set[int] = set()
    for write in range(1, device.chip.writes - begun + 1):
        device = Device(tmp_path, before)
        device.chip.power(write, 100)
        device.last_write = device.chip.writes + write
        with suppress(PowerCutError, OSError):
            device.updated(small)
        device.chip.power(None)
        device = Device(tmp_path, device.chip.flash)
        assert device.runs in ("0.1.0", "0.2.0")
        result = device.updated(small)
        assert result.outcome is Outcome.UPDATED, (write, result)
        assert device.runs == "0.2.0"
        resumed.add(result.resumed_at)
    assert {0, SECTOR, 2 * SECTOR} <= resumed


def test_what_need_not_be_sent_to_be_refused_is_refused_at_once(device: Device):
    begin = {"off": 0, "len": len(NEW), "sha": parse(NEW).sha256, "data": NEW[:200]}
    for wrong, words in (
        ({"image": 1}, "image: there is only 0"),
        ({"len": 1 << 20}, "len: 1048576 bytes, a slot has 1044480"),
        ({"len": 0}, "len: 0 bytes"),
        ({"sha": b"short"}, "sha: must be the 32 bytes"),
        ({"data": b"\x7fELF" + bytes(100)}, "data: no image begins here"),
        ({"data": b""}, "data: no image begins here"),
        ({"data": image("0.0.9")[:200]}, "version: 0.0.9 is older than 0.1.0, which runs"),
        ({"len": 100}, "data: more than len"),
    ):
        writes = device.chip.writes
        assert words in device.request(2, 1, 1, begin | wrong)["rsn"]
        assert device.chip.writes == writes or "more than len" in words
    assert device.request(2, 1, 1, {"off": 500, "data": b"x"}) == {"off": 0}


def refusal(device: Device, data: bytes, *, damage: int | None = None, **more: Any) -> str:
    """What the device says to an image that the node did not judge."""
    sent = bytearray(data)
    if damage is not None:
        sent[damage] ^= 1
    answer: dict[Any, Any] = {"off": 0}
    while answer["off"] < len(sent):
        at = answer["off"]
        content: dict[str, Any] = {"off": at, "data": bytes(sent[at : at + 1024])} | more
        if at == 0:
            content |= {"len": len(sent), "sha": bytes(32)}
        answer = device.request(2, 1, 1, content)
        if "rsn" in answer:
            return str(answer["rsn"])
    raise AssertionError("it took the image")


def test_what_turns_out_wrong_at_the_end_is_refused_and_nothing_of_it_stays(device: Device):
    assert refusal(device, NEW[:20_000]) == "image: its lengths cannot be"
    assert refusal(device, NEW, damage=20_000) == "image: its SHA-256 is wrong"
    assert refusal(device, image("0.2.0", board="pico")).startswith("board: the image is for")
    begin = {"off": 0, "len": len(NEW), "sha": bytes(32), "data": NEW[:1024]}
    assert device.request(2, 1, 1, begin) == {"off": 1024}, "it does not go on after a bad one"
    assert len(device.request(0, 1, 0, {})["images"]) == 1


def test_the_node_hears_the_reason_of_a_refusal(device: Device):
    class Elsewhere(Device):
        """Says nothing of its board, so the node sends the image."""

        def request(self, *asked: Any, **how: Any) -> dict[Any, Any]:
            answer = super().request(*asked, **how)
            answer.pop("board", None)
            return answer

    device.__class__ = Elsewhere
    result = device.updated(image("0.2.0", board="pico"))
    assert (result.outcome, result.reason) == (
        Outcome.REFUSED,
        "upload: board: the image is for another board than this",
    )


def test_an_older_image_is_taken_when_it_is_meant(device: Device):
    assert device.updated().outcome is Outcome.UPDATED
    result = device.updated(OLD)
    assert "0.1.0 is older than 0.2.0" in result.reason
    assert device.updated(image("0.1.0", size=20_000), downgrade=True).outcome is Outcome.UPDATED
    assert device.runs == "0.1.0"


def test_a_slot_that_is_needed_is_not_given_away(device: Device):
    send(device, NEW)
    mark = {"hash": parse(NEW).digest}
    assert "tried first" in device.request(2, 1, 0, mark | {"confirm": True})["rsn"]
    assert "no such image" in device.request(2, 1, 0, {"hash": bytes(32)})["rsn"]
    assert "that image runs" in device.request(2, 1, 0, {"hash": parse(OLD).digest})["rsn"]
    state = device.request(2, 1, 0, mark)
    assert [one["pending"] for one in state["images"]] == [False, True]
    begin = {"off": 0, "len": len(NEW), "sha": bytes(32), "data": NEW[:1024]}
    assert "waits for the next start" in device.request(2, 1, 1, begin)["rsn"]
    device.start(Cause.RESET)
    for asked in ((2, 1, 1, begin), (2, 1, 5, {}), (2, 1, 0, {"hash": parse(OLD).digest})):
        assert "on trial" in device.request(*asked)["rsn"]
    device.request(2, 1, 0, {"confirm": True})
    assert not device.update.trial
    assert device.request(2, 1, 5, {}) == {}
    assert [one["version"] for one in device.request(0, 1, 0, {})["images"]] == ["0.2.0"]


def test_an_image_in_flash_that_decayed_is_not_marked(device: Device):
    send(device, NEW)
    flash = bytearray(device.chip.flash)
    flash[SLOTS_AT + (1 << 20) + 5000] ^= 1
    device.chip.restore(bytes(flash))
    with pytest.raises(OSError, match=r"^2$"):
        device.request(2, 1, 0, {"hash": parse(NEW).digest})
    assert not Chip(device.chip.flash).start().guarded


def test_an_image_that_is_marked_is_not_marked_again(device: Device):
    """A node whose link went down while flash was read says it again, and gets its answer at once."""
    send(device, NEW)
    first = device.request(2, 1, 0, {"hash": parse(NEW).digest})
    writes = device.chip.writes
    assert device.request(2, 1, 0, {"hash": parse(NEW).digest}) == first
    assert device.chip.writes == writes
    assert [one["pending"] for one in first["images"]] == [False, True]
    device.start(Cause.RESET)
    assert device.runs == "0.2.0"


def test_the_image_of_the_uploader_is_what_lies_in_flash(device: Device):
    device.updated()
    held = device.chip.flash[SLOTS_AT + (1 << 20) :][: len(NEW)]
    found: Image = parse(held)
    assert found == parse(NEW)
