"""The node's own control socket: a person on the board can see and act while the link is down.

A Unix socket in the state directory, mode 0600. One request, a JSON object on one line; the answer
is one or more JSON objects, a line each; the last has `end`. `logs` with `follow` has no end.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import AgentError, ControlError

LINE_LIMIT = 64 << 10
"""Bytes of a request or of one line of an answer."""
CLIENTS_LIMIT = 16
"""Connections at once; people and scripts, not a service."""
CONNECT_TIMEOUT = 5.0


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person asks of the agent."""

    verb: str
    app: str | None = None
    tail: int = 100
    follow: bool = False
    target: str = ""
    values: dict[str, str | float | bool] = msgspec.field(
        default_factory=dict[str, "str | float | bool"]
    )


Answer = Mapping[str, Any]
Handler = Callable[[Request], AsyncIterator[Answer]]


class ControlServer:
    """Serves requests until closed; belongs to the loop's thread."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self) -> None:
        """Listen; replaces the socket that a killed agent left behind."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, path=self._path, limit=LINE_LIMIT
        )
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and end what is served; may be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > CLIENTS_LIMIT:
                raise ControlError("the agent serves enough people already; try again")
            request = _decode(await reader.readline())
            handler = self._handlers.get(request.verb)
            if handler is None:
                raise ControlError(f"verb: {request.verb!r}; have {', '.join(self._handlers)}")
            async for answer in handler(request):
                await _send(writer, answer)
            await _send(writer, {"end": True})
        except (AgentError, ValueError, LookupError) as error:
            with contextlib.suppress(OSError):
                await _send(writer, {"error": str(error)})
        except OSError:
            pass  # the person hung up
        finally:
            self._clients -= 1
            writer.close()


def call(path: Path, request: Request) -> Iterator[dict[str, Any]]:
    """Send a request and yield the answers; blocking. Raises ControlError when refused."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(CONNECT_TIMEOUT)
        try:
            sock.connect(str(path))
        except OSError as error:
            raise ControlError(
                f"no agent answers at {path}: {error.strerror}. Is `skerry agent` running, "
                "and is --state the same directory?"
            ) from None
        sock.settimeout(None if request.follow else 30.0)
        sock.sendall(msgspec.json.encode(request) + b"\n")
        with sock.makefile("rb") as lines:
            while line := lines.readline(LINE_LIMIT):
                answer: dict[str, Any] = msgspec.json.decode(line)
                if "error" in answer:
                    raise ControlError(str(answer["error"]))
                if "end" in answer:
                    return
                yield answer
    raise ControlError("the agent hung up before it had answered; see its log")


def _decode(line: bytes) -> Request:
    try:
        return msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ControlError(f"not a request: {error}") from None


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    await writer.drain()
