"""From an artifact on the disk to a module that may start."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs

from edge.errors import RetryableError, UnusableError
from edge.fetch import ArtifactCache
from edge.gatekeeper import Gatekeeper
from edge.keyholder import FileKey
from edge.logbuffer import LogBuffer
from edge.sandbox.compile import CACHE_LIMIT
from edge.sandbox.engine import Engine
from edge.sandbox.exits import Exit
from edge.secrets import SecretKeeper
from edge.store import Store
from edge.verifying import ask
from edge.wire.files import pack_files
from edge.wire.messages import DesiredApp, Files, Module
from edge.workshop import SandboxWorkshop
from hal.sim.board import SimBoard
from tests.support.blob_server import BlobServer
from tests.support.guests import c
from tests.support.specs import desired_app, manifest

WHOLE = b"\0asm\1\0\0\0"
"""The smallest module: magic and version, nothing else (WebAssembly core, 5.5.16)."""


def _admits_all(store: Store) -> Gatekeeper:
    """That of a node without a root of trust, whose owner allows what nobody signed."""

    async def no_roots(_version: int) -> list[bytes]:
        return []

    return Gatekeeper(
        store.meta,
        root_file=None,
        allow_unsigned=True,
        ask=ask,
        newer_roots=no_roots,
        now_ns=lambda: 0,
    )


@pytest.fixture
def prepare(tmp_path):
    """Prepares an app of these bytes, of which `held` come to the disk first."""

    def attempt(promised: bytes, held: bytes | None) -> None:
        digest = f"sha256:{hashlib.sha256(promised).hexdigest()}"
        cache = ArtifactCache(tmp_path / "artifacts", 1 << 20)
        if held is not None:
            (tmp_path / "artifacts" / digest.replace(":", "-")).write_bytes(held)
        promise = Module(repository="app", digest=digest, size=len(promised))
        spec = structs.replace(desired_app(), module=promise)
        with Store.open(tmp_path / "store") as store:
            workshop = SandboxWorkshop(
                board=SimBoard(),
                store=store,
                logs=LogBuffer(),
                cache=cache,
                engine=Engine(),
                directory=tmp_path,
                registry="http://127.0.0.1:1",
                secrets=SecretKeeper(FileKey(tmp_path / "secrets.key")),
                gatekeeper=_admits_all(store),
            )
            asyncio.run(workshop.prepare(spec, lambda: None))

    return attempt


def test_a_module_that_was_damaged_on_the_disk_is_fetched_again_and_not_given_up(prepare):
    with pytest.raises(RetryableError, match="damaged on the disk; fetched anew"):
        prepare(WHOLE, b"\0asm\1\0\0\x63")
    with pytest.raises(RetryableError, match=r"127\.0\.0\.1:1"):
        prepare(WHOLE, None)


def test_a_module_that_is_what_was_promised_and_no_module_is_given_up(prepare):
    with pytest.raises(UnusableError):
        prepare(b"not wasm", b"not wasm")


# --- apps in a language share its runtime --------------------------------------------------------

READER = r"""
#include <stdio.h>
int main(void) {
    char line[64];
    FILE *file = fopen("/app/main.py", "r");
    if (!file || !fgets(line, sizeof line, file)) return 1;
    printf("%s", line);
    return 0;
}
"""
"""Stands in for a language: it says what its program says."""


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Shelf(BlobServer):
    """Serves several blobs by digest, and counts."""

    def __init__(self, *blobs: bytes) -> None:
        super().__init__(b"")
        self.blobs = {digest_of(blob): blob for blob in blobs}
        self.served: list[str] = []

    async def _respond(self, head: str, writer: asyncio.StreamWriter) -> None:
        digest = head.split()[1].rpartition("/")[2]
        self.blob = self.blobs[digest]
        self.served.append(digest)
        await super()._respond(head, writer)


def app_of(runtime: bytes, files: bytes, name: str = "one") -> DesiredApp:
    return DesiredApp(
        manifest=manifest(name, runtime="python"),
        module=Module(repository=name, digest=digest_of(runtime), size=len(runtime)),
        files=Files(repository=name, digest=digest_of(files), size=len(files)),
    )


@dataclass
class Place:
    """A workshop and what is around it."""

    folder: Path
    workshop: SandboxWorkshop
    logs: LogBuffer
    shelf: Shelf
    compiled: list[str]

    async def run(self, name: str, spec: DesiredApp) -> tuple[Exit, list[str]]:
        """Make it ready, run it to its end; that, and what it said."""
        await self.workshop.prepare(spec, lambda: self.compiled.append(name))
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        ends: list[Exit] = []

        def ended(end: Exit) -> None:
            ends.append(end)
            loop.call_soon_threadsafe(over.set)

        self.workshop.start(name, spec, ended, lambda _name, _value: None)
        await asyncio.wait_for(over.wait(), 20)
        said = [line.text for line in self.logs.tail(name, 100)]
        return ends[0], said


@asynccontextmanager
async def place(folder: Path, *blobs: bytes) -> AsyncIterator[Place]:
    engine, logs = Engine(), LogBuffer()
    async with Shelf(*blobs) as shelf:
        with Store.open(folder / "store") as store:
            workshop = SandboxWorkshop(
                board=SimBoard(),
                store=store,
                logs=logs,
                cache=ArtifactCache(folder / "artifacts", 1 << 20),
                engine=engine,
                directory=folder,
                registry=shelf.url,
                secrets=SecretKeeper(FileKey(folder / "secrets.key")),
                gatekeeper=_admits_all(store),
            )
            yield Place(folder, workshop, logs, shelf, [])
    engine.close()


def test_two_apps_share_one_fetch_and_one_compilation_of_their_runtime(tmp_path):
    runtime, first, second = (
        c(READER),
        pack_files({"main.py": b"1"}),
        pack_files({"main.py": b"2"}),
    )

    async def scene() -> None:
        async with place(tmp_path, runtime, first, second) as here:
            assert (await here.run("one", app_of(runtime, first)))[1] == ["1"]
            code = [path.stat() for path in (tmp_path / "compiled").iterdir()]
            assert (await here.run("two", app_of(runtime, second, "two")))[1] == ["2"]
            assert here.shelf.served == [digest_of(each) for each in (runtime, first, second)]
            again = [path.stat() for path in (tmp_path / "compiled").iterdir()]
            assert len(code) == 1
            assert [each.st_ino for each in again] == [each.st_ino for each in code]

    asyncio.run(scene())


def test_changed_files_are_fetched_alone(tmp_path):
    runtime, first, second = (
        c(READER),
        pack_files({"main.py": b"1"}),
        pack_files({"main.py": b"2"}),
    )

    async def scene() -> None:
        async with place(tmp_path, runtime, first, second) as here:
            await here.run("one", app_of(runtime, first))
            here.shelf.served.clear()
            assert (await here.run("one", app_of(runtime, second)))[1] == ["1", "2"]
            assert here.shelf.served == [digest_of(second)]

    asyncio.run(scene())


def test_files_that_the_registry_changed_never_run(tmp_path):
    runtime, good = c(READER), pack_files({"main.py": b"1"})
    evil = pack_files({"main.py": b"2"})

    async def scene() -> None:
        async with place(tmp_path, runtime, good) as here:
            here.shelf.blobs[digest_of(good)] = evil
            with pytest.raises(RetryableError, match="the registry sent"):
                await here.workshop.prepare(app_of(runtime, good), lambda: None)

    asyncio.run(scene())


def test_files_that_were_changed_on_the_disk_are_fetched_again(tmp_path):
    runtime, good = c(READER), pack_files({"main.py": b"1"})

    async def scene() -> None:
        async with place(tmp_path, runtime, good) as here:
            spec = app_of(runtime, good)
            await here.run("one", spec)
            held = tmp_path / "artifacts" / digest_of(good).replace(":", "-")
            held.write_bytes(pack_files({"main.py": b"2"}))
            with pytest.raises(RetryableError, match="damaged on the disk; fetched anew"):
                await here.workshop.prepare(spec, lambda: None)
            assert (await here.run("one", spec))[1] == ["1", "1"]

    asyncio.run(scene())


@pytest.mark.parametrize("blob", [b"\xa0", b"no files", b"\xa1\x67../x.py\x40"])
def test_files_that_are_none_are_given_up(tmp_path, blob):
    runtime = c(READER)

    async def scene() -> None:
        async with place(tmp_path, runtime, blob) as here:
            with pytest.raises(UnusableError, match=r"files: .*build the app again"):
                await here.workshop.prepare(app_of(runtime, blob), lambda: None)

    asyncio.run(scene())


def test_a_runtime_without_files_and_files_without_a_runtime_are_given_up(tmp_path):
    runtime, files = c(READER), pack_files({"main.py": b"1"})
    spec = app_of(runtime, files)
    bare = structs.replace(spec, files=None)
    stray = structs.replace(spec, manifest=manifest("one"))

    async def scene() -> None:
        async with place(tmp_path, runtime, files) as here:
            for wrong, words in ((bare, "files: missing"), (stray, "runtime: missing")):
                with pytest.raises(UnusableError, match=words):
                    await here.workshop.prepare(wrong, lambda: None)
            assert here.shelf.served == []

    asyncio.run(scene())


def test_what_ran_before_is_forgotten_when_the_next_has_started(tmp_path):
    runtime = c(READER)
    blobs = [pack_files({"main.py": str(at).encode()}) for at in range(20)]

    async def scene() -> None:
        async with place(tmp_path, runtime, *blobs) as here:
            for blob in blobs:
                await here.run("one", app_of(runtime, blob))
            assert len(here.workshop._ready) == 1
            here.workshop.forget("one")
            assert not here.workshop._ready

    asyncio.run(scene())


def test_eviction_takes_files_as_it_takes_modules_and_keeps_what_is_in_use(tmp_path):
    old, new = pack_files({"main.py": b"old" * 100}), pack_files({"main.py": b"new" * 100})
    third = pack_files({"main.py": b"3rd" * 100})

    def files(blob: bytes) -> Files:
        return Files(repository="one", digest=digest_of(blob), size=len(blob))

    async def scene() -> None:
        async with Shelf(old, new, third) as shelf:
            cache = ArtifactCache(tmp_path, 2 * len(old) + 10)
            for blob in (old, new):
                await cache.fetch(shelf.url, files(blob))
            cache.retain([digest_of(old)])
            await cache.fetch(shelf.url, files(third))
            kept = [cache.path(files(blob)) is not None for blob in (old, new, third)]
            assert kept == [True, False, True]

    asyncio.run(scene())


def test_code_that_no_app_runs_goes_at_a_start_when_there_is_too_much(tmp_path):
    used, old = "a" * 64, "b" * 64

    async def scene() -> None:
        async with place(tmp_path) as here:
            compiled = tmp_path / "compiled"
            compiled.mkdir()
            for digest in (used, old):
                with (compiled / f"{digest}-x-0.cwasm").open("wb") as file:
                    file.truncate(CACHE_LIMIT)  # without a byte on the disk
            here.workshop.sweep(set(), {f"sha256:{used}"})
            assert [path.name[:64] for path in compiled.iterdir()] == [used]

    asyncio.run(scene())
