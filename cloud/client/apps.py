"""`skerry app push` and `deploy`: from a built app to nodes that run it."""

import json
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.carrying import carry, pairs, pin
from cloud.client.errors import InputError
from cloud.client.registry import Reference, app_artifact, push_signed
from cloud.client.signing import app_statement, sign
from edge.wire.limits import MODULE_LIMIT
from edge.wire.manifest import AppManifest

WASM_MAGIC = b"\0asm"


def load(directory: Path) -> tuple[AppManifest, bytes]:
    """An app's manifest and built module; raises InputError naming file and field."""
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
    try:
        module = built.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{built}: not built yet; run `skerry app build {directory}`") from None
    if not module.startswith(WASM_MAGIC) or len(module) > MODULE_LIMIT:
        raise InputError(f"{built}: not a WebAssembly module of at most {MODULE_LIMIT} bytes")
    return manifest, module


def push_app(args: Namespace) -> None:
    """Push a built app and print its reference."""
    with Client(args.cloud) as client:
        reference, digest = _push(client, Path(args.directory), args.tag, args)
    if args.output == "table":
        print(f"{reference.repository}:{reference.version}\n{reference.repository}@{digest}")
    else:
        found = {"repository": reference.repository, "tag": reference.version, "digest": digest}
        output.show(found, args.output)


def deploy(args: Namespace) -> None:
    """Push when given a directory, then create or change the App."""
    with Client(args.cloud) as client:
        directory = Path(args.app)
        if directory.is_dir():
            reference, digest = _push(client, directory, None, args)
            pinned = {"digest": digest, "reference": None}
        else:
            reference = Reference.parse(args.app)
            pinned = pin(reference)
        name = args.name or reference.repository.rsplit("/", 1)[-1]
        carry(client, _app(name, {"repository": reference.repository, **pinned}, args), args)


def _push(
    client: Client, directory: Path, tag: str | None, args: Namespace
) -> tuple[Reference, str]:
    manifest, module = load(directory)
    reference = Reference.parse(f"{manifest.name}:{tag or manifest.version.replace('+', '_')}")
    manifest_json = json.dumps(msgspec.to_builtins(manifest), sort_keys=True).encode()
    made = app_artifact(manifest_json, module)
    statement = app_statement(manifest, module, args)
    return reference, push_signed(
        client, reference, made, lambda held: sign(client, statement, held, args)
    )


def _app(name: str, artifact: Json, args: Namespace) -> Json:
    spec: Json = {"artifact": artifact}
    if args.selector:
        spec["selector"] = {"matchLabels": pairs(args.selector.split(","), "--selector")}
    if args.grant:
        spec["grants"] = pairs(args.grant, "--grant")
    if args.twin:
        spec["twin"] = {key: _scalar(text) for key, text in pairs(args.twin, "--twin").items()}
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name},
        "spec": spec,
    }


def _scalar(text: str) -> Any:
    """A twin value as typed: numbers and booleans as such, everything else as text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
