"""`skerry bench nodes`: many hollow nodes in one process, against a cloud on this machine.

Everything is bounded: nodes, seconds, rate. Only loopback is loaded: a hollow node registers
itself like a real one, and a load is nothing to aim at somebody's service by a wrong URL.
"""

import asyncio
import ipaddress
import json
import random
import resource
import sys
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from edge.errors import AgentError
from edge.hollownode import AtOnce, HollowNode
from edge.hollowtally import Tally
from edge.net.address import Address
from hal import clock

COUNT_LIMIT = 10_000
"""Nodes: one loop in Python is busy long before."""
SECONDS_LIMIT = 3600.0
RATE_LIMIT = 10_000.0
"""Records a second from one node."""
DRAIN = 5.0
"""Seconds at the end for what was sent to be acknowledged."""
DRAIN_LOOKS = 100
SPARE_FILES = 64
TICK = 1.0
QUIET_TICK = 5.0
"""Seconds between two lines of progress on a terminal, and elsewhere."""

Json = dict[str, Any]


class LoadError(AgentError, ValueError):
    """The load that was asked for is out of bounds; the text names the option."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to run; raises LoadError when a field is out of bounds."""

    cloud: str
    count: int
    seconds: float
    """From the first connection on."""
    rate: float
    """Records a second from each node."""
    ramp: float
    """New nodes a second."""
    faults: float = 0.0
    """Share of connections cut each second."""

    def __post_init__(self) -> None:
        bounds = (
            ("--count", self.count, 1, COUNT_LIMIT),
            ("--seconds", self.seconds, 1, SECONDS_LIMIT),
            ("--rate", self.rate, 0.001, RATE_LIMIT),
            ("--ramp", self.ramp, 1, COUNT_LIMIT),
            ("--faults", self.faults, 0, 1),
        )
        for option, value, low, high in bounds:
            if not low <= value <= high:
                raise LoadError(f"{option}: {value:g} is not in {low:g}..{high:g}")
        host = Address.parse(self.cloud, ("http", "https")).host
        if not _is_loopback(host):
            raise LoadError(
                f"--cloud: {host} is not this machine. Hollow nodes would join a real fleet and"
                " load a service that others use; run a cloud here: skerry cloud"
            )


class Fleet:
    """Runs a load once. One loop owns it."""

    def __init__(self, load: Load, seed: int | None = None) -> None:
        self._load = load
        self._dice = random.Random(seed)  # noqa: S311 - spreads a load, guards nothing
        self._started = self._elapsed = 0.0
        self._online_at_end = 0
        self.tally = Tally(self._dice)
        self.nodes: list[HollowNode] = []

    @property
    def online(self) -> int:
        """Nodes with an open session."""
        return sum(node.online for node in self.nodes)

    async def run(self) -> None:
        """Connect one after the other, run for the load's time, let the rest be acknowledged."""
        asyncio.get_running_loop().set_default_executor(AtOnce())
        self._started = clock.monotonic()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(self._load.seconds):
                await asyncio.gather(self._ramp_up(tasks), self._cut_some(), self._show_progress())
        except TimeoutError:
            await self._drain()
        finally:
            self._elapsed = clock.monotonic() - self._started
            self._online_at_end = self.online
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def summary(self) -> Json:
        """What was seen, for a person or a machine; seconds, records."""
        tally, load = self.tally, self._load
        return {
            "nodes": load.count,
            "online": self._online_at_end,
            "connects": tally.connects,
            "reconnects": tally.reconnects,
            "cuts": tally.cuts,
            "records_made": tally.made,
            "records_acked": tally.acked,
            "records_refused": tally.refused,
            "records_per_second": tally.acked / self._elapsed,
            "ack_p50": tally.latency.percentile(0.50),
            "ack_p99": tally.latency.percentile(0.99),
            "desired_steps": tally.steps,
            "desired_apps": sum(node.apps for node in self.nodes),
            "desired_nodes": sum(node.apps > 0 for node in self.nodes),
            "desired_p50": tally.convergence.percentile(0.50),
            "desired_p99": tally.convergence.percentile(0.99),
            "ends": dict(tally.failures),
        }

    async def _ramp_up(self, tasks: list[asyncio.Task[None]]) -> None:
        for index in range(self._load.count):
            node = HollowNode(self._load.cloud, index, self._load.rate, self.tally, self._dice)
            self.nodes.append(node)
            tasks.append(asyncio.create_task(node.run(), name=node.name))
            await asyncio.sleep(1 / self._load.ramp)

    async def _cut_some(self) -> None:
        while self._load.faults:
            await asyncio.sleep(1.0)
            for node in self.nodes:
                if self._dice.random() < self._load.faults:
                    node.cut()

    async def _show_progress(self) -> None:
        terminal = sys.stderr.isatty()
        before = 0
        while True:
            tick = TICK if terminal else QUIET_TICK
            await asyncio.sleep(tick)
            acked = self.tally.acked
            line = (
                f"{clock.monotonic() - self._started:5.0f} s  {self.online} of {self._load.count}"
                f" online, {self.tally.reconnects} reconnects, {(acked - before) / tick:,.0f}"
                f" records/s acknowledged, {self.tally.steps} desired steps"
            )
            before = acked
            print(line, end="\r" if terminal else "\n", file=sys.stderr, flush=True)

    async def _drain(self) -> None:
        for node in self.nodes:
            node.finish()
        for _ in range(DRAIN_LOOKS):
            if not any(node.online and node.outbox.packs for node in self.nodes):
                return
            await asyncio.sleep(DRAIN / DRAIN_LOOKS)


def bench(args: Namespace) -> int:
    """Run the load and say what was seen; 1 when a node was never connected."""
    load = Load(
        cloud=args.cloud,
        count=args.count,
        seconds=args.seconds,
        rate=args.rate,
        ramp=args.ramp,
        faults=args.faults,
    )
    _allow_files(load.count + SPARE_FILES)
    fleet = Fleet(load)
    asyncio.run(fleet.run())
    found = fleet.summary()
    print(json.dumps(found) if args.output == "json" else _told(found))
    return int(found["connects"] < load.count)


def _told(found: Json) -> str:
    ends = "; ".join(f"{count} times {reason}" for reason, count in found["ends"].items())
    lines = (
        (
            "nodes",
            f"{found['connects']} of {found['nodes']} connected, {found['online']} at the end",
        ),
        ("reconnects", f"{found['reconnects']} after {found['cuts']} cuts"),
        (
            "records",
            f"{found['records_acked']} of {found['records_made']} acknowledged, "
            f"{found['records_per_second']:,.0f} a second; {found['records_refused']} refused",
        ),
        ("ack", f"p50 {_ms(found['ack_p50'])}, p99 {_ms(found['ack_p99'])}"),
        (
            "desired",
            f"{found['desired_apps']} apps on {found['desired_nodes']} nodes in"
            f" {found['desired_steps']} steps; after connecting p50"
            f" {_ms(found['desired_p50'])}, p99 {_ms(found['desired_p99'])}",
        ),
        ("ends", ends or "none before the end"),
    )
    return "\n".join(f"{name + ':':<12} {text}" for name, text in lines)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _allow_files(count: int) -> None:
    """Raise the soft limit on descriptors as far as needed; LoadError when the hard one is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY, -1) and hard < count:
        raise LoadError(f"--count: needs {count} open files, this shell allows {hard}: ulimit -Hn")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
