"""One telemetry entry as bytes: the same in the outbox and, framed, in the journal."""

import struct
from dataclasses import dataclass
from typing import Self

from edge.wire.codec import encode_gap
from edge.wire.limits import PACK_LIMIT
from edge.wire.messages import Entry, EntryKind, Gap

OVERHEAD = 128
"""Bytes charged beside each payload: keys, index, page headers and names measure 90 to 120, and
without them ten-byte packs would fill the map long before the limit."""
NAME_LIMIT = 255
"""Bytes of an app's or stream's name: the length is one byte; LMDB keys end at 511."""

_HEAD = struct.Struct(">BBqIBB")
_GAP, _PROTECTED = 1, 1


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What the outbox keeps of one call; its sequence number is its key."""

    kind: EntryKind
    protected: bool
    """Of a stream that refuses when full: it is never dropped."""
    app: str
    stream: str
    time_ns: int
    records: int
    payload: bytes

    def __post_init__(self) -> None:
        for what, name in (("app", self.app), ("stream", self.stream)):
            if not 0 < len(name.encode()) <= NAME_LIMIT or "\0" in name:
                raise ValueError(f"{what}: {name[:64]!r} must be 1 to {NAME_LIMIT} bytes, no NUL")
        if len(self.payload) > PACK_LIMIT:
            raise ValueError(f"payload: {len(self.payload)} bytes, at most {PACK_LIMIT}")
        if not 0 <= self.records < 1 << 32:
            raise ValueError(f"records: {self.records} is not between 0 and 2^32")

    @property
    def charge(self) -> int:
        """Bytes counted against the outbox's limit; a gap is free, there is one a stream."""
        return 0 if self.kind is EntryKind.GAP else len(self.payload) + OVERHEAD

    def encode(self) -> bytes:
        """The stored bytes."""
        app, stream = self.app.encode(), self.stream.encode()
        head = _HEAD.pack(
            _GAP if self.kind is EntryKind.GAP else 0,
            _PROTECTED if self.protected else 0,
            self.time_ns,
            self.records,
            len(app),
            len(stream),
        )
        return b"".join((head, app, stream, self.payload))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of `encode`; ValueError when the bytes are none."""
        try:
            kind, flags, time_ns, records, app_size, stream_size = _HEAD.unpack_from(data)
        except struct.error as error:
            raise ValueError(f"a stored entry of {len(data)} bytes") from error
        names = _HEAD.size + app_size
        start = names + stream_size
        return cls(
            EntryKind.GAP if kind == _GAP else EntryKind.SENML,
            bool(flags & _PROTECTED),
            data[_HEAD.size : names].decode(),
            data[names:start].decode(),
            time_ns,
            records,
            data[start:],
        )

    def at(self, seq: int) -> Entry:
        """The entry as it travels."""
        return Entry(
            seq=seq,
            kind=self.kind,
            app=self.app,
            stream=self.stream,
            time_ns=self.time_ns,
            payload=self.payload,
        )


def gap_entry(app: str, stream: str, gap: Gap) -> StoredEntry:
    """The entry that stands for dropped readings of one stream."""
    return StoredEntry(
        kind=EntryKind.GAP,
        protected=False,
        app=app,
        stream=stream,
        time_ns=gap.last_ns,
        # A count past 2^32 lives in the payload; here it only tells that there are some.
        records=min(gap.records, (1 << 32) - 1),
        payload=encode_gap(gap),
    )
