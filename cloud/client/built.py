"""A built app on the desk, as it is pushed: manifest, module, and the files that a runtime runs."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

from cloud.client.errors import InputError
from edge.wire.errors import DecodeError
from edge.wire.files import unpack_files
from edge.wire.limits import FILES_LIMIT, MODULE_LIMIT
from edge.wire.manifest import AppManifest

WASM_MAGIC = b"\0asm"


@dataclass(frozen=True, slots=True)
class Built:
    """What `skerry app build` left, checked."""

    manifest: AppManifest
    module: bytes
    files: bytes
    """Packed; empty without a runtime."""

    @property
    def manifest_json(self) -> bytes:
        """The manifest as it lies in the registry; equal manifests have equal bytes."""
        return json.dumps(msgspec.to_builtins(self.manifest), sort_keys=True).encode()


def load(directory: Path) -> Built:
    """The built app in a folder; raises InputError naming file and field."""
    path = directory / "app.toml"
    try:
        manifest = msgspec.convert(tomllib.loads(path.read_text("utf-8")), AppManifest)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; is {directory} an app? `skerry app new`") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None
    built = directory / "build" / f"{manifest.name}.wasm"
    module = _read(built, MODULE_LIMIT, directory)
    if not module.startswith(WASM_MAGIC):
        raise InputError(f"{built}: not a WebAssembly module")
    packed = built.with_suffix(".files")
    if manifest.runtime is UNSET:
        return Built(manifest, module, b"")
    files = _read(packed, FILES_LIMIT, directory)
    try:
        unpack_files(files)
    except DecodeError as error:
        raise InputError(f"{packed}: {error}") from None
    return Built(manifest, module, files)


def _read(path: Path, limit: int, directory: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: not built yet; run `skerry app build {directory}`") from None
    if len(data) > limit:
        raise InputError(f"{path}: {len(data)} bytes, at most {limit} can be deployed")
    return data
