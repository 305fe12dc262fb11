import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from edge.net.errors import AddressError
from edge.pacing import STATUS_BURST, STATUS_RATE
from edge.uplink import LinkState, Uplink, UplinkConfig
from edge.wire import limits
from edge.wire.messages import CloseCode
from edge.wire.state import State
from tests.support.wire import item, status
from tests.support.wire_cloud import WireCloud
from tests.support.wire_ports import MemoryPorts


def soonest(low, high):
    """Bring every retry at once."""
    return low


@asynccontextmanager
async def linked(*, using=None, ports=None, uniform=soonest):
    """A running uplink and its cloud; on the way out the uplink stops politely."""
    async with using or WireCloud() as cloud:

        def on_link(link):
            cloud.link_errors.append(link.error)
            tasks.append(asyncio.create_task(cloud.happened()))

        uplink = Uplink(
            UplinkConfig(cloud.url), ports or MemoryPorts(), uniform=uniform, on_link=on_link
        )
        tasks = [running := asyncio.create_task(uplink.run())]
        try:
            yield uplink, cloud, uplink._ports
        finally:
            uplink.stop()
            await running
            await asyncio.gather(*tasks)


def online(uplink):
    return lambda: uplink.link.state is LinkState.ONLINE


def failed(cloud, words):
    return lambda: any(words in error for error in cloud.link_errors)


def run(test):
    """Run the coroutine function on a fresh loop."""

    def wrapper():
        asyncio.run(test())

    wrapper.__name__ = test.__name__
    return wrapper


@run
async def test_a_node_says_hello_and_comes_online():
    async with linked() as (uplink, cloud, _):
        await cloud.until(online(uplink))
        assert [said.node for said in cloud.hellos] == ["n1"]
    assert uplink.link.state is LinkState.STOPPED
    assert cloud.ends[0].reason == "the agent stops"


@run
async def test_readings_of_before_and_after_the_connection_are_stored_in_order():
    ports = MemoryPorts()
    ports.outbox.append(b"before")
    async with linked(ports=ports) as (_, cloud, _):
        await cloud.until(lambda: cloud.seqs() == [1])
        ports.outbox.append(b"after")
        await cloud.until(lambda: cloud.seqs() == [1, 2])


@run
async def test_stored_readings_leave_the_outbox():
    async with linked() as (_, cloud, ports):
        ports.outbox.append(*[b"x"] * 100)
        await cloud.until(lambda: len(cloud.entries) == 100)
        assert await asyncio.to_thread(ports.outbox.emptied.wait, 10)


@run
async def test_readings_appended_from_many_threads_arrive_once():
    async with linked() as (_, cloud, ports):
        threads = [
            threading.Thread(target=lambda: [ports.outbox.append(b"x") for _ in range(200)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        await cloud.until(lambda: cloud.seqs() == list(range(1, 801)))
        for thread in threads:
            thread.join()


@run
async def test_a_small_window_only_slows_the_node():
    cloud = WireCloud()
    cloud.window = limits.WINDOW_MIN
    async with linked(using=cloud) as (_, cloud, ports):
        ports.outbox.append(*[bytes(limits.PACK_LIMIT)] * 20)
        await cloud.until(lambda: cloud.seqs() == list(range(1, 21)))


@run
async def test_a_busy_node_sends_few_batches():
    async with linked() as (uplink, cloud, ports):
        await cloud.until(online(uplink))
        cloud.storing.clear()
        ports.outbox.append(b"x")
        for _ in range(500):
            ports.outbox.append(b"x")
            await asyncio.sleep(0)
        cloud.storing.set()
        await cloud.until(lambda: len(cloud.entries) == 501)
        assert cloud.batches <= 5


@run
async def test_a_link_cut_in_the_middle_of_a_frame_loses_and_doubles_nothing():
    cloud = WireCloud()
    ports = MemoryPorts()
    ports.outbox.append(*[bytes([n]) * 1000 for n in range(200)])
    cloud.cuts = [100, 300, 700, 5_000, 50_000, 120_000]
    async with linked(using=cloud, ports=ports) as (_, cloud, _):
        await cloud.until(lambda: len(cloud.entries) == 200 and not cloud.cuts)
        assert cloud.connections == 7
    assert cloud.seqs() == list(range(1, 201))


@run
async def test_a_batch_stored_but_not_acknowledged_is_not_stored_again():
    cloud = WireCloud()
    cloud.cut_before_ack = 3
    async with linked(using=cloud) as (_, cloud, ports):
        ports.outbox.append(*[b"x" * 500] * 300)
        await cloud.until(lambda: len(cloud.entries) == 300 and cloud.connections == 4)
        assert cloud.seqs() == list(range(1, 301))


@run
async def test_a_cloud_that_forgot_its_mark_gets_it_all_again_and_ignores_it():
    cloud = WireCloud()
    cloud.cut_before_ack = 1
    cloud.forget_mark = True
    async with linked(using=cloud) as (_, cloud, ports):
        ports.outbox.append(*[b"x"] * 10)
        await cloud.until(lambda: cloud.batches >= 2)
        assert cloud.seqs() == list(range(1, 11))


@run
async def test_a_cloud_that_stops_reading_is_lost_and_found_again():
    cloud = WireCloud()
    cloud.heartbeat = 0.05
    async with linked(using=cloud) as (uplink, cloud, ports):
        await cloud.until(online(uplink))
        cloud.reading.clear()
        ports.outbox.append(*[bytes(60_000)] * 40)
        await cloud.until(failed(cloud, "nothing heard"))
        cloud.heartbeat = limits.HEARTBEAT
        cloud.reading.set()
        await cloud.until(lambda: cloud.seqs() == list(range(1, 41)))


@run
async def test_a_silent_cloud_is_left_after_three_heartbeats():
    cloud = WireCloud()
    cloud.heartbeat = 0.05
    async with linked(using=cloud) as (uplink, cloud, _):
        await cloud.until(online(uplink))
        cloud.silent = True
        await cloud.until(failed(cloud, "nothing heard"))


@run
async def test_heartbeats_keep_an_idle_link():
    cloud = WireCloud()
    cloud.heartbeat = 0.05
    async with linked(using=cloud) as (uplink, cloud, _):
        await cloud.until(online(uplink))
        session, start = cloud.peer.session, asyncio.get_running_loop().time()
        await cloud.until(lambda: session._heard > start + 10 * cloud.heartbeat)
        assert (uplink.link.state, cloud.connections) == (LinkState.ONLINE, 1)


@run
async def test_a_store_that_went_back_in_time_gets_another_epoch():
    cloud = WireCloud()
    cloud.marks[7] = 50
    async with linked(using=cloud) as (_, cloud, ports):
        ports.outbox.append(b"x", b"y")
        await cloud.until(lambda: cloud.seqs() == [1, 2])
        assert ports.outbox.epoch == 8
        assert cloud.marks == {7: 50, 8: 2}


@run
async def test_all_statuses_come_first_and_then_what_changes():
    ports = MemoryPorts()
    ports.current = {"a": status("a"), "b": status("b")}
    async with linked(ports=ports) as (uplink, cloud, _):
        await cloud.until(lambda: set(cloud.statuses) == {"a", "b"})
        ports.current["b"] = status("b", b"changed")
        uplink.notify()
        await cloud.until(lambda: cloud.statuses["b"].status == b"changed")
        del ports.current["a"]
        uplink.notify()
        await cloud.until(lambda: set(cloud.statuses) == {"b"})
        assert cloud.status_messages == 3


@run
async def test_an_app_that_reports_without_end_is_told_of_now_and_then():
    ports = MemoryPorts()
    async with linked(ports=ports) as (uplink, cloud, ports):
        start = asyncio.get_running_loop().time()
        for number in range(1, 301):
            ports.current = {"a": status("a", str(number).encode())}
            uplink.notify()
            ports.outbox.append(b"x")
            await cloud.until(lambda number=number: len(cloud.entries) == number)
        spent = asyncio.get_running_loop().time() - start
        assert cloud.status_messages <= STATUS_BURST + STATUS_RATE * spent + 1
        await cloud.until(lambda: cloud.statuses["a"].status == b"300")


@run
async def test_statuses_too_many_for_one_message_come_in_several():
    ports = MemoryPorts()
    ports.current = {f"a{n}": status(f"a{n}", bytes(60_000)) for n in range(40)}
    async with linked(ports=ports) as (_, cloud, _):
        await cloud.until(lambda: len(cloud.statuses) == 40)
        assert cloud.status_messages == 3


@run
async def test_log_lines_arrive_and_the_lost_are_counted():
    ports = MemoryPorts()
    for n in range(5000):
        ports.logs.add("app", 6, f"line {n}", n)
    async with linked(ports=ports) as (_, cloud, _):
        await cloud.until(lambda: cloud.lines and cloud.lines[-1].text == "line 4999")
        assert len(cloud.lines) + cloud.lost_lines == 5000
        ports.logs.add("app", 6, "one more", 1)
        await cloud.until(lambda: cloud.lines[-1].text == "one more")


@run
async def test_a_desired_step_is_persisted_and_then_acknowledged():
    async with linked() as (uplink, cloud, ports):
        await cloud.until(online(uplink))
        await cloud.peer.desire(3, None, [item("a", 300_000 // 2), item("b", 250_000)])
        await cloud.until(lambda: cloud.held == 3)
        await cloud.peer.desire(4, 3, [], [("app", "a")])
        await cloud.until(lambda: cloud.held == 4)
        assert set(ports.desired) == {"b"}


@run
async def test_a_step_from_another_base_is_refused_with_what_is_held():
    async with linked() as (uplink, cloud, _):
        await cloud.until(online(uplink))
        await cloud.peer.desire(9, 8, [])
        await cloud.until(lambda: cloud.resets)
        assert cloud.held == 0
        await cloud.peer.desire(9, None, [])
        await cloud.until(lambda: cloud.held == 9)


@run
async def test_an_agent_that_cannot_persist_shows_why_and_tries_again():
    ports = MemoryPorts()
    ports.broken = OSError("the disk is full")
    async with linked(ports=ports) as (uplink, cloud, _):
        await cloud.until(online(uplink))
        await cloud.peer.desire(1, None, [])
        await cloud.until(failed(cloud, "the disk is full"))
        ports.broken = None
        await cloud.until(lambda: cloud.connections == 2 and online(uplink)())
        await cloud.peer.desire(1, None, [])
        await cloud.until(lambda: cloud.held == 1)


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [
        (lambda peer: peer.send_raw(b"\xff"), "protocol: message: not CBOR"),
        (lambda peer: peer.send_bytes(b"\x83\x00"), "not WebSocket"),
        (lambda peer: peer.send_bytes(b"\x81\x02hi"), "a text message"),
        (lambda peer: peer.send_raw(bytes(limits.FRAME_LIMIT + 1)), "more than 1048576 bytes"),
        (lambda peer: peer.send_bytes(b"\x88\x02\x03\xe8"), "the cloud hung up"),
        (lambda peer: peer.close(CloseCode.OVERLOAD, "too many"), "overload: too many"),
    ],
)
def test_a_cloud_that_misbehaves_is_left_and_tried_again(misbehave, words):
    async def test():
        async with linked() as (uplink, cloud, _):
            await cloud.until(online(uplink))
            await misbehave(cloud.peer)
            await cloud.until(failed(cloud, words))
            await cloud.until(lambda: cloud.connections == 2 and online(uplink)())

    asyncio.run(test())


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("refuse_with", (CloseCode.REFUSED, "unknown node"), "refused: unknown node"),
        ("reject_upgrade", 403, "HTTP 403"),
    ],
)
def test_a_refused_node_waits_longest_and_can_be_hurried(setting, value, words):
    async def test():
        bounds = []

        def longest(low, high):
            bounds.append(high)
            return high

        cloud = WireCloud()
        setattr(cloud, setting, value)
        async with linked(using=cloud, uniform=longest) as (uplink, cloud, _):
            await cloud.until(lambda: uplink.link.state is LinkState.WAITING)
            assert words in uplink.link.error
            assert bounds == [300.0]
            assert uplink.link.next_try > uplink.link.since + 299
            setattr(cloud, setting, None)
            uplink.retry_now()
            await cloud.until(online(uplink))

    asyncio.run(test())


@run
async def test_a_cloud_that_is_not_there_is_tried_with_growing_delays():
    bounds = []

    def shortest(low, high):
        bounds.append(high)
        if len(bounds) == 5:
            uplink.stop()
        return low

    async with WireCloud() as cloud:
        url = cloud.url
    uplink = Uplink(UplinkConfig(url), MemoryPorts(), uniform=shortest)
    await uplink.run()
    assert bounds == [1, 2, 4, 8, 16]


def test_a_url_that_cannot_be_is_told_at_once():
    with pytest.raises(AddressError, match="scheme ftp, expected http or https"):
        Uplink(UplinkConfig("ftp://cloud"), MemoryPorts())


@run
async def test_stopping_is_polite():
    async with linked() as (uplink, cloud, _):
        await cloud.until(online(uplink))
        session = cloud.peer.session
    assert session.state is State.CLOSED
