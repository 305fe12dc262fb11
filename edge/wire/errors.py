"""Every error of the wire, as one tree; the branch says whose fault it is.

WireError
├── LocalError (ValueError)          this program broke a rule; nothing was sent
│   └── NotOpenError                 the session cannot carry this now
└── PeerError                        the other side broke a rule; `code` is what to tell it
    ├── FrameTooLargeError           more bytes than FRAME_LIMIT; not decoded
    ├── DecodeError                  not CBOR as we speak it, or a field is wrong; names the field
    ├── UnknownMessageError          a kind of message from a newer peer; ignored and counted
    ├── ProtocolViolationError       a good message at the wrong moment or over its window
    └── VersionMismatchError         no common version
"""

from edge.wire.messages import CloseCode


class WireError(Exception):
    """Base of every error raised by `edge.wire`."""


class LocalError(WireError, ValueError):
    """We broke a rule of the protocol ourselves; nothing was sent."""


class NotOpenError(LocalError):
    """The session is not in a state that can carry this message."""


class PeerError(WireError):
    """The other side broke a rule of the protocol."""

    code = CloseCode.PROTOCOL


class FrameTooLargeError(PeerError):
    """The frame is longer than FRAME_LIMIT and was not decoded."""


class DecodeError(PeerError):
    """The bytes are not a valid message; the text names the field."""


class UnknownMessageError(PeerError):
    """The tag `t` is unknown here."""


class ProtocolViolationError(PeerError):
    """A valid message that the rules do not allow now."""


class VersionMismatchError(PeerError):
    """Both sides speak the protocol, but no common version."""

    code = CloseCode.VERSION
