"""What the node is: its identity, what it shall run and what it runs, between store and uplink.

Desired steps go to disk first, then to the supervisor. Statuses come from the supervisor; each
change of state is kept in the store too, so that restart counts and holds outlive the agent.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edge.attached import PREFIX
from edge.boot import Boot
from edge.logbuffer import LogBuffer
from edge.secrets import SecretKeeper
from edge.store import Store
from edge.store.errors import StoreError
from edge.store.outbox import Outbox
from edge.supervisor import Supervisor
from edge.timekeeper import Timekeeper
from edge.update.nobody import KIND as FIRMWARE
from edge.update.nobody import Nobody, Updates
from edge.wire import limits
from edge.wire.codec import (
    decode_app_spec,
    decode_app_status,
    decode_firmware_spec,
    encode_app_status,
)
from edge.wire.errors import DecodeError
from edge.wire.events import DesiredStep
from edge.wire.firmware import DesiredFirmware
from edge.wire.messages import AppState, AppStatus, DesiredApp, Entry, Hello, StatusItem

VERSION = "0.1.0"
APP = "app"
"""A kind of desired object, as FIRMWARE is; others are kept for a newer agent and reported as such."""
_HELD = "held"

_log = logging.getLogger(__name__)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the agent runs."""

    name: str
    boot_id: str
    labels: Mapping[str, str]
    board: str


class _TimedOutbox:
    """The store's outbox, read with corrected times."""

    def __init__(self, outbox: Outbox, timekeeper: Timekeeper) -> None:
        self._outbox = outbox
        self._timekeeper = timekeeper
        self.trim = outbox.trim
        self.new_epoch = outbox.new_epoch
        self.subscribe = outbox.subscribe

    def read(self, after: int, max_bytes: int, max_entries: int) -> Sequence[Entry]:
        """Entries above `after`, oldest first."""
        return self._timekeeper.corrected(self._outbox.read(after, max_bytes, max_entries))


class Node:
    """Implements the uplink's ports. Belongs to the loop's thread unless a method says otherwise."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        logs: LogBuffer,
        supervisor: Supervisor,
        timekeeper: Timekeeper,
        secrets: SecretKeeper,
    ) -> None:
        self._secrets = secrets
        self.identity = identity
        self.outbox = _TimedOutbox(store.outbox, timekeeper)
        self.logs = logs
        self.boot: Boot | None = None
        """This start of the board, where there is an image to tell it."""
        self.firmware: Updates = Nobody(identity.name)
        """Who updates the microcontrollers, where there may be some."""
        self.notify: Callable[[], None] = lambda: None
        """Called when a status changed; the uplink's, once there is one."""
        self.proven: Callable[[DesiredApp], None] = lambda _spec: None
        """Called on a thread with what runs well."""
        self.resources: Callable[[], Sequence[str]] = list
        """Names that can be granted now; any thread."""
        self.trust: Callable[[], tuple[int, bool]] = lambda: (0, False)
        """Version of the root of trust, and whether unsigned apps run."""
        self._store = store
        self._supervisor = supervisor
        self._kept: dict[str, tuple[AppState, int]] = {}
        self._logged: dict[str, tuple[AppState, str]] = {}
        self._changed = asyncio.Event()
        self._refused: dict[tuple[str, str], str] = {}
        """By kind and name: why it cannot be carried out."""
        supervisor.changed = self._status_changed

    def resume(self) -> set[str]:
        """Take up what the store remembers, link or no link; the names of the apps wanted."""
        held = self._held()
        remembered = {
            name: decode_app_status(data)
            for (kind, name), data in self._store.reported.items().items()
            if kind == APP
        }
        self._kept = {name: (said.state, said.restarts) for name, said in remembered.items()}
        for name in remembered.keys() | held:
            restarts = remembered[name].restarts if name in remembered else 0
            self._supervisor.remember(name, held=name in held, restarts=restarts)
        self.firmware.resume()
        return self._want()

    # --- the uplink's ports --------------------------------------------------------------------

    def hello(self) -> Hello:
        """Who this node is and what it holds; any thread."""
        identity = self.identity
        return Hello(
            versions=(limits.OLDEST_VERSION, limits.VERSION),
            node=identity.name,
            boot_id=identity.boot_id,
            agent=VERSION,
            epoch=self._store.outbox.epoch,
            last_seq=self._store.outbox.last_seq,
            revision=self._store.desired.revision,
            labels=dict(identity.labels),
            board=identity.board,
            resources=list(self.resources()),
            root=self.trust()[0],
            unsigned=self.trust()[1],
        )

    async def apply(self, step: DesiredStep) -> int:
        """Persist a step, then work towards it; raises BaseMismatchError."""
        await asyncio.to_thread(self._keep_step, step)
        self._want()
        return step.revision

    def statuses(self) -> list[StatusItem]:
        """Every object's status."""
        items = [
            StatusItem(
                kind=APP, name=name, generation=generation, status=encode_app_status(status)
            )
            for name, (status, generation) in self._supervisor.statuses().items()
        ]
        items.extend(self._refused_items())
        if self.boot is not None:
            items.extend(self.boot.items())
        items.extend(self.firmware.items())
        return items

    # --- what changes here ---------------------------------------------------------------------

    def _status_changed(self, name: str) -> None:
        """The supervisor announces a status."""
        status = self._supervisor.statuses().get(name)
        if status is not None:
            self._log_state(name, status[0])
            if self.boot is not None and status[0].state is AppState.RUNNING:
                self.boot.app_runs(name)
        else:
            self._logged.pop(name, None)
        self.notify()
        self._changed.set()

    async def hold(self, name: str, *, held: bool) -> None:
        """Hold or unhold an app; on disk when this returns. Raises ControlError."""
        self._supervisor.hold(name, held=held)
        names = msgspec.json.encode(sorted(self._supervisor.held()))
        await asyncio.to_thread(self._store.meta.set, _HELD, names)

    async def keep_statuses(self) -> None:
        """Write changes of state to the store, for ever; many changes share one write."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._keep_changed()
            except (StoreError, OSError) as error:
                _log.error("states are not kept, and wait for the next change: %s", error)

    async def _keep_changed(self) -> None:
        statuses = {name: status for name, (status, _) in self._supervisor.statuses().items()}
        for name in self._kept.keys() - statuses.keys():
            await asyncio.to_thread(self._store.reported.remove, APP, name)
            del self._kept[name]
        for name, status in statuses.items():
            running = self._supervisor.running(name)
            if running is not None and status.ready and status.digest == running.code_digest:
                await asyncio.to_thread(self.proven, running)
            if self._kept.get(name) != (status.state, status.restarts):
                data = encode_app_status(status)
                await asyncio.to_thread(self._store.reported.put, APP, name, data)
                self._kept[name] = (status.state, status.restarts)

    # --- helpers -------------------------------------------------------------------------------

    def _keep_step(self, step: DesiredStep) -> None:
        """No secret reaches the disk unsealed; any thread."""
        self._store.desired.apply(self._secrets.seal_step(step))

    def _want(self) -> set[str]:
        """Hand on what the store says; the names of the apps wanted."""
        apps: dict[str, tuple[DesiredApp, int]] = {}
        firmware: dict[str, tuple[DesiredFirmware, int]] = {}
        self._refused.clear()
        for item in self._store.desired.items():
            try:
                if item.kind == APP and item.name.startswith(PREFIX):
                    self._refused[item.kind, item.name] = (
                        f"names with {PREFIX} are of microcontrollers: give the app another"
                    )
                elif item.kind == APP:
                    apps[item.name] = (decode_app_spec(item.spec), item.generation)
                elif item.kind == FIRMWARE:
                    firmware[item.name] = (decode_firmware_spec(item.spec), item.generation)
                else:
                    text = f"this agent ({VERSION}) knows no kind {item.kind!r}"
                    self._refused[item.kind, item.name] = text
            except DecodeError as error:
                text = f"{error}; upgrade the agent ({VERSION})"
                self._refused[item.kind, item.name] = text
                _log.error("%s %s: desired spec refused: %s", item.kind, item.name, error)
        self._supervisor.want(apps)
        self.firmware.want(firmware)
        return set(apps)

    def _refused_items(self) -> list[StatusItem]:
        return [
            StatusItem(
                kind=item.kind,
                name=item.name,
                generation=item.generation,
                status=encode_app_status(
                    AppStatus(
                        state=AppState.FAILED,
                        reason="Unsupported",
                        message=self._refused[item.kind, item.name][: limits.TEXT_LIMIT],
                    )
                ),
            )
            for item in (self._store.desired.items() if self._refused else [])
            if (item.kind, item.name) in self._refused
        ]

    def _held(self) -> set[str]:
        return set(msgspec.json.decode(self._store.meta.get(_HELD) or b"[]", type=list[str]))

    def _log_state(self, name: str, status: AppStatus) -> None:
        shown = (status.state, status.version)
        if self._logged.get(name) != shown:
            self._logged[name] = shown
            detail = f": {status.message}" if status.message else ""
            _log.info("%s %s: %s%s", name, status.version, status.state.value, detail)
