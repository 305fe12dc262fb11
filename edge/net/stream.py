"""TCP and TLS streams with errors a person can use."""

import asyncio
import ssl

from edge.net.address import Address
from edge.net.errors import ConnectError, LinkTimeoutError

READ_SIZE = 64 << 10
"""Bytes asked for at once: asyncio's own buffer bound."""
CLOSE_TIMEOUT = 2.0
"""Seconds for a polite TLS end; then the socket is dropped."""


async def open_stream(
    address: Address, tls: ssl.SSLContext | None, within: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect within so many seconds; `tls` None means the system's trust for secure URLs.

    Raises ConnectError or LinkTimeoutError.
    """
    where = f"{address.host}:{address.port}"
    context = (tls or ssl.create_default_context()) if address.secure else None
    try:
        async with asyncio.timeout(within):
            return await asyncio.open_connection(
                address.host, address.port, ssl=context, limit=READ_SIZE
            )
    except TimeoutError:
        raise LinkTimeoutError(f"{where}: no connection within {within:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"{where}: certificate: {error.verify_message}") from error
    except OSError as error:
        raise ConnectError(f"{where}: {error.strerror or error}") from error


async def close_stream(writer: asyncio.StreamWriter) -> None:
    """Close politely within CLOSE_TIMEOUT, else drop; never raises for a peer's fault."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await writer.wait_closed()
    except OSError:  # includes TimeoutError: the peer does not answer, or is gone already
        writer.transport.abort()
