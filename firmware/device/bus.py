"""What a node's apps use of this part: pins and I2C buses, lent by name for as long as the node wants.

SMP group 65. A level is logical, after `low` (active low).

    RESOURCES  read {} → {"pins": [name …], "buses": [name …]}
    PIN        read {"p": pin} → {"v": level}; write {"p": pin, "v": level} → {}
    I2C        write {"b": bus, "a": address, "m": [bytes to write or count to read …]} → {"r": [bytes …]}
    CLOCK      read {} → {"t": microseconds since the start}
    OPEN       write {"p": pin, "out": bool, "pull": "up", "edge": "both", "low": bool, "v": level,
               "safe": level}, or {"b": bus, "a": address} → {}
    CLOSE      write {"p": pin}, or {"b": bus, "a": address} → {}

What is open may be opened again, which is how a node that comes back says what it wants: who opens
what is the node's business. What the configuration uses is not lent: of its pins nothing, of its
buses the addresses that no property has. Edges are reports, {"g": pin, "t": microseconds, "x":
[before t and level …], "l": lost}: two numbers an edge, oldest first. An output becomes `safe` when
it is closed, when the link has been down for `safe_after`, and when the node started anew.
"""

from array import array

from firmware.link.errors import BusyError

GROUP = 65
RESOURCES, PIN, I2C, CLOCK, OPEN, CLOSE = range(6)
OPEN_LIMIT = 32
"""Pins and addresses that are lent at once."""
READ_LIMIT = 960
"""Bytes read in one transaction: the answer must fit a frame."""
EDGES = 64
"""Edges of a pin that wait for the link; the oldest give way and are counted."""
EDGES_TOLD = 24
"""Edges in one report."""
FREQUENCY = 100_000
"""Of a bus that no configuration describes."""
_EIO = 5
_PULLS = {"none": None, "up": "PULL_UP", "down": "PULL_DOWN"}
_EDGES = {"none": 0, "rising": 1, "falling": 2, "both": 3}


class TakenError(Exception):
    """Somebody else has it; the message says who."""


class _Pin:
    """A pin that is lent."""

    def __init__(self, machine, name, wish, clock, wake):
        self.output = bool(wish.get("out"))
        self._low = bool(wish.get("low"))
        self._safe = bool(wish.get("safe"))
        self._clock = clock
        self._wake = wake
        self._irq = None
        edge = _EDGES[wish.get("edge", "none")]
        if self.output:
            self._pin = machine.Pin(name, machine.Pin.OUT, value=self._electric(wish.get("v")))
            return
        self._pin = machine.Pin(name, machine.Pin.IN, *_pull(machine, wish.get("pull", "none")))
        if edge:
            self._listen(machine.Pin, edge)

    def _listen(self, kind, edge):
        self._times = array("I", bytes(4 * EDGES))
        self._made = self._told = 0
        """Edges that happened, and that were reported, since it was opened."""
        self._rise, self._fall = kind.IRQ_RISING, kind.IRQ_FALLING
        if self._low:
            self._rise, self._fall = self._fall, self._rise
        trigger = (self._rise if edge & 1 else 0) | (self._fall if edge & 2 else 0)
        self._irq = self._pin.irq()
        self._pin.irq(self._happened, trigger)

    def read(self):
        return self._pin.value() ^ self._low

    def write(self, level):
        if not self.output:
            raise ValueError("v: an input")
        self._pin.value(self._electric(level))

    def make_safe(self):
        if self.output:
            self.write(self._safe)

    def close(self):
        if self._irq is not None:
            self._pin.irq(None, 0)
        self.make_safe()

    def _electric(self, level):
        return int(bool(level) ^ self._low)

    def _happened(self, _pin):
        """Soft interrupt. Both in one go are two edges, of which the later led to what is now."""
        flags = self._irq.flags()
        if flags & self._rise and flags & self._fall:
            self._add(not self.read())
            self._add(self.read())
        elif flags:
            self._add(flags & self._rise)
        self._wake.set()

    def _add(self, rising):
        self._times[self._made % EDGES] = self._clock.ticks_us() << 1 | (1 if rising else 0)
        self._made += 1

    def edges(self):
        """What to report of them, or None; `told` afterwards, when it was taken."""
        if self._irq is None or self._told == self._made:
            return None
        first = max(self._told, self._made - EDGES)
        self._telling = min(self._made, first + EDGES_TOLD)
        now, ticks = self._clock.micros(), self._clock.ticks_us()
        found = []
        for at in range(first, self._telling):
            entry = self._times[at % EDGES]
            found.append(self._clock.ticks_diff(ticks, entry >> 1))
            found.append(entry & 1)
        return {"t": now, "x": found, "l": first - self._told}

    def told(self):
        self._told = self._telling


class Lender:
    """Belongs to the device's loop; edges come by soft interrupts of the same thread."""

    def __init__(self, machine, clock, pins, buses, wake):
        """`buses`: pins of SCL and SDA by name; `wake`: its `set` is called when there are edges."""
        self._machine = machine
        self._clock = clock
        self._pins = pins
        self._wires = buses
        self._wake = wake
        self._lent = {}
        """What is open: a _Pin by its name, None by (bus, address)."""
        self._own = {}
        """The part's buses, made when they are first opened."""
        self._buses = {}
        """Those of the configuration; a name of these hides one of the part's."""
        self._taken = {}
        """By pin or (bus, address): what of the configuration has it."""
        self.requests = {
            (0, GROUP, RESOURCES): self._resources,
            (0, GROUP, PIN): lambda content: {"v": self._pin(content).read()},
            (2, GROUP, PIN): self._write,
            (2, GROUP, I2C): self._transfer,
            (0, GROUP, CLOCK): lambda _content: {"t": clock.micros()},
            (2, GROUP, OPEN): self._open,
            (2, GROUP, CLOSE): self._close,
        }

    # --- the device's side -----------------------------------------------------------------------

    def configure(self, config, buses):
        """Go by another configuration; ValueError when it wants what is lent, and nothing changed."""
        taken = _uses(config)
        for use in taken:
            wire = isinstance(use, str) and self._bus_with(use)
            if use in self._lent or wire:
                raise ValueError(f"{taken[use]}: {_named(use)} is in use by an app of the node")
        self._buses, self._taken = buses, taken

    def make_safe(self):
        """Outputs get their safe level; all stays open."""
        for lent in self._lines():
            lent.make_safe()

    def release(self):
        """Another start of the node: nothing is lent any more."""
        for lent in self._lines():
            lent.close()
        self._lent = {}

    def tell(self, report):
        """Report edges; whether some wait, as `report` raised BusyError: there is no room."""
        for name in self._lent:
            lent = self._lent[name]
            if isinstance(lent, _Pin):
                found = lent.edges()
                while found is not None:
                    found["g"] = name
                    try:
                        report(found)
                    except BusyError:
                        return True
                    lent.told()
                    found = lent.edges()
        return False

    # --- requests --------------------------------------------------------------------------------

    def _resources(self, _content):
        buses = set(self._wires)
        buses.update(self._buses)
        return {"pins": list(self._pins), "buses": sorted(buses)}

    def _open(self, content):
        key = self._key(content)
        if key in self._taken:
            raise TakenError(f"{_named(key)} belongs to {self._taken[key]} of the configuration")
        if key not in self._lent and len(self._lent) >= OPEN_LIMIT:
            raise TakenError(f"more than {OPEN_LIMIT} pins and addresses are open")
        if isinstance(key, str):
            if self._bus_with(key):
                raise TakenError(f"{key} belongs to the bus {self._bus_with(key)}")
            if key in self._lent:
                self._lent.pop(key).close()
            self._lent[key] = _Pin(self._machine, key, content, self._clock, self._wake)
        else:
            self._bus(key[0])
            self._lent[key] = None
        return {}

    def _close(self, content):
        lent = self._lent.pop(self._key(content), None)
        if isinstance(lent, _Pin):
            lent.close()
        return {}

    def _write(self, content):
        self._pin(content).write(content["v"])
        return {}

    def _transfer(self, content):
        address = content["a"]
        if (content["b"], address) not in self._lent:
            raise KeyError(f"{content['b']}:{address:#x}, open")
        bus = self._bus(content["b"])
        messages = content["m"]
        if sum(each for each in messages if isinstance(each, int)) > READ_LIMIT:
            raise ValueError(f"m: more than {READ_LIMIT} bytes to read")
        read = []
        for at, each in enumerate(messages):
            last = at == len(messages) - 1
            if isinstance(each, int):
                into = bytearray(each)
                bus.readfrom_into(address, into, last)
                read.append(into)
            elif bus.writeto(address, each, last) != len(each):
                if not last:
                    bus.writeto(address, b"")  # with a stop: the bus is given back
                raise OSError(_EIO)
        return {"r": read}

    def _key(self, content):
        if "p" in content:
            name = content["p"]
            if name not in self._pins:
                raise KeyError(f"pin {name}")
            return name
        if content["b"] not in self._buses and content["b"] not in self._wires:
            raise KeyError(f"bus {content['b']}")
        return content["b"], int(content["a"])

    def _pin(self, content):
        return self._lent[content["p"]]

    def _bus(self, name):
        if name in self._buses:
            return self._buses[name]
        wires = self._wires[name]
        for pin in wires:
            if pin in self._taken:
                raise TakenError(f"{name}: {pin} belongs to {self._taken[pin]}")
            if pin in self._lent:
                raise TakenError(f"{name}: {pin} is open as a pin")
        if name not in self._own:
            scl, sda = (self._machine.Pin(pin) for pin in wires)
            self._own[name] = self._machine.SoftI2C(scl, sda, freq=FREQUENCY)
        return self._own[name]

    def _bus_with(self, pin):
        """The part's bus that an app uses and that has this pin; empty when there is none."""
        for key in self._lent:
            if isinstance(key, tuple) and key[0] not in self._buses and pin in self._wires[key[0]]:
                return key[0]
        return ""

    def _lines(self):
        return [lent for lent in self._lent.values() if isinstance(lent, _Pin)]


def _pull(machine, wanted):
    kind = _PULLS[wanted]
    if kind is None:
        return ()
    if not hasattr(machine.Pin, kind):
        raise ValueError(f"pull: this part has no {kind}")
    return (getattr(machine.Pin, kind),)


def _uses(config):
    """By pin or (bus, address): the key of the configuration that has it."""
    found = {}
    for name, bus in config["buses"].items():
        found[bus["scl"]] = found[bus["sda"]] = f"buses.{name}"
    for name, entry in config["properties"].items():
        if "pin" in entry:
            found[entry["pin"]] = f"properties.{name}"
        if "address" in entry:
            found[(entry["bus"], entry["address"])] = f"properties.{name}"
    return found


def _named(key):
    return key if isinstance(key, str) else f"{key[0]}:{key[1]:#x}"
