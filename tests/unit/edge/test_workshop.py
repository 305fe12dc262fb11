"""From an artifact on the disk to a module that may start."""

import asyncio
import hashlib

import pytest
from msgspec import structs

from edge.errors import RetryableError, UnusableError
from edge.fetch import ArtifactCache
from edge.gatekeeper import Gatekeeper
from edge.keyholder import FileKey
from edge.logbuffer import LogBuffer
from edge.sandbox.engine import Engine
from edge.secrets import SecretKeeper
from edge.store import Store
from edge.verifying import ask
from edge.wire.messages import Module
from edge.workshop import SandboxWorkshop
from hal.sim.board import SimBoard
from tests.support.specs import desired_app

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
