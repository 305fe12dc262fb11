"""What a session tells its owner. Frozen; equal when their fields are."""

from msgspec import Struct

from edge.wire.messages import CloseCode, DesiredItem, Entry, Hello, LogLine, StatusItem


class Event(Struct, frozen=True):
    """Base of every event."""


class Closed(Event, frozen=True):
    """The session is over; the last event."""

    code: CloseCode
    reason: str
    by_peer: bool
    """The peer sent Close first."""

    @property
    def retry(self) -> bool:
        """Trying again soon can help; otherwise a person or an upgrade must act first."""
        return self.code in {CloseCode.NORMAL, CloseCode.OVERLOAD, CloseCode.TIMEOUT}


# --- to the node -------------------------------------------------------------------------------


class Welcomed(Event, frozen=True):
    """The session is open. With `new_epoch`, call `start_epoch` before sending telemetry."""

    acked_seq: int
    window: int
    new_epoch: bool
    time_ns: int
    """The cloud's clock when it answered."""


class DesiredStep(Event, frozen=True):
    """A whole step of the desired set; answer with `ack_desired` or `reset_desired`."""

    revision: int
    base: int | None
    """The revision it starts from; None: replaces everything."""
    put: tuple[DesiredItem, ...]
    remove: tuple[tuple[str, str], ...]


class TelemetryAcked(Event, frozen=True):
    """Everything of `epoch` up to `seq` is committed in the cloud."""

    epoch: int
    seq: int


class StatusAcked(Event, frozen=True):
    """The status message `id` is stored."""

    id: int


class LogsAcked(Event, frozen=True):
    """Log lines up to `seq` are stored."""

    seq: int


# --- to the cloud ------------------------------------------------------------------------------


class HelloReceived(Event, frozen=True):
    """A node introduced itself; answer with `welcome` or `refuse`."""

    hello: Hello


class TelemetryReceived(Event, frozen=True):
    """A batch to store with the node's high-water mark in one transaction, then acknowledge."""

    epoch: int
    entries: tuple[Entry, ...]


class StatusReceived(Event, frozen=True):
    """Observed state to store; answer with `ack_status`."""

    id: int
    items: tuple[StatusItem, ...]
    whole: bool


class LogsReceived(Event, frozen=True):
    """Log lines to store; answer with `ack_logs`."""

    lines: tuple[LogLine, ...]
    dropped: int


class DesiredAcked(Event, frozen=True):
    """The step in flight is on the node's disk."""

    revision: int


class DesiredResetReceived(Event, frozen=True):
    """The node holds `revision` and cannot use the step in flight."""

    revision: int
    reason: str
