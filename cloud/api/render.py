"""Objects, lists and Tables as JSON values. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from cloud.errors import BadRequest
from cloud.kinds.meta import API_VERSION, Object
from cloud.kinds.scheme import Kind

INCLUDE = ("None", "Metadata", "Object")
"""What a row of a Table carries beside its cells; Metadata unless asked otherwise."""


def object_list(kind: Kind[Any], items: Sequence[Object], revision: int, token: str) -> Any:
    """A list of a kind."""
    return {
        "apiVersion": API_VERSION,
        "kind": f"{kind.name}List",
        "metadata": _list_metadata(revision, token),
        "items": items,
    }


def table(
    kind: Kind[Any],
    items: Iterable[Object],
    now: datetime,
    *,
    include: str,
    revision: int | str,
    token: str = "",
    columns: bool = True,
) -> Any:
    """A meta.k8s.io/v1 Table; in a watch only the first has its columns. Raises BadRequest."""
    if include not in INCLUDE:
        raise BadRequest(f"includeObject: {include!r} is none of {', '.join(INCLUDE)}")
    return {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "Table",
        "metadata": _list_metadata(revision, token),
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column.name == "Name" else "",
                "description": column.description,
                "priority": column.priority,
            }
            for column in (kind.columns if columns else ())
        ],
        "rows": [
            {
                "cells": [column.value(item, now) for column in kind.columns],
                **_row_object(item, include),
            }
            for item in items
        ],
    }


def bookmark(kind: Kind[Any], revision: int, *, as_table: bool) -> Any:
    """The event that only says how far a watch has come."""
    metadata = {"resourceVersion": str(revision), "creationTimestamp": None}
    mark: dict[str, Any] = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata}
    if as_table:
        partial = {**mark, "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata"}
        mark = {
            "apiVersion": "meta.k8s.io/v1",
            "kind": "Table",
            "metadata": {"resourceVersion": str(revision)},
            "columnDefinitions": [],
            "rows": [{"cells": [], "object": partial}],
        }
    return {"type": "BOOKMARK", "object": mark}


def _row_object(item: Object, include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": item}
    return {
        "object": {
            "apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadata",
            "metadata": item.metadata,
        }
    }


def _list_metadata(revision: int | str, token: str) -> dict[str, str]:
    metadata = {"resourceVersion": str(revision)}
    return {**metadata, "continue": token} if token else metadata
