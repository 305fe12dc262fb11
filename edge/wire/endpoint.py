"""What both ends of a session share: opening, silence, closing. Blind to the role.

No I/O, no clock: the owner feeds `receive` and `handle_timer` with monotonic seconds, sends what
`outgoing` drains, and calls `handle_timer` at `next_deadline`. A peer's fault never raises: it
ends the session with Close and a Closed event. Our own fault raises LocalError and sends nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from edge.wire import limits
from edge.wire.codec import encode
from edge.wire.errors import NotOpenError, PeerError, ProtocolViolationError, UnknownMessageError
from edge.wire.events import Closed, Event
from edge.wire.messages import Close, CloseCode, Message, Ping, Pong
from edge.wire.state import TABLE, State, Step

Handlers = Mapping[type[Message], Callable[[Any, Any], list[Event]]]
"""Kind of message → the method that takes it."""


class Endpoint(ABC):
    """Base of NodeSession and CloudSession. Not thread-safe: one owner.

    Its queue is bounded by the rules: one step, status and log batch in flight, telemetry within
    the window, and of several unanswered Pings only the last gets a Pong.
    """

    _greeting: ClassVar[type[Message]]
    """What the peer must say first."""
    _handlers: ClassVar[Handlers]
    """What to do with each message but Ping, Pong and Close; raises PeerError."""

    def __init__(self) -> None:
        self.state = State.OPENING
        self.ignored = 0
        """Messages of unknown kinds, from a peer newer than this code."""
        self._queue: list[bytes] = []
        self._pong: int | None = None
        self._now = float("-inf")
        self._heartbeat = limits.HEARTBEAT
        self._limit: float | None = None
        """When opening or closing must be done."""
        self._heard = self._spoke = self._pinged = self._now
        self._ping_id = 0
        self._ended: Closed | None = None

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take one frame of the peer; what it means to the owner."""
        self.heard(now)
        if self.state is State.CLOSED:
            return []
        try:
            return self._dispatch(self._decode(data))
        except UnknownMessageError:
            self.ignored += 1
            return []
        except PeerError as error:
            return self._fail(error.code, str(error))

    def heard(self, now: float) -> None:
        """Bytes of the peer arrived, though no whole frame yet: it is alive on a slow link."""
        self._advance(now)
        self._heard = self._now

    def outgoing(self) -> list[bytes]:
        """Frames to send, in order; they are handed out once."""
        if self._pong is not None:
            self._queue.append(encode(Pong(id=self._pong)))
            self._pong = None
        frames, self._queue = self._queue, []
        if frames:
            self._spoke = self._now
        return frames

    def next_deadline(self) -> float | None:
        """When to call `handle_timer`; None when there is nothing to wait for."""
        if self.state is State.OPEN:
            return min(self._ping_due(), self._lost_at())
        return self._limit

    def handle_timer(self, now: float) -> list[Event]:
        """Act on the time: nothing, a Ping, or the end of a session whose peer is lost."""
        self._advance(now)
        if self.state is State.OPEN:
            if self._now >= self._lost_at():
                silence = self._now - self._heard
                return self._fail(CloseCode.TIMEOUT, f"nothing heard for {silence:.1f} s")
            if self._now >= self._ping_due():
                self._pinged = self._now
                self._ping_id += 1
                self._put(Ping(id=self._ping_id))
        elif self._limit is not None and self._now >= self._limit:
            return self._fail(CloseCode.TIMEOUT, "the peer did not finish the handshake in time")
        return []

    def close(self, code: CloseCode, reason: str) -> None:
        """End the session; Closed follows once the peer answered, or after CLOSE_TIMEOUT."""
        if Step.LEAVE not in TABLE[self.state]:
            return
        self._step(Step.LEAVE)
        self._put(Close(code=code, reason=reason[: limits.TEXT_LIMIT]))
        self._ended = Closed(code, reason, by_peer=False)
        self._limit = self._now + limits.CLOSE_TIMEOUT

    # --- for the roles -------------------------------------------------------------------------

    @abstractmethod
    def _decode(self, data: bytes) -> Message:
        """A message of the peer; raises PeerError."""

    def _begin(self, now: float) -> None:
        """Start the clock of the handshake."""
        self.heard(now)
        self._limit = now + limits.HANDSHAKE_TIMEOUT

    def _greeted(self, heartbeat: float) -> None:
        """Hello and Welcome have met: the session is open."""
        self._step(Step.GREET)
        self._heartbeat = heartbeat
        self._limit = None
        self._spoke = self._pinged = self._now

    def _put(self, *messages: Message) -> None:
        """Queue all of them, or none when one is too large."""
        self._queue.extend([encode(message) for message in messages])

    def _require_open(self) -> None:
        if self.state is not State.OPEN:
            raise NotOpenError(f"the session is {self.state.value}, not open")

    # --- inside --------------------------------------------------------------------------------

    def _dispatch(self, message: Message) -> list[Event]:
        match message:
            case Ping():
                self._pong = message.id
            case Pong():
                pass
            case Close():
                return self._left(message)
            case _ if self.state is State.CLOSING:
                pass
            case _:
                if self.state is State.OPENING and not isinstance(message, self._greeting):
                    raise unexpected(message, f"came before {self._greeting.__name__}")
                return self._handlers[type(message)](self, message)
        return []

    def _left(self, message: Close) -> list[Event]:
        if self._ended is None:
            self._ended = Closed(message.code, message.reason, by_peer=True)
            self._put(Close(code=message.code))
        return self._end(Step.LEFT, self._ended)

    def _fail(self, code: CloseCode, reason: str) -> list[Event]:
        if self._ended is None:
            reason = reason[: limits.TEXT_LIMIT]
            self._ended = Closed(code, reason, by_peer=False)
            self._queue.clear()  # of a failed session only Close is worth sending
            self._put(Close(code=code, reason=reason))
        return self._end(Step.FAIL, self._ended)

    def _end(self, step: Step, event: Closed) -> list[Event]:
        self._step(step)
        self._limit = None
        self._pong = None
        return [event]

    def _step(self, step: Step) -> None:
        self.state = TABLE[self.state][step]

    def _advance(self, now: float) -> None:
        """Time never steps back, whatever the owner's clock does."""
        self._now = max(self._now, now)

    def _ping_due(self) -> float:
        return max(min(self._heard, self._spoke), self._pinged) + self._heartbeat

    def _lost_at(self) -> float:
        return self._heard + self._heartbeat * limits.DEADLINE_FACTOR


def unexpected(message: Message, why: str) -> ProtocolViolationError:
    """The error for a valid message at the wrong moment."""
    return ProtocolViolationError(f"{type(message).__name__}: {why}")
