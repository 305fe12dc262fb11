"""`skerry app push` and `deploy`: from a built app to nodes that run it."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.built import load
from cloud.client.carrying import carry, pairs, pin
from cloud.client.registry import Reference, app_artifact, push_signed
from cloud.client.signing import app_statement, sign


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
    app = load(directory)
    version = tag or app.manifest.version.replace("+", "_")
    reference = Reference.parse(f"{app.manifest.name}:{version}")
    made = app_artifact(app.manifest_json, app.module, app.files)
    statement = app_statement(app, args)
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
