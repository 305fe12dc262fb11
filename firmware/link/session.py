"""One end of the link: who is there, reports that arrive once and in order, requests and answers.

Frames (`frame`) hold one byte of kind and then:

    HELLO   nonce (4), nonce of the peer or 0 (4), window (1), CBOR map: who this is
    REPORT  tag (2), number (2), CBOR value
    ACK     tag (2), number of the report that is expected next (2)
    ASK     tag (2), SMP request
    ANSWER  tag (2), SMP answer

A nonce is drawn at each start; the tag is the exclusive or of both, folded: what belongs to an
earlier start of either end is dropped. The link is up when both have heard their own nonce from the
other. Silence takes it down and nothing with it; another nonce, which is another start of the
peer, drops what was under way. Reports are sent again from the oldest without acknowledgement
(go-back-N), up to the window of the peer. One request is under way at a time; it is sent again with the same SMP sequence number,
and the other end repeats its answer instead of doing the deed twice.

No I/O and no clock: times are milliseconds of a clock that never steps. The owner calls `receive`
and `tick`, writes what `outgoing` gives, and looks at `events`. One owner.
"""

import struct

from firmware.link import cbor, frame, smp
from firmware.link.errors import BusyError, MalformedError

HELLO, REPORT, ACK, ASK, ANSWER = 1, 2, 3, 4, 5
UP, DOWN, REPORTED, ASKED, ANSWERED, FAILED = "up", "down", "report", "ask", "answer", "failed"
"""First of an event; see `Session.events`."""
WINDOW = 8
"""Reports without acknowledgement; what a microcontroller has memory for."""
RESEND = 250
"""Milliseconds without an acknowledgement; a frame of 1,200 bytes takes 104 at 115,200 baud."""
HEARTBEAT = 1000
"""Milliseconds between hellos."""
SILENCE = 3500
"""Milliseconds without a frame, then the link is down: three hellos were lost."""
TRIES = 8
"""Times a request is sent: two seconds."""
EVENTS_LIMIT = 64
"""Events that wait for the owner; reports, requests and hellos beyond it come again."""
OUT_LIMIT = (WINDOW + 3) * 1220
"""Bytes that wait to be written: a window of the longest frames, a request, an answer, a hello. A
frame beyond it is lost as on the line, and sent again."""
_HALF = 1 << 15
_HELLO_BYTES = 10
"""Before the map."""
_LEAST_BYTES = 5
"""Of any other frame: kind, tag, and at least a number."""


class _Peer:
    """What is known of one start of the other end, and what is under way with it."""

    def __init__(self, nonce: int) -> None:
        self.nonce = nonce
        """0: nobody was met."""
        self.window = 0
        self.unacked: list[tuple[int, bytes]] = []
        self.next = 0
        """Number of the next report to it."""
        self.expected = 0
        """Number of the next report from it."""
        self.resend_due = 0
        self.asking: bytes | None = None
        self.tries = 0
        self.ask_due = 0
        self.sequence = 0
        """Of the last request to it."""
        self.asked: tuple[int, int, int, int] | None = None
        self.answered = b""
        self.answered_sequence = -1
        """Of the last request from it."""


class Session:
    """See above."""

    def __init__(self, nonce: int, who: dict[str, object], now: int, window: int = WINDOW) -> None:
        """`nonce`: 32 random bits, not 0. `who`: for the peer, as its map."""
        if not 0 < nonce < 1 << 32:
            raise ValueError("nonce: not from 1 to 2**32 - 1")
        self.events: list[tuple[object, ...]] = []
        """Tuples, oldest first, for the owner to take away: (UP, who), (DOWN,), (REPORTED, value),
        (ASKED, operation, group, command, content), (ANSWERED, content), (FAILED,)."""
        self.up = False
        self._nonce = nonce
        self._who = cbor.encode(who)
        self._window = window
        self._reader = frame.Reader()
        self._out = bytearray()
        self._heard = now
        self._hello_due = now
        self._meet(0)

    @property
    def dropped(self) -> int:
        """Frames that came damaged."""
        return self._reader.dropped

    @property
    def asking(self) -> bool:
        """Whether a request waits for its answer; it may do so while the link is down."""
        return self._peer.asking is not None

    @property
    def peer(self) -> int:
        """Nonce of the start of the other end that was met last; 0: nobody was met."""
        return self._peer.nonce

    def cut(self, now: int) -> None:
        """The line is gone: down at once, and a hello as soon as there is one again."""
        self._down()
        self._out = bytearray()
        self._hello_due = now

    def receive(self, data: bytes | bytearray | memoryview, now: int) -> None:
        """Take in what came."""
        for content in self._reader.feed(data):
            try:
                self._take(content, now)
            except (MalformedError, IndexError, ValueError):
                self._reader.dropped += 1

    def tick(self, now: int) -> None:
        """Send again what is due, and notice silence."""
        if self.up and now - self._heard >= SILENCE:
            self._down()
        if now >= self._hello_due:
            self._hello_due = now + HEARTBEAT
            self._send_hello()
        if not self.up:
            return
        if self._peer.unacked and now >= self._peer.resend_due:
            self._peer.resend_due = now + RESEND
            for number, body in self._peer.unacked:
                self._send(REPORT, struct.pack("<H", number) + body)
        if self._peer.asking is not None and now >= self._peer.ask_due:
            self._ask_again(now)

    def due(self) -> int:
        """When `tick` has something to do."""
        times = [self._hello_due]
        if self.up:
            times.append(self._heard + SILENCE)
        if self.up and self._peer.unacked:
            times.append(self._peer.resend_due)
        if self.up and self._peer.asking is not None:
            times.append(self._peer.ask_due)
        return min(times)

    @property
    def has_outgoing(self) -> bool:
        """Whether there is something to write."""
        return len(self._out) > 0

    def outgoing(self) -> bytes:
        """What is to be written; it is then forgotten here."""
        data = bytes(self._out)
        self._out = bytearray()
        return data

    def report(self, value: object, now: int) -> None:
        """Send a value that arrives once and in order.

        BusyError when the window is full or the link is down.
        """
        if not self.up or len(self._peer.unacked) >= self._peer.window:
            raise BusyError("report: no room before the next acknowledgement")
        body = _fitting(cbor.encode(value))
        if not self._peer.unacked:
            self._peer.resend_due = now + RESEND
        self._peer.unacked.append((self._peer.next, body))
        self._send(REPORT, struct.pack("<H", self._peer.next) + body)
        self._peer.next = (self._peer.next + 1) & 0xFFFF

    def ask(
        self, operation: int, group: int, command: int, content: dict[str, object], now: int
    ) -> None:
        """Send a request; the answer is an event. BusyError when one is under way or down."""
        if not self.up or self._peer.asking is not None:
            raise BusyError("ask: a request is under way, or the link is down")
        self._peer.sequence = (self._peer.sequence + 1) & 255
        self._peer.asking = _fitting(
            smp.encode(operation, group, command, self._peer.sequence, content)
        )
        self._peer.tries = 0
        self._ask_again(now)

    def answer(self, content: dict[str, object]) -> None:
        """Answer the request of the last ASKED event."""
        if self._peer.asked is None:
            return
        operation, group, command, sequence = self._peer.asked
        self._peer.answered = _fitting(
            smp.encode(smp.answer(operation), group, command, sequence, content)
        )
        self._peer.asked = None
        self._send(ANSWER, self._peer.answered)

    def _down(self) -> None:
        """What is under way stays: it goes on when the same start of the peer is heard again."""
        if self.up:
            self.events.append((DOWN,))
        self.up = False

    def _take(self, content: bytes, now: int) -> None:
        kind = content[0]
        if kind == HELLO:
            self._take_hello(content, now)
            return
        if not self.up or content[1:3] != self._tag:
            return
        if len(content) < _LEAST_BYTES:
            raise MalformedError("link: cut off")
        self._heard = now
        body = content[3:]
        if kind == REPORT:
            self._take_report(body)
        elif kind == ACK:
            self._take_ack(body, now)
        elif kind == ASK:
            self._take_ask(body)
        elif kind == ANSWER:
            self._take_answer(body)
        else:
            raise MalformedError("link: a kind that is unknown here")

    def _take_hello(self, content: bytes, now: int) -> None:
        if len(content) < _HELLO_BYTES:
            raise MalformedError("hello: cut off")
        nonce, mine, window = struct.unpack("<IIB", content[1:_HELLO_BYTES])
        who = cbor.decode(content[_HELLO_BYTES:])
        if nonce == 0 or window == 0 or nonce == self._nonce:
            raise MalformedError("hello: nonce or window that cannot be, or our own echo")
        anew = nonce != self._peer.nonce
        answered = mine == self._nonce
        if len(self.events) >= EVENTS_LIMIT and (anew or (answered and not self.up)):
            return
        if anew:
            self._down()
            self._meet(nonce)
            self._send_hello()
        self._heard = now
        self._peer.window = window
        if answered and not self.up:
            self.up = True
            self.events.append((UP, who))
            self._send_hello()

    def _take_report(self, body: bytes) -> None:
        number = struct.unpack("<H", body[:2])[0]
        if number == self._peer.expected and len(self.events) < EVENTS_LIMIT:
            value = cbor.decode(body[2:])
            self._peer.expected = (number + 1) & 0xFFFF
            self.events.append((REPORTED, value))
        self._send(ACK, struct.pack("<H", self._peer.expected))

    def _take_ack(self, body: bytes, now: int) -> None:
        number = struct.unpack("<H", body[:2])[0]
        while self._peer.unacked and (number - self._peer.unacked[0][0] - 1) & 0xFFFF < _HALF:
            self._peer.unacked.pop(0)
            self._peer.resend_due = now + RESEND

    def _take_ask(self, body: bytes) -> None:
        operation, group, command, sequence, content = smp.decode(body)
        if sequence == self._peer.answered_sequence:
            if self._peer.asked is None:
                self._send(ANSWER, self._peer.answered)
            return
        if len(self.events) >= EVENTS_LIMIT:
            return
        self._peer.answered_sequence = sequence
        self._peer.asked = (operation, group, command, sequence)
        self.events.append((ASKED, operation, group, command, content))

    def _take_answer(self, body: bytes) -> None:
        _, _, _, sequence, content = smp.decode(body)
        if self._peer.asking is not None and sequence == self._peer.sequence:
            self._peer.asking = None
            self.events.append((ANSWERED, content))

    def _ask_again(self, now: int) -> None:
        if self._peer.asking is None:
            return
        if self._peer.tries == TRIES:
            self._peer.asking = None
            self.events.append((FAILED,))
            return
        self._peer.tries += 1
        self._peer.ask_due = now + RESEND
        self._send(ASK, self._peer.asking)

    def _send_hello(self) -> None:
        head = struct.pack("<BIIB", HELLO, self._nonce, self._peer.nonce, self._window)
        self._put(head + self._who)

    def _send(self, kind: int, body: bytes) -> None:
        self._put(bytes((kind,)) + self._tag + body)

    def _put(self, content: bytes) -> None:
        made = frame.encode(content)
        if len(self._out) + len(made) <= OUT_LIMIT:
            self._out += made

    def _meet(self, nonce: int) -> None:
        self._peer = _Peer(nonce)
        both = self._nonce ^ nonce
        self._tag = struct.pack("<H", (both ^ both >> 16) & 0xFFFF)


def _fitting(body: bytes) -> bytes:
    if len(body) > frame.FRAME_LIMIT - 5:
        raise ValueError("link: longer than a frame")
    return body
