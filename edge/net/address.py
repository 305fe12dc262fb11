"""URLs, as far as an agent needs them: scheme, host, port, path. No user, query or fragment."""

import re
from dataclasses import dataclass

from edge.net.errors import AddressError

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{1,5}))?"
    r"(?P<path>/[!-\"$->@-~]*)?"
)
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect and what to ask for."""

    secure: bool
    host: str
    """Name or address, without brackets."""
    port: int
    path: str
    authority: str
    """Host and port as the Host header wants them."""

    @classmethod
    def parse(cls, url: str, schemes: tuple[str, str]) -> "Address":
        """The parts of `url`; `schemes` are the plain and the secure one. Raises AddressError."""
        match = _URL.fullmatch(url)
        if match is None:
            raise AddressError(f"{url!r} is not a URL like {schemes[1]}://host:port/path")
        scheme, host = match["scheme"], match["host"]
        if scheme not in schemes:
            raise AddressError(f"{url!r}: scheme {scheme}, expected {' or '.join(schemes)}")
        port = int(match["port"] or _PORTS[scheme])
        if not 0 < port <= _PORT_MAX:
            raise AddressError(f"{url!r}: port {port} is not in 1..{_PORT_MAX}")
        authority = host if port == _PORTS[scheme] else f"{host}:{port}"
        return cls(scheme == schemes[1], host.strip("[]"), port, match["path"] or "/", authority)
