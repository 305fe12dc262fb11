"""Keeps sending and dropping apart, so that a gap never counts a reading that was sent.

The cloud ignores entries up to its high-water mark. A gap for one entry takes that entry's
sequence number, so it is exact whether or not the entry had arrived. Entries merged into one gap
must therefore all lie above everything that was ever read for sending: above the mark.
"""

import threading


class ReadMark:
    """The highest sequence number ever read. Readers raise it, the writer asks before it drops."""

    def __init__(self, value: int) -> None:
        self._changed = threading.Condition()
        self._value = value
        self._dropping = False
        self._drops = 0

    @property
    def value(self) -> int:
        """Everything up to here may have been sent."""
        return self._value

    @property
    def drops(self) -> int:
        """Transactions that dropped entries; a snapshot is current while this does not change."""
        with self._changed:
            return self._drops

    def raise_to(self, seq: int) -> int:
        """Mark everything up to `seq` as read; `drops` once no transaction is dropping."""
        with self._changed:
            self._value = max(self._value, seq)
            self._changed.wait_for(lambda: not self._dropping)
            return self._drops

    def begin_drop(self) -> int:
        """The mark to respect in this transaction; readers wait until `end_drop`."""
        with self._changed:
            self._dropping = True
            return self._value

    def end_drop(self) -> None:
        """The transaction is over, whatever became of it."""
        with self._changed:
            if self._dropping:
                self._dropping = False
                self._drops += 1
                self._changed.notify_all()
