"""The agent's composition root: the one place that knows every concrete part.

Store, board, sandbox, supervisor, uplink and control socket are made here, joined, and closed in
reverse. Everything the node knows survives a restart; nothing here needs the network to start.
"""

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from edge.attached import PropertyKeeper
from edge.boot import WATCHDOG_SECONDS, Boot
from edge.config import SIMULATED, AgentConfig
from edge.console import Console
from edge.control import ControlServer
from edge.fetch import ArtifactCache
from edge.gatekeeper import Gatekeeper
from edge.giveback import give_back_once
from edge.identity.keeper import JoinSettings, Keeper
from edge.keyholder import key_holder
from edge.logbuffer import LogBuffer, collect
from edge.net.address import Address
from edge.node import VERSION, Identity, Node
from edge.roots import newer_roots
from edge.sandbox.engine import Engine
from edge.secrets import SecretKeeper
from edge.store import Store
from edge.supervisor import Supervisor
from edge.timekeeper import Timekeeper
from edge.uplink import LinkState, LinkStatus, Uplink, UplinkConfig
from edge.verifying import Judges
from edge.workshop import SandboxWorkshop
from hal import clock
from hal.board import AttachingBoard, Board
from hal.composite import CompositeBoard

if TYPE_CHECKING:
    from edge.update.reconciler import FirmwareReconciler
    from hal.link.board import McuBoard
    from hal.linux.watchdog import Watchdog

CACHE_LIMIT = 256 << 20
"""Bytes of modules kept; a card has gigabytes, an app is kilobytes."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_log = logging.getLogger(__name__)


async def main(config: AgentConfig) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean end."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    config.state.mkdir(parents=True, exist_ok=True)
    board = _open_board(config.board)
    if config.runtime is not None:
        config.runtime.mkdir(parents=True, exist_ok=True)
    store = Store.open(
        config.state / "store", runtime=config.runtime, outbox_limit=config.outbox_limit
    )
    engine = Engine()
    try:
        await _Agent(config, board, store, engine).run(stopping)
    finally:
        engine.close()
        board.close()  # what is attached reports into the store
        store.close()
    return 0


class _Agent:
    """The parts, joined; lives inside `main`."""

    def __init__(self, config: AgentConfig, board: Board, store: Store, engine: Engine) -> None:
        self._config = config
        self._told = ""
        """Why the link is down, as logged last: weeks without one shall not fill the log."""
        logs = LogBuffer()
        collect(logs)
        self._timekeeper = Timekeeper(store.meta, store.outbox.last_seq, store.outbox.last_ns)
        self._keeper = _keeper(config, self._timekeeper)
        tls = self._keeper.tls if self._keeper is not None else None
        self._cache = ArtifactCache(config.state / "modules", CACHE_LIMIT, tls=tls)
        secrets = SecretKeeper(key_holder(config.key_store, config.state / "secrets.key"))
        self._judges = Judges()
        gatekeeper = Gatekeeper(
            store.meta,
            root_file=config.trust_root,
            allow_unsigned=config.allow_unsigned,
            ask=self._judges.ask,
            newer_roots=lambda version: newer_roots(config.cloud, version, tls),
            now_ns=self._timekeeper.lower_bound_ns,
        )
        workshop = SandboxWorkshop(
            board=board,
            store=store,
            logs=logs,
            cache=self._cache,
            engine=engine,
            directory=config.state,
            registry=config.cloud,
            secrets=secrets,
            gatekeeper=gatekeeper,
        )
        identity = Identity(
            name=config.name,
            boot_id=os.urandom(8).hex(),
            labels=config.labels,
            board=board.name,
        )
        self._workshop = workshop
        self._supervisor = Supervisor(workshop)
        self._node = Node(identity, store, logs, self._supervisor, self._timekeeper, secrets)
        self._uplink = Uplink(
            UplinkConfig(config.cloud, identity=self._keeper),
            self._node,
            on_link=self._link_changed,
            on_time=self._timekeeper.heard,
        )
        self._firmware = self._updates(gatekeeper, board, store)
        if self._firmware is not None:
            self._firmware.changed = self._uplink.notify
            self._node.firmware = self._firmware
        self._node.notify = self._uplink.notify
        self._node.resources = board.resources
        for device in _attached(board):
            device.property_reported = PropertyKeeper(store.outbox, clock).keep
        if isinstance(board, AttachingBoard):
            board.attach()
        self._node.proven = gatekeeper.proven
        self._node.trust = lambda: (gatekeeper.root_version, gatekeeper.unsigned_allowed)
        self._boot = Boot(config.boot_facts, config.name) if config.boot_facts else None
        if self._boot is not None:
            self._node.boot = self._boot
            self._boot.changed = self._uplink.notify
        console = Console(config, self._node, store, board, self._supervisor, self._uplink)
        self._control = ControlServer(config.state / "control.sock", console.handlers())

    async def run(self, stopping: asyncio.Event) -> None:
        """Start in the order that needs no network, run until `stopping`, stop in reverse."""
        _log.info("agent %s starts as %s", VERSION, self._config.name)
        await self._control.start()
        self._workshop.sweep(self._node.resume(), self._supervisor.blobs_in_use())
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            uplink = group.create_task(self._uplink.run())
            tasks = [
                group.create_task(self._supervisor.run()),
                group.create_task(self._node.keep_statuses()),
                group.create_task(self._timekeeper.run()),
                group.create_task(give_back_once()),
            ]
            if self._firmware is not None:
                tasks.append(group.create_task(self._firmware.run()))
            if self._keeper is not None:
                tasks.append(group.create_task(self._keeper.run()))
            watchdog = self._start_watchdog()
            if self._boot is not None:
                tasks.append(group.create_task(self._boot.confirm()))
                if watchdog is not None:
                    tasks.append(group.create_task(self._boot.feed(watchdog)))
            await stopping.wait()
            _log.info("agent stops")
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._timekeeper.keep()
            self._uplink.stop()
            await asyncio.wait([uplink], timeout=5)
            uplink.cancel()
            if watchdog is not None:
                watchdog.stop()
        await self._judges.close()
        await self._control.close()

    def _updates(
        self, gatekeeper: Gatekeeper, board: Board, store: Store
    ) -> "FirmwareReconciler | None":
        """Who updates the microcontrollers that the board file names; None without any."""
        chips = _attached(board)
        if not chips:
            return None
        from edge.update.overlink import LinkedMicrocontrollers  # noqa: PLC0415 - most nodes have none
        from edge.update.reconciler import FirmwareReconciler  # noqa: PLC0415 - as above

        return FirmwareReconciler(
            self._config.name,
            LinkedMicrocontrollers([chip.link for chip in chips]),
            gatekeeper,
            lambda blob, progress: self._cache.fetch(self._config.cloud, blob, progress),
            store.reported,
        )

    def _start_watchdog(self) -> "Watchdog | None":
        if self._boot is None:
            return None
        from hal.linux.watchdog import DEVICE, Watchdog  # noqa: PLC0415 - only boards of ours have one

        try:
            watchdog = Watchdog.start(DEVICE, WATCHDOG_SECONDS)
        except OSError as error:
            _log.warning("the watchdog cannot be used: %s", error)
            return None
        if watchdog is None:
            _log.warning("this board has no watchdog: an agent that hangs is not restarted")
        return watchdog

    def _link_changed(self, link: LinkStatus) -> None:
        images = self._firmware.images_in_use() if self._firmware is not None else set[str]()
        self._cache.retain(self._supervisor.blobs_in_use() | images)
        if link.state is LinkState.ONLINE:
            if self._boot is not None:
                self._boot.linked()
            _log.info("link to %s is up", self._config.cloud)
            self._supervisor.retry_now()
            if self._firmware is not None:
                self._firmware.retry_now()
            self._told = ""
        elif link.state is LinkState.WAITING and link.error != self._told:
            self._told = link.error
            _log.warning("link is down: %s", link.error)


def _keeper(config: AgentConfig, timekeeper: Timekeeper) -> Keeper | None:
    """None without TLS, which is for a cloud on this machine that was started so."""
    address = Address.parse(config.cloud, ("http", "https"))
    if not address.secure and address.host in LOOPBACK:
        _log.warning(
            "INSECURE: the link to %s is neither encrypted nor authenticated", config.cloud
        )
        return None
    settings = JoinSettings(
        config.name, config.cloud, config.token, config.ca_pin, labels=config.labels
    )
    return Keeper(settings, config.state / "identity", timekeeper)


def _attached(board: Board) -> "list[McuBoard]":
    """The microcontrollers of a board."""
    if not isinstance(board, CompositeBoard):
        return []
    from hal.link.board import McuBoard  # noqa: PLC0415 - only boards with one pay for it

    return [part for part in board.parts if isinstance(part, McuBoard)]


def _open_board(path: Path | None) -> Board:
    """Backends are imported here and nowhere else, and only the one that is asked for."""
    if path == SIMULATED:
        from hal.sim.board import standard_board  # noqa: PLC0415 - 1 MB that a real board spares

        return standard_board()
    if path is not None:
        from hal.boardfile import load_board  # noqa: PLC0415 - as above

        return load_board(path)
    from hal.linux.board import LinuxBoard, discover  # noqa: PLC0415 - as above

    return LinuxBoard(discover())
