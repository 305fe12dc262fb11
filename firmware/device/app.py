"""The device: a session on a serial line, properties that are sampled, a watchdog, a safe state.

Requests are SMP. Group 0 is mcumgr's: echo and reset. Group 64 is ours:

    STATE     read {} → {"p": {name: value or null}, "up": ms, "free": bytes, "cause": n, "log": n,
                  "fw": as `update.brief`, where there is a bootloader}
    PROPERTY  read {"p": name} → {"v": value}; write {"p": name, "v": value} → {"v": value}
    CONFIG    read {} → {"c": map}; write {"c": map} → {}
    LOG       read {"from": n} → {"l": [[number, ms, text] …]}

Group 65 is `bus`: pins and I2C buses that the node's apps use.

What fails is answered {"rc": MGMT_ERR, "rsn": text}, and "errno" when hardware failed. Reports are {"p": name, "v": value, "t": ms}, or
with "e" and a text instead of "v". Of each property only the newest waits for the link.
"""

import asyncio
import gc
import os
import time
from binascii import crc32, hexlify

from firmware.device.bus import Lender, TakenError
from firmware.device.clock import Clock
from firmware.device.config import DEFAULT, ConfigError, checked
from firmware.device.log import Log
from firmware.device.properties import make_buses, make_properties
from firmware.device.update import RefusedError
from firmware.link import cbor, session, smp
from firmware.link.errors import BusyError, LinkError

GROUP = 64
"""The first of mcumgr's groups for users."""
STATE, PROPERTY, CONFIG, LOG = range(4)
CONFIG_FILE = "/config.cbor"
STARTS_FILE = "/starts"
LOG_ANSWER = 6
"""Lines in one answer, which must fit a frame."""


class Device:
    """Belongs to one event loop."""

    def __init__(self, machine, uart, version, name="device", pins=(), buses=None, update=None):
        """`uart`: the line to the node, a stream. `pins`, `buses`: names of what apps may use.

        `update`: where there is a bootloader.
        """
        self._machine = machine
        self._reader = asyncio.StreamReader(uart)
        self._writer = asyncio.StreamWriter(uart, {})
        self._clock = Clock()
        self.log = Log()
        who = {"name": name, "firmware": version, "link": 1}
        if hasattr(machine, "unique_id"):
            who["id"] = hexlify(machine.unique_id()).decode()
        nonce = crc32(f"{who} {_count_start()}".encode() + _chance()) or 1
        self._session = session.Session(nonce, who, self._clock.now())
        self._pending = {}
        self._backlog = False
        """Reports wait for an acknowledgement."""
        self._last = {}
        """Of each property, what was last taken for a report."""
        self._samplers = []
        self._config = DEFAULT
        self._properties = {}
        self._down_since = self._clock.now()
        self._is_safe = True
        self._configured = False
        self._wake = asyncio.Event()
        self._edges = asyncio.ThreadSafeFlag()
        self._lender = Lender(machine, self._clock, pins, buses or {}, self._edges)
        self._node = 0
        """The start of the node that was met last."""
        self._requests = {
            (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO): self._echo,
            (smp.WRITE, smp.GROUP_OS, smp.OS_RESET): self._start_anew,
            (smp.READ, GROUP, STATE): self._state,
            (smp.READ, GROUP, PROPERTY): self._read,
            (smp.WRITE, GROUP, PROPERTY): self._write,
            (smp.READ, GROUP, CONFIG): lambda _content: {"c": self._config},
            (smp.WRITE, GROUP, CONFIG): self._configure,
            (smp.READ, GROUP, LOG): self._tell,
        }
        self._requests.update(self._lender.requests)
        self._update = update
        if update:
            self._requests.update(update.requests)
            update.readable = self._readable

    async def run(self):
        """Until the power goes."""
        self._load()
        self._dog = self._watchdog()
        self._say(f"started, cause {self._machine.reset_cause()}")
        tasks = self._receive, self._keep, self._send, self._notice_edges, self._patch
        await asyncio.gather(*[task() for task in tasks])

    async def _patch(self):
        """Make an image of a patch, a little at a time."""
        while self._update and self._update.patches:
            await asyncio.sleep_ms(0 if self._update.patches.step() else 200)

    def _watchdog(self):
        """As configured; where hardware cannot count so far, the longest that all can."""
        try:
            return self._machine.WDT(timeout=self._config["watchdog"])
        except ValueError:
            self._say(f"the watchdog bites after {DEFAULT['watchdog']} ms: it counts no further")
            return self._machine.WDT(timeout=DEFAULT["watchdog"])

    # --- the link --------------------------------------------------------------------------------

    async def _receive(self):
        while True:
            data = await self._reader.read(256)
            if data:
                self._session.receive(data, self._clock.now())
                if self._session.events:
                    self._take_events()
                if self._session.has_outgoing or self._backlog:
                    self._hand_out()

    async def _keep(self):
        """Ticks, the watchdog, the safe state."""
        while True:
            now = self._clock.now()
            self._clock.micros()
            self._session.tick(now)
            self._take_events()
            self._make_safe(now)
            self._judge(now)
            self._dog.feed()
            self._wake.set()
            await asyncio.sleep_ms(max(1, min(200, self._session.due() - now)))

    async def _send(self):
        """Writes what nobody asked for, and what the line did not take at once."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._writer.out_buf:
                await self._writer.drain()
            self._hand_out()

    def _hand_out(self):
        """As much as the line takes; an answer does not wait for another task."""
        if self._writer.out_buf:
            self._wake.set()
            return
        self._report_pending()
        data = self._session.outgoing()
        if data:
            self._writer.write(data)
            if self._writer.out_buf:
                self._wake.set()

    async def _notice_edges(self):
        while True:
            await self._edges.wait()
            self._wake.set()

    def _take_events(self):
        events, self._session.events = self._session.events, []
        for event in events:
            if event[0] == session.UP:
                if self._session.peer != self._node:
                    self._node = self._session.peer
                    self._lender.release()
                self._say(f"linked to {event[1].get('id', '?')}")
                self._down_since = None
                self._is_safe = False
                self._pending.update(self._last)
            elif event[0] == session.DOWN:
                self._say("link lost")
                self._down_since = self._clock.now()
            elif event[0] == session.ASKED:
                self._lender.tell(self._report)  # what an answer follows has been told
                self._reply(self._answer(*event[1:]))

    def _reply(self, content):
        try:
            self._session.answer(content)
        except ValueError:
            self._session.answer({"rc": smp.TOO_LARGE, "rsn": "the answer is longer than a frame"})

    def _report(self, value):
        self._session.report(value, self._clock.now())

    def _report_pending(self):
        self._backlog = self._lender.tell(self._report)
        for name in list(self._pending):
            try:
                self._report(self._pending[name])
            except BusyError:
                self._backlog = True
                return
            del self._pending[name]

    def _make_safe(self, now):
        down = self._down_since
        if self._is_safe or down is None or now - down < self._config["safe_after"]:
            return
        self._is_safe = True
        self._say(f"outputs are safe: no link for {now - down} ms")
        self._lender.make_safe()
        for name in self._properties:
            self._properties[name].make_safe()
            self._look(name)

    def _judge(self, now):
        """Keep an image that is on trial, or give it back."""
        fit = self._session.up, self._configured, self._readable(), self._properties
        if self._update and self._update.judge(now, *fit):
            self._machine.reset()

    # --- requests --------------------------------------------------------------------------------

    def _answer(self, operation, group, command, content):
        does = self._requests.get((operation, group, command))
        if does is None:
            return {"rc": smp.UNSUPPORTED, "rsn": f"group {group}, command {command}"}
        try:
            return does(content)
        except KeyError as error:
            return {"rc": smp.MISSING, "rsn": f"{error.args[0]}: there is none"}
        except OSError as error:
            return {
                "rc": smp.UNKNOWN,
                "rsn": f"errno {error.args[0]}",
                "errno": error.args[0],
            }
        except (TakenError, RefusedError) as error:
            return {"rc": (error.args + (smp.BUSY,))[1], "rsn": error.args[0]}
        except (ValueError, TypeError) as error:
            return {"rc": smp.INVALID, "rsn": str(error)[:200]}

    def _echo(self, content):
        return {"r": content.get("d", "")}

    def _start_anew(self, _content):
        self._resetting = asyncio.create_task(self._reset())
        return {}

    def _tell(self, content):
        return {"l": self.log.since(int(content.get("from", 0)), LOG_ANSWER)}

    def _read(self, content):
        return {"v": self._properties[content["p"]].read()}

    def _write(self, content):
        name = content["p"]
        self._properties[name].write(content["v"])
        self._look(name)
        return self._read(content)

    def _state(self, _content):
        gc.collect()  # what is free tells nothing while garbage lies about
        values = {name: self._last[name].get("v") for name in self._last}
        told = {
            "p": values,
            "up": self._clock.now(),
            "free": gc.mem_free(),
            "cause": self._machine.reset_cause(),
            "log": self.log.next,
        }
        if self._update:
            told["fw"] = self._update.brief()
        return told

    def _configure(self, content):
        config = checked(content.get("c"))
        made = self._apply(config)
        _replace(CONFIG_FILE, cbor.encode(config))
        self._say(f"configured: {made} properties")
        return {}

    def _readable(self):
        return [name for name in self._last if "v" in self._last[name]]

    async def _reset(self):
        await asyncio.sleep_ms(100)  # the answer is on its way
        self._machine.reset()

    # --- properties ------------------------------------------------------------------------------

    def _load(self):
        try:
            with open(CONFIG_FILE, "rb") as file:
                config = checked(cbor.decode(file.read()))
            self._apply(config)
        except OSError:
            self._apply(DEFAULT)
        except (ConfigError, LinkError, ValueError) as error:
            self._say(f"the configuration is damaged and not used: {error}")

    def _apply(self, config):
        """Use a configuration; the old one stays when the hardware lacks what it asks for."""
        taken = self._lender.uses(config)  # before a pin is touched
        buses = make_buses(self._machine, config)
        properties = make_properties(self._machine, config, buses)
        self._lender.configure(taken, buses)
        for task in self._samplers:
            task.cancel()
        driven = [properties[name].pin for name in properties]
        for name in self._properties:
            if self._properties[name].pin not in driven:
                self._properties[name].make_safe()
        self._config, self._properties = config, properties
        self._configured = True
        self._pending, self._last = {}, {}
        self._samplers = [
            asyncio.create_task(self._sample(name, properties[name])) for name in properties
        ]
        return len(properties)

    async def _sample(self, name, found):
        while True:
            self._look(name)
            if not found.every:
                return
            await asyncio.sleep_ms(found.every)

    def _look(self, name):
        """Read a property; report it when it has changed by enough, or fails in another way."""
        found, before = self._properties[name], self._last.get(name)
        now = {"p": name, "t": self._clock.now()}
        try:
            now["v"] = found.read()
        except OSError as error:
            now["e"] = f"errno {error.args[0]}"
        if before is None or _differs(before, now, found.change):
            self._last[name] = self._pending[name] = now
            self._wake.set()

    def _say(self, text):
        self.log.add(self._clock.now(), text)


def _differs(before, now, change):
    if "e" in now or "e" in before:
        return before.get("e") != now.get("e")
    return abs(now["v"] - before["v"]) >= change


def _replace(name, data):
    """Replace a file whole: a power cut leaves the old or the new."""
    with open(name + ".part", "wb") as file:
        file.write(data)
    os.rename(name + ".part", name)


def _chance():
    """Random bytes where there is a source of them."""
    return os.urandom(8) if hasattr(os, "urandom") else b""


def _count_start():
    """How often this device has started: what tells two starts apart where nothing is random."""
    try:
        try:
            with open(STARTS_FILE) as file:
                count = int(file.read()) + 1
        except (OSError, ValueError):
            count = 1
        _replace(STARTS_FILE, str(count).encode())
    except OSError:
        return time.ticks_us()  # no file system: better than nothing
    return count
