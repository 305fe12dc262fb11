"""Apps in Python in the real sandbox: what a MicroPython program does, over named grants."""

import cbor2
import pytest

from edge.sandbox.exits import ExitKind
from hal.sim import SimBoard
from tests.support.guests import Node
from tests.support.python_app import python, run, said, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# --- a program and its end ----------------------------------------------------------------------


def test_what_is_printed_is_logged_line_by_line(node: Node):
    end = run(node, "import sys\nprint('one', 2, end='!\\n')\nsys.stdout.write('three')")
    assert (end.kind, end.code) == (ExitKind.EXITED, 0)
    assert node.services.lines == [(6, "one 2!"), (6, "three")]


def test_an_exception_nobody_catches_is_logged_with_file_and_line_and_ends_with_1(node: Node):
    end = run(node, "import part\npart.fail()", part="def fail():\n    return {}['missing']\n")
    assert (end.kind, end.code) == (ExitKind.EXITED, 1)
    assert node.services.lines == [
        (4, "Traceback (most recent call last):"),
        (4, '  File "/app/main.py", line 2, in <module>'),
        (4, '  File "/app/part.py", line 2, in fail'),
        (4, "KeyError: missing"),
    ]


def test_sys_exit_gives_its_code(node: Node):
    assert run(node, "import sys\nsys.exit(3)").code == 3
    assert run(node, "raise SystemExit").code == 0
    assert run(node, "raise SystemExit('why')").code == 1
    assert said(node) == ["why"]


def test_a_program_knows_its_name_and_where_it_is(node: Node):
    run(node, "import os, sys\nprint(sys.argv, sys.path, os.getcwd(), __name__)")
    assert said(node) == ["['probe-app'] ['/app', '.frozen'] /app __main__"]


def test_files_in_data_are_kept_and_those_of_the_app_are_read_only(node: Node):
    source = """
open("/data/count", "w").write("41")
print(open("/data/count").read(), open("main.py").readline().strip() == "")
try:
    open("/app/main.py", "w")
except OSError as fault:
    print(fault)
"""
    run(node, source)
    assert said(node) == ["41 True", "[Errno 30] EROFS"]
    assert (node.data / "count").read_text() == "41"


# --- machine ------------------------------------------------------------------------------------


def test_a_pin_is_a_named_grant_and_the_same_object_each_time(node: Node, board: SimBoard):
    source = """
from machine import Pin
lamp = Pin("lamp", Pin.OUT, value=1)
print(lamp, lamp.value(), lamp())
lamp.off()
lamp.toggle()
print(lamp.value(), Pin("lamp") is lamp)
lamp(0)
print(lamp.value(), Pin("button", Pin.IN, Pin.PULL_UP).value())
"""
    run(node, source)
    assert said(node) == ['Pin("lamp") 1 1', "1 True", "0 0"]
    levels = [change.state.level for change in board.changes() if change.target == "GPIO2"]
    assert levels[:5] == [False, True, False, True, False]


def test_what_is_not_granted_is_an_os_error_that_names_it(node: Node):
    source = """
import errno
from machine import I2C, Pin, UART
for what, name in ((Pin, "probe"), (I2C, "nothing"), (UART, "lamp")):
    try:
        what(name)
    except OSError as fault:
        print(fault.errno == errno.EPERM, fault)
try:
    Pin("button").on()
except OSError as fault:
    print(fault)
try:
    Pin(17)
except TypeError as fault:
    print(fault)
"""
    run(node, source)
    assert said(node)[0] == "True [Errno 1] EPERM: can't open probe"
    assert said(node)[1:3] == [
        "True [Errno 1] EPERM: can't open nothing",
        "True [Errno 1] EPERM: can't open lamp",
    ]
    assert said(node)[3:] == ["[Errno 1] EPERM", "the name of a grant in app.toml, as text"]


def test_a_driver_for_microcontrollers_runs_at_whichever_address_it_uses(node: Node):
    source = """
from machine import I2C
bus = I2C("probe", freq=400000)
at = 0x49
print(at in bus.scan(), bus.readfrom_mem(at, 3, 2))
print(bus.writeto(at, b"\\x03", False), bus.readfrom(at, 2))
bus.writeto_mem(at, 3, b"\\x45\\x00")
into = bytearray(2)
bus.readfrom_mem_into(at, 3, into)
print(into)
print(bus.writevto(at, [b"\\x03", b"\\x46", b"\\x00"]), bus.writeto(at, b"\\x03"))
bus.readfrom_into(at, into)
print(into)
"""
    run(node, source)
    assert said(node) == [
        "True b'P\\x00'",
        "1 b'P\\x00'",
        "bytearray(b'E\\x00')",
        "3 1",
        "bytearray(b'F\\x00')",
    ]


def test_reading_a_register_is_one_host_call_however_long_it_is(node: Node):
    loop = (
        "from machine import I2C\nread = I2C('probe').readfrom_mem\n" + "read(0x48, 3, %d)\n" * 50
    )
    calls: list[int] = []
    for size in (1, 2):
        guest = node.guest(**python(node, main=loop.replace("%d", str(size))))
        guest.run()
        calls.append(guest.usage().calls)
    assert calls[0] == calls[1]
    bare = node.guest(**python(node, main="from machine import I2C\nI2C('probe')"))
    bare.run()
    # Fifty reads; a longer program takes some reads of its file more.
    assert 50 <= calls[0] - bare.usage().calls <= 60


def test_a_device_that_is_not_there_is_enodev(node: Node, board: SimBoard):
    board.drive("i2c-1:0x48", present=0)
    source = """
import errno
from machine import I2C
bus = I2C("probe")
print(bus.scan())
try:
    bus.readfrom_mem(0x48, 0, 2)
except OSError as fault:
    print(fault.errno == errno.ENODEV, fault)
"""
    run(node, source)
    assert said(node) == ["[]", "True [Errno 19] ENODEV"]


def test_a_uart_is_a_stream(node: Node, board: SimBoard):
    source = """
import time
from machine import UART
port = UART("meter", 9600, timeout=5000)
print("open")
print(port.readline(), port.readline(), port.any(), port.read(2), port.read(2))
print(UART("spare").read(), port.write(b"ack"))
time.sleep(60)
"""
    running = start(node, source)
    node.services.wait_for_line("open")
    board.drive("serial0", send="$GP1\n$GP2\nrest")
    node.services.wait_for_line("None 3")
    assert board.wait_for(lambda state: state["serial0"].received == b"ack", 10)
    running.guest.stop(5)
    assert running.end().code == 0
    assert said(node) == ["open", "b'$GP1\\n' b'$GP2\\n' 4 b're' b'st'", "None 3"]


# --- skerry -------------------------------------------------------------------------------------


def test_readings_are_senml_one_by_one_by_name_or_in_packs(node: Node):
    source = """
from skerry import telemetry
print(telemetry.publish("temperature", 21.5, "Cel"))
print(telemetry.publish("state", {"on": True}))
print(telemetry.publish("state", [{"n": "a", "v": 1 << 40, "t": -5}, {"n": "b", "v": -3},
    {"n": "c", "vs": "text"}, {"n": "d", "vd": b"12"}, {"n": "e", "v": 0.1}]))
telemetry.flush()
for wrong in ({"v": {}}, [{"volts": 3}], [3], 1 << 70):
    try:
        telemetry.publish("state", wrong)
    except (TypeError, ValueError) as fault:
        print(type(fault).__name__)
try:
    telemetry.publish("nothing", 1)
except OSError as fault:
    print(fault)
"""
    run(node, source)
    assert said(node) == [
        *("1", "1", "5", "TypeError", "ValueError", "TypeError", "ValueError"),
        "[Errno 2] ENOENT: can't open nothing",
    ]
    packs = [(stream, cbor2.loads(pack)) for stream, pack, _ in node.services.packs]
    assert packs == [
        ("temperature", [{1: "Cel", 2: 21.5}]),
        ("state", [{0: "on", 4: True}]),
        (
            "state",
            [
                {0: "a", 2: 1 << 40, 6: -5},
                {0: "b", 2: -3},
                {0: "c", 3: "text"},
                {0: "d", 8: b"12"},
                {0: "e", 2: 0.1},
            ],
        ),
    ]


def test_values_are_kept_shared_and_granted(node: Node):
    node.services.twin["mode"] = b'"auto"'
    source = """
from skerry import kv, log, secret, twin
kv["total"] = "12"
kv["raw"] = b"\\0" * 3000
print(kv["total"], len(kv["raw"]), kv.keys(), kv.keys("t"), "x" in kv, kv.get("x", 5))
del kv["total"]
for key in ("total",):
    try:
        del kv[key]
    except KeyError as fault:
        print(fault)
print(twin["setpoint"], twin["mode"], twin.get("count", 7))
twin.report("setpoint", 22)
print(secret("key"))
log.warning("%d lamps", 2)
log.debug(None)
try:
    twin.report("setpoint", 99)
except OSError as fault:
    print(fault)
"""
    end = run_with_secret(node, source)
    assert end.code == 0, said(node)
    assert said(node) == [
        "b'12' 3000 ['raw', 'total'] ['total'] False 5",
        *("total", "21.5 auto 7", "b's3cret'", "2 lamps", "None", "[Errno 22] EINVAL"),
    ]
    assert (4, "2 lamps") in node.services.lines
    assert node.services.reported == [("setpoint", 22)]


def run_with_secret(node: Node, source: str):
    return node.run(**python(node, main=source), secrets={"key": lambda: b"s3cret"})


def test_wait_tells_the_next_thing(node: Node, board: SimBoard):
    source = """
import skerry
from machine import Pin, UART
button, port = Pin("button"), UART("meter")
print("ready")
while True:
    event = skerry.wait()
    print(event.type, event.source, event.value if event.type == skerry.EDGE else "")
    if event.type == skerry.STOP:
        print(event.value > 1000, skerry.wait(5))
        break
"""
    running = start(node, source)
    node.services.wait_for_line("ready")
    board.drive("GPIO1", level=1)
    node.services.wait_for_line('edge Pin("button") 1')
    board.drive("serial0", send="x")
    node.services.wait_for_line('readable UART("meter")')
    running.guest.notify_twin(1)
    node.services.wait_for_line("twin None")
    running.guest.stop(5)
    assert running.end().kind is ExitKind.STOPPED
    assert said(node)[-2:] == ["stop None ", "True None"]


# --- tasks, and being stopped -------------------------------------------------------------------


def test_tasks_wait_for_edges_lines_settings_and_moments(node: Node, board: SimBoard):
    source = """
import asyncio, skerry
from machine import Pin, UART

async def edges():
    async for level, ms in skerry.edges(Pin("button")):
        print("edge", level)

async def lines():
    port = asyncio.StreamReader(UART("meter"))
    while True:
        print("line", await port.readline())

async def settings():
    while True:
        print("changed", await skerry.twin.changed())

async def moments():
    async for _ in skerry.every(0.05):
        print("moment")

async def main():
    try:
        await asyncio.gather(edges(), lines(), settings(), moments())
    finally:
        print("tidy")

asyncio.run(main())
print("never")
"""
    running = start(node, source)
    node.services.wait_for_line("moment", 2)
    board.drive("GPIO1", level=1)
    board.drive("GPIO1", level=0)
    node.services.wait_for_line("edge 0")
    assert said(node).index("edge 1") < said(node).index("edge 0")
    board.drive("serial0", send="one\ntwo\n")
    node.services.wait_for_line("line b'two\\n'")
    running.guest.notify_twin(2)
    node.services.wait_for_line("changed 2")
    running.guest.stop(5)
    end = running.end()
    assert (end.kind, end.code) == (ExitKind.STOPPED, 0)
    assert said(node)[-1] == "tidy"


def test_a_handler_of_a_pin_is_called(node: Node, board: SimBoard):
    source = """
import time
from machine import Pin
Pin("button").irq(lambda pin: print("pressed", pin, pin.value()), Pin.IRQ_RISING)
print("ready")
time.sleep(60)
"""
    running = start(node, source)
    node.services.wait_for_line("ready")
    board.drive("GPIO1", level=1)
    node.services.wait_for_line('pressed Pin("button") 1')
    board.drive("GPIO1", level=0)
    board.drive("GPIO1", level=1)
    node.services.wait_for_line("pressed", 2)
    running.guest.stop(5)
    assert running.end().code == 0


@pytest.mark.parametrize(
    "idle",
    [
        "time.sleep(3600)",
        "asyncio.run(sleep())",
        "asyncio.run(asyncio.sleep(3600))",
        "asyncio.run(asyncio.Event().wait())",
        "select.poll().poll()",
    ],
)
def test_an_idle_app_is_stopped_at_once_and_tidies_up(node: Node, idle: str):
    source = f"""
import asyncio, select, time
async def sleep():
    await asyncio.sleep(3600)
try:
    print("idle")
    {idle}
finally:
    print("tidy")
"""
    running = start(node, source)
    node.services.wait_for_line("idle")
    running.guest.stop(30)
    end = running.end(timeout=5)
    assert (end.kind, end.code, end.message) == (ExitKind.STOPPED, 0, "stopped when asked to")
    assert said(node) == ["idle", "tidy"]


def test_tasks_that_never_idle_are_told_too_and_keep_their_budget(node: Node):
    node.limits |= {"cpu_budget": 0.3, "cpu_share": 1.0}
    source = """
import asyncio, time
async def busy():
    while True:
        await asyncio.sleep(0)
async def main():
    asyncio.create_task(busy())
    end = time.ticks_add(time.ticks_ms(), 1000)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        await asyncio.sleep_ms(1)
    print("within budget")
    await busy()
asyncio.run(main())
"""
    running = start(node, source)
    node.services.wait_for_line("within budget")
    running.guest.stop(30)
    assert running.end(timeout=5).kind is ExitKind.STOPPED


def test_an_app_can_ask_to_be_told_and_end_in_its_own_time(node: Node):
    source = """
import asyncio, skerry
async def main():
    print("waiting")
    await skerry.stopping()
    await asyncio.sleep_ms(20)
    print("bye")
asyncio.run(main())
"""
    running = start(node, source)
    node.services.wait_for_line("waiting")
    running.guest.stop(30)
    assert running.end(timeout=5).kind is ExitKind.STOPPED
    assert said(node)[-1] == "bye"


def test_a_sleeping_task_makes_no_calls_of_the_host(node: Node):
    source = """
import asyncio
async def main():
    print("begin")
    await asyncio.sleep(0.5)
    print("end")
asyncio.run(main())
"""
    guest = node.guest(**python(node, main=source))
    guest.run()
    with_sleep = guest.usage().calls
    other = node.guest(**python(node, main=source.replace("0.5", "0.0")))
    other.run()
    assert with_sleep - other.usage().calls < 8
