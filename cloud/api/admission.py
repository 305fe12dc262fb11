"""From a client's JSON to a valid typed object, or to an error that names the field. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from cloud.errors import BadRequest, Cause, Invalid
from cloud.kinds.meta import API_VERSION, NAME, O, Object
from cloud.kinds.scheme import Kind

ANNOTATIONS_LIMIT = 256 << 10
"""Bytes of all annotations of an object, as in Kubernetes."""

_IGNORED = frozenset({"managedFields", "selfLink", "deletionTimestamp"})
"""Metadata that clients copy from elsewhere and that has no meaning here."""
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`$", re.DOTALL)


def admit(kind: Kind[O], body: dict[str, Any], namespace: str, *, status: bool = False) -> O:
    """A valid object in `namespace`; its status is dropped unless asked for. Raises Invalid."""
    body = _prepared(kind, body, namespace, status=status)
    name = str(body["metadata"].get("name", ""))
    try:
        obj = kind.convert(body)
    except msgspec.ValidationError as error:
        raise _invalid(kind, name, [_cause(kind, str(error))]) from None
    causes = [*_check_metadata(kind, obj), *kind.validate(obj)]
    if causes:
        raise _invalid(kind, name, causes)
    return obj


def _prepared(
    kind: Kind[O], body: dict[str, Any], namespace: str, *, status: bool
) -> dict[str, Any]:
    for field, expected in (("apiVersion", API_VERSION), ("kind", kind.name)):
        if body.get(field) != expected:
            raise BadRequest(f"{field}: must be {expected!r}, is {body.get(field)!r}")
    given = body.get("metadata", {})
    if not isinstance(given, dict):
        raise _invalid(kind, "", [Cause("metadata", "must be an object")])
    metadata = {key: value for key, value in given.items() if key not in _IGNORED}
    if metadata.setdefault("namespace", namespace) != namespace:
        raise BadRequest(
            f"metadata.namespace: is {metadata['namespace']!r}, the URL says {namespace!r}"
        )
    kept = {key: value for key, value in body.items() if status or key != "status"}
    return {**kept, "metadata": metadata}


def _check_metadata(kind: Kind[Any], obj: Object) -> Iterator[Cause]:
    metadata = obj.metadata
    name = metadata.name or f"{metadata.generate_name}00000"
    if not metadata.name and not metadata.generate_name:
        yield Cause("metadata.name", "missing; give a name, or a generateName to begin one with")
    elif not re.match(kind.name_pattern, name):
        field = "name" if metadata.name else "generateName"
        yield Cause(f"metadata.{field}", f"{name!r} is not a name here: {kind.name_rule}")
    if metadata.namespace and not re.match(NAME, metadata.namespace):
        yield Cause("metadata.namespace", f"{metadata.namespace!r} is not an RFC 1123 label")
    size = sum(len(key) + len(value) for key, value in metadata.annotations.items())
    if size > ANNOTATIONS_LIMIT:
        yield Cause("metadata.annotations", f"larger than {ANNOTATIONS_LIMIT} characters in all")


def _invalid(kind: Kind[Any], name: str, causes: list[Cause]) -> Invalid:
    text = "; ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return Invalid(
        f'{kind.name} "{name}" is invalid: {text}', kind=kind.name, name=name, causes=causes
    )


def _cause(kind: Kind[Any], error: str) -> Cause:
    """What msgspec found, with the path first and a remedy last."""
    text, found, path = error.rpartition(" - at `")
    if not found:
        text, path = error, "$"
    path = path.rstrip("`").removeprefix("key in ").removeprefix("$").removeprefix(".")
    if unknown := _UNKNOWN.match(text):
        known = ", ".join(_fields(inspect.type_info(kind.type), path))
        field = f"{path}.{unknown['name']}".lstrip(".")
        return Cause(field, f"unknown field; there are: {known}", "FieldValueInvalid")
    if missing := _MISSING.match(text):
        field = f"{path}.{missing['name']}".lstrip(".")
        return Cause(field, "missing; it is required", "FieldValueRequired")
    return Cause(path, text[:1].lower() + text[1:], "FieldValueInvalid")


def _fields(found: inspect.Type, path: str) -> list[str]:
    """Names of the fields at a path of dots and brackets; empty when it leads elsewhere."""
    for step in re.findall(r"[^.\[\]]+|\[\.\.\.\]|\[\d+\]", path):
        if isinstance(found, inspect.UnionType):
            found = next((t for t in found.types if isinstance(t, inspect.StructType)), found)
        if isinstance(found, inspect.StructType):
            found = next(
                (field.type for field in found.fields if field.encode_name == step),
                inspect.AnyType(),
            )
        elif isinstance(found, inspect.DictType):
            found = found.value_type
        elif isinstance(found, inspect.ListType):
            found = found.item_type
    if isinstance(found, inspect.UnionType):
        found = next((t for t in found.types if isinstance(t, inspect.StructType)), found)
    return (
        [field.encode_name for field in found.fields]
        if isinstance(found, inspect.StructType)
        else []
    )
