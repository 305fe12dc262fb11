"""TCP and TLS streams with errors a person can use."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from edge.net.address import Address
from edge.net.errors import ConnectError, LinkTimeoutError

READ_SIZE = 64 << 10
"""Bytes asked for at once: asyncio's own buffer bound."""
CLOSE_TIMEOUT = 2.0
"""Seconds for a polite TLS end; then the socket is dropped."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How to meet a service whose time may not be this board's."""

    context: ssl.SSLContext
    """Told not to compare times with the system's clock, which may show 1970."""
    now_ns: Callable[[], int]
    """A time that has certainly passed: a certificate that ended before is refused."""

    def check(self, writer: asyncio.StreamWriter, where: str) -> None:
        """Raises ConnectError when the peer's certificate has ended."""
        found = writer.get_extra_info("peercert")
        if found and ssl.cert_time_to_seconds(found["notAfter"]) * 10**9 < self.now_ns():
            raise ConnectError(f"{where}: certificate: ended on {found['notAfter']}")


async def open_stream(
    address: Address, tls: ssl.SSLContext | Tls | None, within: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect within so many seconds; `tls` None means the system's trust for secure URLs.

    Raises ConnectError or LinkTimeoutError.
    """
    where = f"{address.host}:{address.port}"
    known = tls.context if isinstance(tls, Tls) else tls
    context = (known or ssl.create_default_context()) if address.secure else None
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=context, limit=READ_SIZE
            )
    except TimeoutError:
        raise LinkTimeoutError(f"{where}: no connection within {within:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"{where}: certificate: {error.verify_message}") from error
    except OSError as error:
        text = error.strerror or str(error) or type(error).__name__
        raise ConnectError(f"{where}: {text}") from error
    if address.secure and isinstance(tls, Tls):
        try:
            tls.check(writer, where)
        except ConnectError:
            writer.transport.abort()
            raise
    return reader, writer


async def close_stream(writer: asyncio.StreamWriter) -> None:
    """Close politely within CLOSE_TIMEOUT, else drop; never raises for a peer's fault."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await writer.wait_closed()
    except OSError:  # includes TimeoutError: the peer does not answer, or is gone already
        writer.transport.abort()
