"""Role and RoleBinding: what may be done, and who may do it. Both are cluster-scoped."""

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Literal

from msgspec import Meta, field

from cloud.access.policy import BUILT_IN, Rule
from cloud.errors import Cause
from cloud.kinds.columns import age
from cloud.kinds.meta import NAME, LabelKey, LabelValue, Metadata, Model, Object
from cloud.kinds.scheme import Column, Kind

_Words = Annotated[
    list[Annotated[str, Meta(pattern=r"^(\*|[a-z]+(/status)?)$")]],
    Meta(min_length=1, max_length=32),
]
_Namespaces = Annotated[
    list[Annotated[str, Meta(pattern=r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$")]],
    Meta(min_length=1, max_length=64),
]


class RoleRule(Model, frozen=True, kw_only=True):
    """Allows verbs on kinds; see cloud.access.policy.Rule."""

    verbs: _Words
    kinds: _Words
    namespaces: _Namespaces = field(default_factory=lambda: ["*"])
    node_labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=16)] = field(
        default_factory=dict[str, str]
    )
    """Only what concerns nodes that have all of these."""


class RoleSpec(Model, frozen=True, kw_only=True):
    """What the role allows: what any of its rules does."""

    rules: Annotated[list[RoleRule], Meta(max_length=64)]


class Nothing(Model, frozen=True, kw_only=True):
    """There is no status to tell."""


class Role(Object, frozen=True, kw_only=True):
    """A named set of rules."""

    kind: Literal["Role"] = "Role"
    metadata: Metadata
    spec: RoleSpec
    status: Nothing = Nothing()


class SubjectKind(Enum):
    """Who can be bound."""

    USER = "User"
    SERVICE = "ServiceAccount"


class Subject(Model, frozen=True, kw_only=True):
    """One who gets the roles."""

    kind: SubjectKind
    name: Annotated[str, Meta(pattern=NAME)]


class RoleBindingSpec(Model, frozen=True, kw_only=True):
    """Each subject has each role."""

    roles: Annotated[list[Annotated[str, Meta(pattern=NAME)]], Meta(min_length=1, max_length=32)]
    subjects: Annotated[list[Subject], Meta(max_length=256)]


class RoleBinding(Object, frozen=True, kw_only=True):
    """Gives roles to users and services."""

    kind: Literal["RoleBinding"] = "RoleBinding"
    metadata: Metadata
    spec: RoleBindingSpec
    status: Nothing = Nothing()


def rules_of(role: Role) -> tuple[Rule, ...]:
    """The role's rules as the policy reads them."""
    return tuple(
        Rule(tuple(each.verbs), tuple(each.kinds), tuple(each.namespaces), each.node_labels)
        for each in role.spec.rules
    )


def _not_built_in(role: Role) -> Iterable[Cause]:
    if role.metadata.name in BUILT_IN:
        yield Cause("metadata.name", f"{role.metadata.name!r} is built in; take another name")


ROLE = Kind(
    type=Role,
    plural="roles",
    short_names=(),
    namespaced=False,
    validate=_not_built_in,
    columns=(
        Column("Name", lambda role, _: role.metadata.name, "name of the role"),
        Column("Rules", lambda role, _: len(role.spec.rules), "how many", type="integer"),
        Column("Age", lambda role, now: age(role.metadata.creation_timestamp, now), "since when"),
    ),
)
ROLE_BINDING = Kind(
    type=RoleBinding,
    plural="rolebindings",
    short_names=("rb",),
    namespaced=False,
    columns=(
        Column("Name", lambda each, _: each.metadata.name, "name of the binding"),
        Column("Roles", lambda each, _: ",".join(each.spec.roles), "what is given"),
        Column(
            "Subjects",
            lambda each, _: ",".join(f"{s.kind.value}/{s.name}" for s in each.spec.subjects),
            "to whom",
        ),
        Column("Age", lambda each, now: age(each.metadata.creation_timestamp, now), "since when"),
    ),
)
