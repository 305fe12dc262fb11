"""App: which artifact runs on which nodes, with which hardware, and how a change is rolled out."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from cloud.errors import Cause
from cloud.kinds.meta import Metadata
from cloud.kinds.scheme import Kind
from cloud.kinds.work import Work, WorkSpec, WorkStatus, check_spec, summary_columns
from edge.wire.manifest import Key, Limits, Name, Restart
from edge.wire.messages import Scalar

REPL = "skerry.dev/repl"
"""Twin property whose value is a line for `skerry app repl`'s App to execute. Writing an App that has
it takes the right to write `repls` beside that to write apps: cloud.access.authorizer."""


class AppSpec(WorkSpec, frozen=True, kw_only=True):
    """What shall run where."""

    grants: Annotated[
        dict[Name, Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)
    ] = field(default_factory=dict[str, str])
    twin: Annotated[dict[Key, Scalar], Meta(max_length=64)] = field(
        default_factory=dict[str, Scalar]
    )
    limits: dict[str, int | float] = field(default_factory=dict[str, int | float])
    """Fields of the manifest's limits to replace."""
    restart: dict[str, str | int | float] = field(default_factory=dict[str, str | int | float])
    """Fields of the manifest's restart policy to replace."""


class AppStatus(WorkStatus, frozen=True, kw_only=True):
    """Where the fleet is."""


class App(Work, frozen=True, kw_only=True):
    """Which artifact runs on which nodes."""

    kind: Literal["App"] = "App"
    metadata: Metadata
    spec: AppSpec
    status: AppStatus = AppStatus()


def merged(base: Any, overrides: dict[str, Any]) -> Any:
    """A frozen Struct with some fields replaced; raises msgspec.ValidationError."""
    return msgspec.convert({**msgspec.to_builtins(base), **overrides}, type(base))


def _validate(app: App) -> Iterable[Cause]:
    yield from check_spec(app.spec)
    for name, base, overrides in (
        ("limits", Limits(), app.spec.limits),
        ("restart", Restart(), app.spec.restart),
    ):
        yield from _check_overrides(name, base, overrides)


def _check_overrides(name: str, base: Struct, overrides: dict[str, Any]) -> Iterable[Cause]:
    try:
        merged(base, overrides)
    except msgspec.ValidationError as error:
        text, _, path = str(error).rpartition(" - at `$")
        yield Cause(f"spec.{name}{path.rstrip('`')}", text or str(error))


APP = Kind(
    type=App,
    plural="apps",
    short_names=(),
    validate=_validate,
    columns=tuple(summary_columns("App")),
)
