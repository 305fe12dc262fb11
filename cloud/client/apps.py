"""`skerry app push` and `deploy`: from a built app to nodes that run it."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from cloud.client.api import Client, Json
from cloud.client.built import Built, load
from cloud.client.carrying import carry, pairs, pin, tell_pushed
from cloud.client.registry import Reference, app_artifact, push_signed
from cloud.client.signing import app_statement, sign


def push_app(args: Namespace) -> None:
    """Push a built app and print its reference."""
    with Client(args.cloud) as client:
        reference, digest = push_built(client, load(Path(args.directory)), args.tag, args)
    tell_pushed(reference, digest, args)


def deploy(args: Namespace) -> None:
    """Push when given a directory, then create or change the App."""
    with Client(args.cloud) as client:
        directory = Path(args.app)
        if directory.is_dir():
            reference, digest = push_built(client, load(directory), None, args)
            pinned = {"digest": digest, "reference": None}
        else:
            reference = Reference.parse(args.app)
            pinned = pin(reference)
        name = args.name or reference.repository.rsplit("/", 1)[-1]
        body = app_body(name, {"repository": reference.repository, **pinned}, args)
        if args.selector:
            labels = pairs(args.selector.split(","), "--selector")
            body["spec"]["selector"] = {"matchLabels": labels}
        carry(client, body, args)


def push_built(
    client: Client, app: Built, tag: str | None, args: Namespace, *, quiet: bool = False
) -> tuple[Reference, str]:
    """Sign and push an app; where it is then, and the digest that pins it."""
    version = tag or app.manifest.version.replace("+", "_")
    reference = Reference.parse(f"{app.manifest.name}:{version}")
    made = app_artifact(app.manifest_json, app.module, app.files)
    statement = app_statement(app, args)
    return reference, push_signed(
        client, reference, made, lambda held: sign(client, statement, held, args), quiet=quiet
    )


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


def _scalar(text: str) -> Any:
    """A twin value as typed: numbers and booleans as such, everything else as text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
