"""The thread of a microcontroller: requests in order, and a line that comes and goes."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from firmware.link.smp import READ, WRITE
from hal.errors import BusTimeoutError, DeviceGoneError, ResourceBusyError
from hal.link.line import QUEUE_LIMIT, SerialLink
from hal.link.link import Happening, Identity
from hal.link.uptime import Uptime
from tests.support.far_device import FarDevice

PATIENCE = 20.0
CLOCK = (READ, 65, 3)


class Told:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.happenings: queue.Queue[Happening] = queue.Queue()
        self.reports: queue.Queue[Any] = queue.Queue()

    def happened(self, what: Happening) -> None:
        self.happenings.put(what)

    def reported(self, report: Any) -> None:
        self.reports.put(report)

    def until(self, what: Happening) -> None:
        while self.happenings.get(timeout=PATIENCE) is not what:
            pass


class Desk:
    """A device that answers as `behave` says, its link, and what was heard of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.behave: Any = lambda content: {"r": content}
        self.device = FarDevice(self._answer)
        self.told = Told()
        self.link = SerialLink("pico", self.device.port)
        self.link.subscribe(self.told)

    def _answer(self, operation: int, group: int, command: int, content: Any) -> Any:
        if (operation, group, command) == CLOCK:
            return {"rc": 8}
        self.asked.append(command)
        return self.behave(content)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    with made.device:
        made.link.start()
        yield made
        made.link.close()


@pytest.fixture
def met(desk: Desk) -> Desk:
    desk.told.until(Happening.UP)
    return desk


def test_a_device_says_who_it_is_and_answers(met: Desk):
    assert met.link.identity == Identity("far", "7", "1.2.3")
    assert met.link.request(WRITE, 64, 1, {"v": 1}) == {"r": {"v": 1}}


def test_a_device_that_was_never_met_is_gone_and_not_waited_for():
    def nowhere() -> Any:
        raise OSError("no such port")

    link = SerialLink("pico", nowhere)
    with pytest.raises(DeviceGoneError, match="pico: it has not been met yet"):
        link.request(READ, 64, 0, {})
    link.close()


def test_requests_of_many_threads_are_each_answered_with_their_own(met: Desk):
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = met.link.request(READ, 64, 0, {"n": number}, timeout=PATIENCE)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == {number: {"r": {"n": number}} for number in range(20)}


def test_more_requests_than_the_queue_holds_are_refused(met: Desk):
    met.behave = lambda _content: None
    done: queue.Queue[Any] = queue.Queue()

    def flood() -> None:
        for _ in range(QUEUE_LIMIT + 3):
            met.link.post(READ, 64, 0, {}, done.put)

    with pytest.raises(ResourceBusyError, match=f"{QUEUE_LIMIT} requests wait"):
        flood()
    met.device.unplug()
    assert isinstance(done.get(timeout=PATIENCE), DeviceGoneError)


def test_a_request_without_an_answer_is_given_up_and_the_next_one_is_asked(met: Desk):
    met.behave = lambda content: content or None
    with pytest.raises(BusTimeoutError):
        met.link.request(READ, 64, 0, {}, timeout=0.01)
    assert met.link.request(READ, 64, 1, {"v": 2}, timeout=PATIENCE) == {"v": 2}


def test_a_content_longer_than_a_frame_is_refused_and_harms_nobody(met: Desk):
    with pytest.raises(ValueError, match="longer than a frame"):
        met.link.request(WRITE, 64, 1, {"v": bytes(1200)})
    assert met.link.request(WRITE, 64, 1, {}) == {"r": {}}


def test_unplugging_ends_what_waits_and_plugging_in_is_an_event(met: Desk):
    met.behave = lambda _content: None
    failed: queue.Queue[Any] = queue.Queue()
    met.link.post(READ, 64, 0, {}, failed.put)
    met.device.unplug()
    assert isinstance(failed.get(timeout=PATIENCE), DeviceGoneError)
    met.told.until(Happening.DOWN)
    with pytest.raises(DeviceGoneError):
        met.link.request(READ, 64, 0, {})
    met.behave = lambda content: {"r": content}
    met.device.plug()
    assert met.told.happenings.get(timeout=PATIENCE) is Happening.UP, "it kept its power"
    assert met.link.request(READ, 64, 0, {"v": 3}, timeout=PATIENCE) == {"r": {"v": 3}}


def test_a_restart_amid_a_request_ends_it_and_is_told_as_one(met: Desk):
    failed: queue.Queue[Any] = queue.Queue()
    started = threading.Event()

    def die(_content: Any) -> None:
        started.set()

    met.behave = die
    met.link.post(READ, 64, 0, {}, failed.put)
    assert started.wait(PATIENCE)
    met.device.restart()
    assert isinstance(failed.get(timeout=PATIENCE), DeviceGoneError)
    met.told.until(Happening.RESTARTED)
    met.told.until(Happening.UP)


def test_reports_arrive_once_and_in_order(met: Desk):
    for number in range(5):
        met.device.report({"n": number})
    assert [met.told.reports.get(timeout=PATIENCE) for _ in range(5)] == [
        {"n": number} for number in range(5)
    ]


def test_a_listener_that_fails_takes_nothing_from_others(met: Desk):
    class Wrong(Told):
        def reported(self, report: Any) -> None:
            raise KeyError(report)

    met.link.subscribe(Wrong())
    late = Told()
    met.link.subscribe(late)
    met.device.report({"n": 1})
    assert late.reports.get(timeout=PATIENCE) == {"n": 1}
    assert met.link.request(READ, 64, 0, {}, timeout=PATIENCE) == {"r": {}}


def test_a_listener_that_would_wait_for_itself_is_told_so(met: Desk):
    found: queue.Queue[Any] = queue.Queue()

    def ask(_answer: Any) -> None:
        try:
            met.link.request(READ, 64, 0, {})
        except RuntimeError as error:
            found.put(str(error))

    met.link.post(READ, 64, 0, {}, ask)
    assert "use post" in found.get(timeout=PATIENCE)


def test_a_devices_time_is_placed_amid_a_round_trip_and_never_in_the_future():
    uptime = Uptime()
    assert uptime.monotonic_ns(5, 900) == 900
    uptime.measured(1_000, 10_000_000, 14_000_000)
    assert uptime.monotonic_ns(2_000, 99_000_000) == 13_000_000
    assert uptime.monotonic_ns(50_000, 20_000_000) == 20_000_000
