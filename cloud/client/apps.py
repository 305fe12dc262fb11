"""`skerry app push` and `deploy`: from a built app to nodes that run it."""

import json
import sys
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.errors import ClientError, InputError
from cloud.client.registry import Reference, app_manifest, digest_of, push, signatures
from cloud.client.signing import sign_app
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
            pinned: Json = {"digest": digest, "reference": None}
        else:
            reference = Reference.parse(args.app)
            is_digest = reference.version.startswith("sha256:")
            new, old = ("digest", "reference") if is_digest else ("reference", "digest")
            pinned = {new: reference.version, old: None}
        name = args.name or reference.repository.rsplit("/", 1)[-1]
        body = _app(name, {"repository": reference.repository, **pinned}, args)
        found, verb = client.apply(body)
        if not args.wait:
            _say(f"app/{name} {verb}", args)
            return
        _say(f"app/{name} {verb}; waiting up to {args.timeout:g} s for it to run", args)
        found = _wait(client, name, found["metadata"]["generation"], args.timeout)
    if args.output != "table":
        output.show(found, args.output)


def _push(
    client: Client, directory: Path, tag: str | None, args: Namespace
) -> tuple[Reference, str]:
    manifest, module = load(directory)
    reference = Reference.parse(f"{manifest.name}:{tag or manifest.version.replace('+', '_')}")
    manifest_json = json.dumps(msgspec.to_builtins(manifest), sort_keys=True).encode()
    held = signatures(client, reference.repository, digest_of(app_manifest(manifest_json, module)))
    signature = sign_app(client, manifest, module, held, args)
    with tqdm(
        total=len(manifest_json) + len(module),
        unit="B",
        unit_scale=True,
        desc=f"push {reference.repository}:{reference.version}",
        disable=None,  # quiet when not a terminal
    ) as bar:
        digest = push(
            *(client, reference, manifest_json, module),
            lambda sent, _: bar.update(sent - bar.n),
            signature=signature,
        )
    return reference, digest


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


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`["a=1"]` → `{"a": "1"}`; raises InputError naming the option."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError(f"{option}: {text!r} is not NAME=VALUE")
        found[key] = value
    return found


def _scalar(text: str) -> Any:
    """A twin value as typed: numbers and booleans as such, everything else as text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _wait(client: Client, name: str, generation: int, timeout: float) -> Json:
    """The App once every selected node runs it; raises ClientError when it stops short."""
    last = ""
    for app in client.watch("apps", fields=f"metadata.name={name}", timeout=timeout):
        status = app.get("status", {})
        if status.get("observedGeneration", 0) < generation:
            continue
        line = (
            f"  {status.get('updated', 0)}/{status.get('selected', 0)} updated, "
            f"{status.get('running', 0)} running, {status.get('ready', 0)} ready"
        )
        if line != last:
            print(line, file=sys.stderr)
            last = line
        conditions = {c["type"]: c for c in status.get("conditions", [])}
        degraded = conditions.get("Degraded", {})
        if degraded.get("status") == "True":
            raise ClientError(f"app/{name}: {degraded.get('reason')}: {degraded.get('message')}")
        if conditions.get("Available", {}).get("status") == "True":
            return app
    raise ClientError(
        f"app/{name}: not ready after {timeout:g} s; see `skerry describe app {name}`"
    )


def _say(text: str, args: Namespace) -> None:
    print(text, file=sys.stdout if args.output == "table" else sys.stderr)
