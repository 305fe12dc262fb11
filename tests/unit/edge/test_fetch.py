import asyncio
import hashlib
import random
import resource
from contextlib import contextmanager

import pytest

from edge.fetch import (
    ArtifactCache,
    DiskFullError,
    FetchError,
    LastingError,
    NotFoundError,
    WrongBytesError,
)
from edge.wire.messages import Module
from tests.support.blob_server import BlobServer

BLOB = random.Random(1).randbytes(200_000)


def module(blob=BLOB):
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    return Module(repository="apps/thermo", digest=digest, size=len(blob))


@pytest.fixture
def cache(tmp_path):
    return ArtifactCache(tmp_path / "cache", 1 << 20)


def part_of(cache, wanted):
    return cache._part(wanted.digest)


def fetched(test):
    """Run a coroutine function with a server and a cache."""

    def wrapper(cache):
        async def body():
            async with BlobServer(BLOB) as server:
                await test(server, cache)

        asyncio.run(body())

    wrapper.__name__ = test.__name__
    return wrapper


@fetched
async def test_an_artifact_is_fetched_once_and_found_afterwards(server, cache):
    seen = []
    path = await cache.fetch(server.url, module(), lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == BLOB
    assert (seen[0], seen[-1]) == ((0, len(BLOB)), (len(BLOB), len(BLOB)))
    assert await cache.fetch(server.url, module()) == path
    [request] = server.requests
    assert request.startswith(f"GET /v2/apps/thermo/blobs/{module().digest} HTTP/1.1\r\n")
    assert "identity" in request


@fetched
async def test_two_who_want_the_same_share_one_download(server, cache):
    first, second = await asyncio.gather(
        cache.fetch(server.url, module()), cache.fetch(server.url, module())
    )
    assert first == second
    assert len(server.requests) == 1


@fetched
async def test_a_body_in_chunks_is_understood(server, cache):
    server.chunked = True
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB


@pytest.mark.parametrize("each", [10_001, 33_333, 65_536, 199_999])
def test_a_download_cut_again_and_again_resumes_where_it_was(cache, each):
    async def body():
        async with BlobServer(BLOB) as server:
            server.cut_after = each
            for _ in range(len(BLOB) // each):
                with pytest.raises(FetchError, match="too early"):
                    await cache.fetch(server.url, module())
            await cache.fetch(server.url, module())
            assert server.starts == list(range(0, len(BLOB), each))
            assert cache.path(module()).read_bytes() == BLOB

    asyncio.run(body())


@fetched
async def test_whoever_watches_is_told_where_it_goes_on(server, cache):
    part_of(cache, module()).write_bytes(BLOB[:1000])
    seen = []
    await cache.fetch(server.url, module(), lambda done, _: seen.append(done))
    assert seen[0] == 1000


@fetched
async def test_an_answer_that_will_hardly_change_is_told_from_a_bad_day(server, cache):
    for status, kind in ((403, LastingError), (404, LastingError), (503, FetchError)):
        server.answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
        with pytest.raises(kind) as raised:
            await cache.fetch(server.url, module())
        assert isinstance(raised.value, LastingError) is (kind is LastingError)


@fetched
async def test_a_server_that_does_not_resume_sends_it_all_again(server, cache):
    part_of(cache, module()).write_bytes(BLOB[:1000])
    server.resumes = False
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.starts == [1000]


@fetched
async def test_a_whole_part_needs_no_request(server, cache):
    part_of(cache, module()).write_bytes(BLOB)
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.requests == []


@fetched
async def test_a_part_that_is_too_long_is_thrown_away(server, cache):
    part_of(cache, module()).write_bytes(BLOB + b"x")
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.starts == [0]


@fetched
async def test_a_rotten_part_is_found_out_and_the_next_try_is_whole(server, cache):
    part_of(cache, module()).write_bytes(b"rot" * 100)
    with pytest.raises(WrongBytesError, match="discarded"):
        await cache.fetch(server.url, module())
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.starts == [300, 0]


@fetched
async def test_another_range_than_asked_for_starts_over(server, cache):
    part_of(cache, module()).write_bytes(BLOB[:1000])
    server.shift = 5
    with pytest.raises(FetchError, match="another range than from 1000"):
        await cache.fetch(server.url, module())
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB


@fetched
async def test_a_refused_range_starts_over(server, cache):
    part_of(cache, module()).write_bytes(BLOB[:1000])
    server.answer = b"HTTP/1.1 416 Nope\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(FetchError, match="range was refused"):
        await cache.fetch(server.url, module())
    server.answer = None
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.starts == [1000, 0]


@fetched
async def test_wrong_bytes_are_discarded_with_both_digests_named(server, cache):
    server.blob = bytes(len(BLOB))
    with pytest.raises(WrongBytesError, match=module().digest):
        await cache.fetch(server.url, module())
    assert list(cache._directory.iterdir()) == []


@fetched
async def test_more_bytes_than_promised_are_refused(server, cache):
    server.blob = BLOB + b"more"
    with pytest.raises(WrongBytesError, match="more than the promised 200000 bytes"):
        await cache.fetch(server.url, module())
    assert part_of(cache, module()).stat().st_size == 0


@fetched
async def test_fewer_bytes_than_promised_are_kept_for_the_next_try(server, cache):
    server.blob = BLOB[:150_000]
    with pytest.raises(FetchError, match="only 150000 of 200000 bytes came; kept"):
        await cache.fetch(server.url, module())
    server.blob = BLOB
    assert (await cache.fetch(server.url, module())).read_bytes() == BLOB
    assert server.starts == [0, 150_000]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", NotFoundError, "registry has no"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", FetchError, "HTTP 500"),
        (
            b"HTTP/1.1 302 Go\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n",
            FetchError,
            "redirect to 'http://evil/' is not followed",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
            FetchError,
            "content-encoding 'gzip'",
        ),
        (
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-199999/200000\r\n"
            b"Content-Length: 200000\r\n\r\n",
            FetchError,
            "another range than from 0",
        ),
        (b"SSH-2.0-hello\r\n\r\n", FetchError, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", FetchError, "not HTTP"),
        (b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", FetchError, ""),
        (b"", FetchError, "too early"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why_and_keeps_what_is_there(
    cache, answer, error, words
):
    async def body():
        async with BlobServer(BLOB) as server:
            server.answer = answer
            with pytest.raises(error) as caught:
                await cache.fetch(server.url, module())
            assert words in str(caught.value)
            server.answer = None
            assert (await cache.fetch(server.url, module())).read_bytes() == BLOB

    asyncio.run(body())


@fetched
async def test_a_failing_server_does_not_cost_what_came_before(server, cache):
    part_of(cache, module()).write_bytes(BLOB[:1000])
    server.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(FetchError, match="HTTP 503"):
        await cache.fetch(server.url, module())
    assert part_of(cache, module()).read_bytes() == BLOB[:1000]


@fetched
async def test_a_server_that_stalls_is_given_up(server, cache):
    server.stall.clear()
    cache = ArtifactCache(cache._directory, 1 << 20, idle_timeout=0.05)
    with pytest.raises(FetchError, match=r"nothing came for 0\.05 s"):
        await cache.fetch(server.url, module())
    assert part_of(cache, module()).stat().st_size == 100_000


def test_a_registry_that_is_not_there_is_named(cache):
    with pytest.raises(FetchError, match=r"apps/thermo: 127\.0\.0\.1:1"):
        asyncio.run(cache.fetch("http://127.0.0.1:1", module()))


def test_a_file_of_another_size_is_not_served(cache):
    cache._file(module().digest).write_bytes(b"short")
    assert cache.path(module()) is None
    assert not cache._file(module().digest).exists()


def test_a_file_that_was_damaged_on_the_disk_is_removed_when_asked_for(cache):
    path = cache._file(module().digest)
    path.write_bytes(BLOB)
    assert cache.intact(module())
    path.write_bytes(bytes(len(BLOB)))
    assert not cache.intact(module())
    assert not path.exists()


# --- room --------------------------------------------------------------------------------------

BLOBS = [bytes([n]) * 100_000 for n in range(4)]


@contextmanager
def files_bounded(size):
    """No file of this process may grow past `size` bytes: how a full disk looks to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@fetched
async def test_a_full_disk_is_told_and_what_came_is_given_back(server, cache):
    with files_bounded(50_000), pytest.raises(DiskFullError, match="the disk is full"):
        await cache.fetch(server.url, module())
    assert list(cache._directory.iterdir()) == []


def test_the_least_recently_used_makes_room_but_never_what_is_in_use(tmp_path):
    async def body():
        cache = ArtifactCache(tmp_path, 300_000)
        async with BlobServer(b"") as server:
            for blob in BLOBS[:3]:
                server.blob = blob
                await cache.fetch(server.url, module(blob))
            cache.retain([module(BLOBS[0]).digest])
            assert cache.path(module(BLOBS[1]))  # used now: 2 is the oldest that may go
            server.blob = BLOBS[3]
            await cache.fetch(server.url, module(BLOBS[3]))
        return [cache.path(module(blob)) is not None for blob in BLOBS]

    assert asyncio.run(body()) == [True, True, False, True]


def test_when_all_is_in_use_there_is_no_room(tmp_path):
    async def body():
        cache = ArtifactCache(tmp_path, 250_000)
        async with BlobServer(b"") as server:
            for blob in BLOBS[:2]:
                server.blob = blob
                await cache.fetch(server.url, module(blob))
            cache.retain(module(blob).digest for blob in BLOBS)
            with pytest.raises(DiskFullError, match="no room for 100000 bytes"):
                await cache.fetch(server.url, module(BLOBS[2]))

    asyncio.run(body())
