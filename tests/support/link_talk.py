"""Two ends of a link over a line that loses and damages, step by step the same on any interpreter.

micropython tests/support/link_talk.py ROOT
"""

import sys
from binascii import crc32

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

from firmware.link import session, smp
from firmware.link.errors import BusyError

TURNS = 2000
STEP = 50
"""Milliseconds of a turn."""
REPORTS = 200


class _Luck:
    """Numbers that look random and are the same everywhere: the two `random` modules differ."""

    def __init__(self):
        self._state = 1

    def below(self, limit):
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) % limit


class Talk:
    """A node that asks and a probe that reports; `run` lets them."""

    def __init__(self):
        self.reported = []
        """What the node heard, in order."""
        self.answered = []
        self.checksum = 0
        """Of all that either end wrote."""
        self._luck = _Luck()
        self._told = 0
        self._node = session.Session(1, {"id": "node"}, 0)
        self._probe = session.Session(2, {"id": "probe"}, 0)

    def run(self):
        for turn in range(TURNS):
            now = turn * STEP
            self._work(now)
            for end, other in ((self._node, self._probe), (self._probe, self._node)):
                data = end.outgoing()
                self.checksum = crc32(data, self.checksum)
                other.receive(self._worn(data), now)
                end.tick(now)
        return self

    def _work(self, now):
        try:
            if self._told < REPORTS:
                self._probe.report(self._told, now)
                self._told += 1
            self._node.ask(smp.WRITE, 0, 0, {"d": str(now)}, now)
        except BusyError:
            pass  # next turn
        for event in self._taken(self._probe):
            if event[0] == session.ASKED:
                self._probe.answer({"r": event[4]["d"]})
        for event in self._taken(self._node):
            if event[0] == session.REPORTED:
                self.reported.append(event[1])
            elif event[0] == session.ANSWERED:
                self.answered.append(event[1]["r"])

    def _worn(self, data):
        """What is left of the bytes on a bad line."""
        if not data or self._luck.below(5) == 0:
            return b""
        worn = bytearray(data)
        if self._luck.below(4) == 0:
            worn[self._luck.below(len(worn))] ^= 1 + self._luck.below(255)
        return worn

    def _taken(self, end):
        events = end.events
        end.events = []
        return events


if __name__ == "__main__":
    talk = Talk().run()
    print(  # noqa: T201 - what the test reads
        sys.implementation.name, len(talk.reported), len(talk.answered), talk.checksum
    )
