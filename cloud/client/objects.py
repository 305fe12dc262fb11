"""`skerry get`, `describe`, `delete`, `apply`: any kind the cloud has."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.errors import InputError

DOCUMENT_LIMIT = 1 << 20
"""Bytes of a file given to `apply`; the API takes no larger body."""

_TITLES = {"appinstances": "Instances", "firmwareinstances": "Firmware"}
_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "App": ("skerry.dev/app", ("appinstances",)),
    "Firmware": ("skerry.dev/firmware", ("firmwareinstances",)),
    "Node": ("skerry.dev/node", ("appinstances", "firmwareinstances")),
}
"""What belongs to an object of a kind, and the label that says so."""


def get(args: Namespace) -> None:
    """Show one object or a list."""
    with Client(args.cloud) as client:
        table = args.output == "table"
        if args.name:
            found = client.get(args.kind, args.name, table=table)
        else:
            found = client.list(
                args.kind, selector=args.selector, fields=args.field_selector, table=table
            )
    if table:
        output.show_table(found, wide=args.wide)
    else:
        output.show(found, args.output)


def describe(args: Namespace) -> None:
    """Show an object in full, with what belongs to it."""
    with Client(args.cloud) as client:
        found = client.get(args.kind, args.name)
        label, kinds = _PARTS.get(found["kind"], ("", ()))
        parts = [client.list(kind, selector=f"{label}={args.name}", table=True) for kind in kinds]
    for line in described(found):
        print(line)
    for kind, table in zip(kinds, parts, strict=True):
        if table.get("rows"):
            print(f"\n{_TITLES[kind]}:")
            output.show_table(table, wide=True)


def delete(args: Namespace) -> None:
    """Delete objects by name."""
    with Client(args.cloud) as client:
        for name in args.names:
            client.delete(args.kind, name)
            print(f"{args.kind}/{name} deleted")


def apply(args: Namespace) -> None:
    """Create or change the objects of a YAML or JSON file."""
    documents = list(_documents(args.file))
    with Client(args.cloud) as client:
        for document in documents:
            found, verb = client.apply(document)
            print(f"{found['kind'].lower()}/{found['metadata']['name']} {verb}")


def _documents(name: str) -> Iterable[Json]:
    import yaml  # noqa: PLC0415 - 2 MB that most calls do not need

    try:
        text = sys.stdin.read(DOCUMENT_LIMIT + 1) if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {error}") from None
    if len(text) > DOCUMENT_LIMIT:
        raise InputError(f"{name}: larger than {DOCUMENT_LIMIT} bytes")
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not YAML: {error}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict) or "kind" not in document:
            raise InputError(f"{name}, document {number}: kind: missing; write kind: App")
        if not isinstance(document.get("metadata"), dict) or "name" not in document["metadata"]:
            raise InputError(f"{name}, document {number}: metadata.name: missing")
        yield document


def described(value: Json, indent: str = "") -> Iterable[str]:
    """An object as indented lines; keys as they are written in a file for `apply`."""
    for key, item in value.items():
        name = f"{indent}{key}:"
        if isinstance(item, dict):
            if item:
                yield name
                yield from described(item, indent + "  ")
        elif isinstance(item, list):
            if item:
                yield name
                yield from _describe_list(item, indent + "  ")
        else:
            yield f"{name:<26} {_scalar(item)}"


def _scalar(value: object) -> str:
    """Truth and nothing as YAML writes them."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _describe_list(items: list[Any], indent: str) -> Iterable[str]:
    for item in items:
        if isinstance(item, dict):
            first, *rest = described(item, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(item)}"
