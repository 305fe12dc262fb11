"""Every error of the store, as one tree.

StoreError
├── StoreOpenError                     it cannot be opened; the message names the file and a remedy
│   ├── StoreBusyError                 another process has it open
│   ├── StoreCorruptError              the file is damaged or is no store
│   └── StoreVersionError              a newer version wrote it
├── StoreFullError                     no room: the disk or the map; nothing of the call was kept
├── StoreFailedError (OSError)         the disk failed; what it holds is unknown until reopened
├── StoreClosedError (ValueError)      used after close()
├── FlushTimeoutError (TimeoutError)   not on disk yet
├── BaseMismatchError (ValueError)     a desired step does not start from what is held
├── OutboxFullError                    a stream that refuses has no room
└── QuotaExceededError                 the key-value store of an app, or of all, is full
"""


class StoreError(Exception):
    """Base of every error raised by `edge.store`."""


class StoreOpenError(StoreError):
    """The store cannot be opened."""


class StoreBusyError(StoreOpenError):
    """Another process has the store open."""


class StoreCorruptError(StoreOpenError):
    """The file is damaged or is not a store; nothing was changed."""


class StoreVersionError(StoreOpenError):
    """A newer version of the agent wrote the store; nothing was changed."""


class StoreFullError(StoreError):
    """The disk, the map or the journal has no room; nothing of the call was kept."""


class StoreFailedError(StoreError, OSError):
    """The disk failed while writing."""


class StoreClosedError(StoreError, ValueError):
    """The store was used after `close()`."""


class FlushTimeoutError(StoreError, TimeoutError):
    """The time given to `flush` passed before everything was on disk."""


class BaseMismatchError(StoreError, ValueError):
    """A difference starts from another revision than the one held."""

    def __init__(self, held: int, base: int) -> None:
        super().__init__(f"base: the step starts from revision {base}, the store holds {held}")
        self.held = held
        self.base = base


class OutboxFullError(StoreError):
    """The outbox has no room for a stream that would rather be refused than drop."""


class QuotaExceededError(StoreError):
    """The value does not fit the app's quota, or that of all apps."""
