"""The control socket, over a real Unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge.control import LINE_LIMIT, ControlServer, Request, call
from edge.errors import ControlError


async def count(request: Request) -> AsyncIterator[dict[str, Any]]:
    for number in range(request.tail):
        yield {"number": number}


async def fail(request: Request) -> AsyncIterator[dict[str, Any]]:
    yield {"first": 1}
    raise ControlError(f"app: no app {request.app!r}")


async def ask(tmp_path: Path, *requests: Request) -> list[list[dict[str, Any]]]:
    server = ControlServer(tmp_path / "control.sock", {"count": count, "fail": fail})
    await server.start()
    try:
        return [
            await asyncio.to_thread(lambda r=r: list(call(tmp_path / "control.sock", r)))
            for r in requests
        ]
    finally:
        await server.close()


def test_a_request_is_answered_line_by_line(tmp_path: Path):
    answers = asyncio.run(ask(tmp_path, Request(verb="count", tail=3)))
    assert answers == [[{"number": 0}, {"number": 1}, {"number": 2}]]


def test_an_unknown_verb_is_refused_with_those_that_exist(tmp_path: Path):
    with pytest.raises(ControlError, match=r"verb: 'fly'; have count, fail"):
        asyncio.run(ask(tmp_path, Request(verb="fly")))


def test_an_error_in_the_middle_reaches_the_person(tmp_path: Path):
    with pytest.raises(ControlError, match=r"app: no app 'x'"):
        asyncio.run(ask(tmp_path, Request(verb="fail", app="x")))


def test_no_agent_is_a_clear_error(tmp_path: Path):
    with pytest.raises(ControlError, match="no agent answers at"):
        list(call(tmp_path / "control.sock", Request(verb="status")))


def test_a_socket_left_by_a_killed_agent_is_replaced(tmp_path: Path):
    (tmp_path / "control.sock").write_text("stale")
    assert asyncio.run(ask(tmp_path, Request(verb="count", tail=0))) == [[]]


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b'{"verb":1}\n', b"\xff\xfe\n", b"x" * LINE_LIMIT]
)
def test_garbage_is_answered_with_an_error_and_serves_on(tmp_path: Path, line: bytes):
    async def garbage() -> bytes:
        path = tmp_path / "control.sock"
        server = ControlServer(path, {"count": count})
        await server.start()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        assert (
            await asyncio.to_thread(lambda: list(call(path, Request(verb="count", tail=0)))) == []
        )
        await server.close()
        return answer

    assert b'"error"' in asyncio.run(garbage())


def test_only_the_owner_may_open_it(tmp_path: Path):
    async def mode() -> int:
        server = ControlServer(tmp_path / "control.sock", {})
        await server.start()
        found = (tmp_path / "control.sock").stat().st_mode & 0o777
        await server.close()
        return found

    assert asyncio.run(mode()) == 0o600
