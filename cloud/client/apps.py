"""`skerry app push` and `deploy`: from a built app to nodes that run it."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.built import Built, load
from cloud.client.errors import ClientError, InputError
from cloud.client.registry import Reference, app_manifest, digest_of, push, signatures
from cloud.client.signing import sign_app


def push_app(args: Namespace) -> None:
    """Push a built app and print its reference."""
    with Client(args.cloud) as client:
        reference, digest = push_built(client, load(Path(args.directory)), args.tag, args)
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
            reference, digest = push_built(client, load(directory), None, args)
            pinned: Json = {"digest": digest, "reference": None}
        else:
            reference = Reference.parse(args.app)
            is_digest = reference.version.startswith("sha256:")
            new, old = ("digest", "reference") if is_digest else ("reference", "digest")
            pinned = {new: reference.version, old: None}
        name = args.name or reference.repository.rsplit("/", 1)[-1]
        body = app_body(name, {"repository": reference.repository, **pinned}, args)
        if args.selector:
            labels = pairs(args.selector.split(","), "--selector")
            body["spec"]["selector"] = {"matchLabels": labels}
        found, verb = client.apply(body)
        if not args.wait:
            _say(f"app/{name} {verb}", args)
            return
        _say(f"app/{name} {verb}; waiting up to {args.timeout:g} s for it to run", args)
        found = _wait(client, name, found["metadata"]["generation"], args.timeout)
    if args.output != "table":
        output.show(found, args.output)


def push_built(
    client: Client, app: Built, tag: str | None, args: Namespace, *, quiet: bool = False
) -> tuple[Reference, str]:
    """Sign and push an app; where it is then, and the digest that pins it."""
    version = tag or app.manifest.version.replace("+", "_")
    reference = Reference.parse(f"{app.manifest.name}:{version}")
    body = app_manifest(app.manifest_json, app.module, app.files)
    held = signatures(client, reference.repository, digest_of(body))
    signature = sign_app(client, app, held, args)
    with tqdm(
        total=len(app.manifest_json) + len(app.module) + len(app.files),
        unit="B",
        unit_scale=True,
        desc=f"push {reference.repository}:{reference.version}",
        disable=quiet or None,  # None: quiet when not a terminal
    ) as bar:
        digest = push(
            *(client, reference, app.manifest_json, app.module),
            lambda sent, _: bar.update(sent - bar.n),
            files=app.files,
            signature=signature,
        )
    return reference, digest


def app_body(name: str, artifact: Json, args: Namespace) -> Json:
    """The App that the options describe, as far as they do."""
    spec: Json = {"artifact": artifact}
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
