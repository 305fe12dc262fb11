"""What all kinds share: metadata, conditions, the object around spec and status.

Rules: objects are frozen; JSON names are camelCase as Kubernetes has them; an unknown field is an
error, so that a misspelt one is never silently without effect.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct, structs

GROUP = "skerry.dev"
VERSION = "v1alpha1"
API_VERSION = "skerry.dev/v1alpha1"
DEFAULT_NAMESPACE = "default"

LABEL_APP = "skerry.dev/app"
LABEL_FIRMWARE = "skerry.dev/firmware"
LABEL_NODE = "skerry.dev/node"

LABEL_KEY = (
    r"^(?=.{1,317}$)([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""RFC 1123 label: what the wire allows for nodes and apps."""
LABELS_LIMIT = 64
"""Labels of one object; each is a row of the label index."""
ANNOTATION_LIMIT = 256 << 10
"""Bytes of one annotation, as in Kubernetes: kubectl keeps the last applied object in one."""

LabelKey = Annotated[str, Meta(pattern=LABEL_KEY)]
LabelValue = Annotated[str, Meta(pattern=LABEL_VALUE)]
Text = Annotated[str, Meta(max_length=1024)]


class Model(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of all values of the API."""


class OwnerReference(Model, frozen=True, kw_only=True, omit_defaults=True):
    """Whose part this object is: it goes when its owner goes."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class Metadata(Model, frozen=True, kw_only=True, omit_defaults=True):
    """Kubernetes' ObjectMeta, as far as it is used here."""

    name: str = ""
    generate_name: Annotated[str, Meta(max_length=58)] = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=LABELS_LIMIT)] = {}
    annotations: dict[LabelKey, Annotated[str, Meta(max_length=ANNOTATION_LIMIT)]] = {}
    owner_references: Annotated[list[OwnerReference], Meta(max_length=8)] = []


class Truth(Enum):
    """Value of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model, frozen=True, kw_only=True):
    """One aspect of an object's state, with the reason for machines and the message for people."""

    type: str
    status: Truth
    reason: str = ""
    message: Text = ""
    last_transition_time: datetime | None = None


class Object(Model, frozen=True, kw_only=True):
    """Any object; each kind declares `kind`, `spec` and `status` more exactly."""

    api_version: Literal["skerry.dev/v1alpha1"] = "skerry.dev/v1alpha1"
    kind: str
    metadata: Metadata
    spec: Model
    status: Model


O = TypeVar("O", bound=Object)  # noqa: E741 - an object


def with_metadata(obj: O, **changes: object) -> O:
    """The object with other values in its metadata."""
    return structs.replace(obj, metadata=structs.replace(obj.metadata, **changes))


def find_condition(conditions: Iterable[Condition], name: str) -> Condition | None:
    """The condition of that type."""
    return next((each for each in conditions if each.type == name), None)


def set_conditions(
    old: Sequence[Condition], new: Iterable[Condition], now: datetime
) -> list[Condition]:
    """`new`, each with the time of its last change of status: `now` unless it stayed the same."""
    found: list[Condition] = []
    for condition in new:
        before = find_condition(old, condition.type)
        same = before is not None and before.status is condition.status
        since = before.last_transition_time if before is not None and same else None
        found.append(
            structs.replace(condition, last_transition_time=since or now.replace(microsecond=0))
        )
    return found
