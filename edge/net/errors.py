"""Every error of a connection, as one tree.

NetError
├── AddressError (ValueError)          the URL cannot be used; names what is wrong with it
├── ConnectError (ConnectionError)     no connection: name, refusal, TLS
├── LinkLostError (ConnectionError)    the peer went away in the middle
├── LinkTimeoutError (TimeoutError)    nothing came in time
├── BadPeerError                       the peer does not speak the protocol, or over a bound
└── StatusError                        an HTTP status that is not what was asked for
"""


class NetError(Exception):
    """Base of every error raised by `edge.net`."""


class AddressError(NetError, ValueError):
    """The URL cannot be used."""


class ConnectError(NetError, ConnectionError):
    """The connection was not made."""


class LinkLostError(NetError, ConnectionError):
    """The peer went away before it was done."""


class LinkTimeoutError(NetError, TimeoutError):
    """Nothing came in time."""


class BadPeerError(NetError):
    """The peer broke HTTP or WebSocket, or a bound of ours."""


class StatusError(NetError):
    """The server answered with another status than asked for."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
