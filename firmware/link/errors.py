"""What can be wrong with bytes, and with those who use the link.

LinkError
├── MalformedError   bytes that are no message; the message names the part
└── BusyError        not now: a request is under way, or the window is full
"""


class LinkError(Exception):
    """Of this package."""


class MalformedError(LinkError):
    """Bytes that are no message."""


class BusyError(LinkError):
    """Try again after the next event."""
