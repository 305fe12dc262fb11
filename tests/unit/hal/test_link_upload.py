"""Updates over the link, with a server of mcumgr's at the other end."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards import mcuboot
from firmware.link import cbor
from hal.errors import ClosedError
from hal.link.image import parse
from hal.link.upload import MESSAGE_LIMIT, PATIENCE, Outcome, Phase, Result, update
from tests.support.mcumgr import Mcumgr


def image(version: str, size: int = 5000, board: str = "mps2") -> bytes:
    program = bytes(number * 7 & 255 for number in range(size))
    return mcuboot.image(program, version=version, board=board, load_address=0x10000)


OLD, NEW = image("0.1.0"), image("0.2.0")


def updated(link: Mcumgr, data: bytes = NEW, **how: Any) -> Result:
    return update(link, parse(data), wait=lambda _: None, **how)


def uploads(link: Mcumgr) -> list[Mapping[str, Any]]:
    return [said[3] for said in link.requests if said[1:3] == (1, 1)]


def test_an_image_is_sent_tried_and_kept():
    link = Mcumgr(OLD)
    assert updated(link) == Result(Outcome.UPDATED, sent=len(NEW))
    assert link.slots[0] == parse(NEW)
    assert link.confirmed
    link.restart()
    assert link.slots[0] == parse(NEW)


def test_an_image_that_runs_is_not_sent_again():
    link = Mcumgr(NEW)
    assert updated(link) == Result(Outcome.UPDATED)
    assert len(link.requests) == 2, "its state, and whether it is confirmed"


def test_an_image_that_lies_there_is_only_tried():
    link = Mcumgr(OLD)
    link.slots[1] = parse(NEW)
    assert updated(link) == Result(Outcome.UPDATED)
    assert not uploads(link)


@pytest.mark.parametrize("buffer", [None, 20, 384, 1195, 100_000])
def test_messages_are_as_long_as_the_device_takes_and_no_longer(buffer: int | None):
    link = Mcumgr(OLD, buffer=buffer)
    assert updated(link).outcome is Outcome.UPDATED
    longest = max(8 + len(cbor.encode(dict(said[3]))) for said in link.requests)
    allowed = {None: 256, 20: 128, 100_000: MESSAGE_LIMIT}.get(buffer, buffer)
    assert allowed is not None
    assert allowed - 24 < longest <= allowed
    assert all(len(said["data"]) % 16 == 0 for said in uploads(link)[:-1])


@given(deaf=st.sets(st.integers(0, 20)), forgets=st.sets(st.integers(2, 12), max_size=3))
def test_answers_that_are_lost_and_devices_that_start_anew_change_nothing(deaf, forgets):
    link = Mcumgr(OLD)
    link.deaf, link.forgets_at = deaf, forgets
    assert updated(link).outcome is Outcome.UPDATED
    assert link.slots[0] == parse(NEW)


def test_an_upload_that_was_cut_goes_on_where_it_was():
    link = Mcumgr(OLD)
    for said in range(5):
        link.request(
            2,
            1,
            1,
            {"off": said * 400, "data": NEW[said * 400 :][:400]}
            | ({} if said else {"len": len(NEW), "sha": parse(NEW).sha256}),
        )
    result = updated(link)
    assert (result.outcome, result.resumed_at) == (Outcome.UPDATED, 2000)
    assert result.sent < len(NEW) - 1000


def test_an_image_that_does_not_live_is_rolled_back_and_that_is_told():
    link = Mcumgr(OLD, hangs=True)
    result = updated(link)
    assert result.outcome is Outcome.ROLLED_BACK
    assert result.reason == "the bootloader went back to the earlier image"
    assert link.slots[0] == parse(OLD)


def test_an_older_version_is_refused_unless_it_is_meant():
    link = Mcumgr(NEW)
    result = updated(link, OLD)
    assert result.outcome is Outcome.REFUSED
    assert "0.1.0 is older than 0.2.0" in result.reason
    assert not uploads(link)
    assert updated(link, OLD, downgrade=True).outcome is Outcome.UPDATED


def test_what_the_device_refuses_is_told_in_its_words():
    class Refusing(Mcumgr):
        said: Mapping[str, Any] = {"rc": 3, "rsn": "board: this is an mps2"}

        def _upload(self, _content: Mapping[str, Any]) -> dict[str, Any]:
            return dict(self.said)

    for said, words in (
        ({"rc": 3, "rsn": "board: this is an mps2"}, "upload: board: this is an mps2"),
        ({"rc": 5}, "upload: error 5"),
        ({"rc": 8}, "upload: the device takes no updates over its link"),
        ({"err": {"group": 1, "rc": 11}}, "upload: error 11 of group 1"),
        ({"off": len(NEW), "match": False}, "the device finds another SHA-256 in its flash"),
        ({"off": "far"}, "off: 'far' is no place of the image"),
        ({"off": len(NEW) + 1}, f"off: {len(NEW) + 1} is no place of the image"),
        ({}, "off: None is no place of the image"),
        ({"off": 0}, "the device stays at byte 0"),
    ):
        link = Refusing(OLD)
        link.said = said
        result = updated(link)
        assert (result.outcome, result.reason) == (Outcome.REFUSED, words)
        assert len(uploads(link)) < 10


def test_a_device_that_says_its_board_is_not_sent_what_is_for_another():
    class Named(Mcumgr):
        def _state(self) -> dict[str, Any]:
            return super()._state() | {"board": "pico"}

    link = Named(OLD)
    result = updated(link)
    assert result.outcome is Outcome.REFUSED
    assert result.reason == "board: the image is for mps2, this is pico"
    assert updated(Named(OLD), image("0.2.0", board="pico")).outcome is Outcome.UPDATED


def test_a_device_that_does_not_answer_is_lost_and_nobody_waits_for_ever():
    link = Mcumgr(OLD)
    link.deaf = set(range(10_000))
    assert updated(link).outcome is Outcome.LOST
    assert len(link.requests) == PATIENCE
    link = Mcumgr(OLD)
    link.deaf = set(range(4, 10_000))
    result = updated(link)
    assert result.outcome is Outcome.LOST
    assert "no answer to an upload at byte" in result.reason
    link = Mcumgr(OLD)
    link.deaf = set(range(15, 10_000))
    assert updated(link).reason == "180 s after the reset it was not heard again"


def test_a_line_that_was_closed_ends_it():
    class Closed(Mcumgr):
        def request(self, *_: Any, **__: Any) -> dict[str, Any]:
            raise ClosedError("closed")

    with pytest.raises(ClosedError):
        updated(Closed(OLD))


def test_whoever_watches_sees_it_go_on():
    seen: list[tuple[Phase, int, int]] = []
    updated(Mcumgr(OLD), watcher=lambda *step: seen.append(step))
    sent = [done for phase, done, _ in seen if phase is Phase.UPLOAD]
    assert sent == sorted(sent)
    assert (sent[0], sent[-1]) == (0, len(NEW))
    assert seen[-1] == (Phase.TRIAL, 180, 180)
