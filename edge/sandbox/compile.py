"""Modules into code, once, in a child process, kept in a cache that never lies.

A cached file is named `<module sha256>-<fingerprint of engine and CPU>-<CRC-32 of the file>`; it
is written elsewhere, synced and renamed, and its CRC is compared before each use: mapping damaged
code would be running it. (A CRC is against worn-out cards; whoever can write here already owns
the node.)
"""

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
import zlib
from collections.abc import Collection
from pathlib import Path

from edge.sandbox.compiler import INVALID, REFUSED, UNKNOWN_IMPORT
from edge.sandbox.engine import fingerprint
from edge.sandbox.errors import (
    CompileCrashedError,
    CompileTimeoutError,
    InvalidModuleError,
    UnknownImportError,
)
from edge.wire.limits import MODULE_LIMIT

TIMEOUT = 600.0
"""Seconds a compilation may take; twice the CPU it is given, for a busy board."""
CACHE_LIMIT = 256 << 20
"""Bytes kept when nothing says otherwise: some hundred apps."""

_SUFFIX = ".cwasm"
_PART = ".part"
_ENTRY = "from edge.sandbox.compiler import main; main()"
_CHUNK = 1 << 20
_STDERR_TAIL = 500


async def compile_module(wasm: Path, cache: Path, timeout: float = TIMEOUT) -> Path:  # noqa: ASYNC109
    """Code of this module for this node, compiled now or before.

    Raises InvalidModuleError (UnknownImportError) for what only another module can cure,
    CompileTimeoutError or CompileCrashedError otherwise, and OSError when a file cannot be read
    or written. Two calls at once for one module are harmless.
    """
    digest = await asyncio.to_thread(_digest, wasm)
    prefix = f"{digest}-{fingerprint()}-"
    found = await asyncio.to_thread(_find, cache, prefix)
    if found is not None:
        return found
    part = cache / f"{prefix}{os.urandom(4).hex()}{_PART}"
    try:
        await _run_child(wasm, digest, part, timeout)
        return await asyncio.to_thread(_keep, part, prefix)
    finally:
        part.unlink(missing_ok=True)


def sweep(cache: Path, keep: Collection[str], limit: int = CACHE_LIMIT) -> int:
    """Remove what was used longest ago until the rest fits in `limit` bytes; bytes removed.

    `keep` holds module digests (64 hexadecimal digits) that stay whatever they weigh.
    Call it while nothing compiles: half-written files go too.
    """
    removed = 0
    for part in cache.glob(f"*{_PART}"):
        removed += part.stat().st_size
        part.unlink()
    entries = sorted((file.stat().st_mtime_ns, file) for file in cache.glob(f"*{_SUFFIX}"))
    total = sum(file.stat().st_size for _, file in entries)
    for _, file in entries:
        if total <= limit:
            break
        if file.name.partition("-")[0] not in keep:
            size = file.stat().st_size
            file.unlink()
            total -= size
            removed += size
    return removed


def _digest(wasm: Path) -> str:
    if wasm.stat().st_size > MODULE_LIMIT:
        raise InvalidModuleError(
            f"the module has {wasm.stat().st_size} bytes, at most {MODULE_LIMIT} run here"
        )
    with wasm.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _crc(file: Path) -> str:
    crc = 0
    with file.open("rb") as data:
        while chunk := data.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}"


def _find(cache: Path, prefix: str) -> Path | None:
    """The cached file if it is whole, marked as used now; a damaged one is removed."""
    cache.mkdir(parents=True, exist_ok=True)
    for file in cache.glob(f"{prefix}*{_SUFFIX}"):
        if file.name == f"{prefix}{_crc(file)}{_SUFFIX}":
            os.utime(file)
            return file
        file.unlink(missing_ok=True)
    return None


def _keep(part: Path, prefix: str) -> Path:
    file = part.with_name(f"{prefix}{_crc(part)}{_SUFFIX}")
    part.rename(file)
    directory = os.open(part.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return file


def _command(wasm: Path, digest: str, part: Path) -> list[str]:
    # Not `-m`: our packages may be extension modules, which have no code for it to run.
    return [sys.executable, "-c", _ENTRY, str(wasm.absolute()), digest, str(part.absolute())]


def _environment() -> dict[str, str]:
    """Nothing of ours but where to find modules."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}


async def _run_child(wasm: Path, digest: str, part: Path, timeout: float) -> None:  # noqa: ASYNC109
    child = await asyncio.create_subprocess_exec(
        *_command(wasm, digest, part),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        cwd="/",
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await child.communicate()
    except TimeoutError:
        raise CompileTimeoutError(f"compiling took longer than {timeout:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode == REFUSED:
        kind, _, message = output.decode(errors="replace").partition("\n")
        raise {INVALID: InvalidModuleError, UNKNOWN_IMPORT: UnknownImportError}[kind](message)
    if child.returncode:
        raise CompileCrashedError(_obituary(child.returncode, errors))


def _obituary(status: int | None, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip()[-_STDERR_TAIL:]
    if status is not None and status < 0:
        if -status == signal.SIGXCPU:
            return "compiling used more CPU than it is given"
        return f"the compiler was ended by {signal.Signals(-status).name}: {last}"
    return f"the compiler failed with status {status}: {last}"
