"""What shall happen to an app under test: the `[test]` table of a board file, typed and checked.

docs/apps.md describes the format. Every mistake is a ScenarioError that names the key.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field

from edge.errors import ScenarioError
from edge.wire.manifest import AppManifest, GrantKind
from edge.wire.messages import Scalar

Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Sights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be seen of an app: all of it must come true, or with `never` none of it."""

    telemetry: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Stream, or stream/name of a record → a value published since the step began."""
    level: dict[str, Annotated[int, Meta(ge=0, le=1)] | bool] = field(
        default_factory=dict[str, int | bool]
    )
    """Line → its electrical level now."""
    received: dict[str, str] = field(default_factory=dict[str, str])
    """Serial port → text in what the app wrote to it."""
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Property → the value the app reported last."""
    log: str | None = None
    """Text in a line logged since the step began."""
    exit: int | None = None
    """The app has ended with this code."""


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[test.step]]`: do something to the app's world, then look what comes of it."""

    say: str = ""
    drive: dict[str, dict[str, Scalar]] = field(default_factory=dict[str, dict[str, Scalar]])
    """Target of the board → values, as `skerry agent drive` takes them."""
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Desired values that the cloud changes."""
    stop: bool = False
    """Tell the app to stop."""
    expect: Sights = Sights()
    within: Seconds = 5.0
    """Seconds in which `expect` must come true."""
    tolerance: Annotated[float, Meta(ge=0)] = 0.01
    """How far a number may be off."""
    never: Sights = Sights()
    """What must not come true for `during` seconds after that."""
    during: Seconds = 1.0


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[test]`."""

    grants: dict[str, str] = field(default_factory=dict[str, str])
    """Grant of the manifest → resource of the board."""
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    """Grant of the manifest, of kind secret → the value it opens. Never a real one: it is a file."""
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Desired values from the start."""
    step: list[Step] = field(default_factory=list[Step])


T = TypeVar("T")


def read_scenario(path: Path, manifest: AppManifest) -> Scenario:
    """The scenario of a board file, which fits the app's manifest."""
    tables = _tables(path)
    if "test" not in tables:
        raise ScenarioError(f"{path}: has no [test]; docs/apps.md shows how to write one")
    scenario = _convert(tables["test"], Scenario, path, "test")
    if not scenario.step:
        raise ScenarioError(f"{path}: test.step: missing; a test has at least one [[test.step]]")
    _check_secrets(scenario.secrets, manifest, f"{path}: test.secrets")
    _check_twin(scenario.twin, manifest, f"{path}: test.twin")
    for number, step in enumerate(scenario.step):
        where = f"{path}: test.step[{number}]"
        _check_twin(step.twin, manifest, f"{where}.twin")
        for sights, kind in ((step.expect, "expect"), (step.never, "never")):
            _check_twin(sights.twin, manifest, f"{where}.{kind}.twin")
            _check_streams(sights, manifest, f"{where}.{kind}.telemetry")
    return scenario


def read_manifest(path: Path) -> AppManifest:
    """The app's manifest, checked in full."""
    return _convert(_tables(path), AppManifest, path, "")


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as fault:
        raise ScenarioError(f"{path}: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ScenarioError(f"{path}: not TOML: {fault}") from fault


def _convert(raw: object, shape: type[T], path: Path, key: str) -> T:
    try:
        return convert(raw, shape)
    except ValidationError as fault:
        text, _, at = str(fault).partition(" - at `$")
        place = f"{key}{at.rstrip('`')}".lstrip(".")
        raise ScenarioError(f"{path}: {place}: {text}" if place else f"{path}: {text}") from fault


def _check_twin(values: dict[str, Scalar], manifest: AppManifest, where: str) -> None:
    for name in values:
        if name not in manifest.twin:
            known = ", ".join(manifest.twin) or "none"
            raise ScenarioError(f"{where}.{name}: the manifest's twin has only: {known}")


def _check_secrets(values: dict[str, str], manifest: AppManifest, where: str) -> None:
    kinds = {name for name, grant in manifest.grants.items() if grant.kind is GrantKind.SECRET}
    for name in values:
        if name not in kinds:
            known = ", ".join(sorted(kinds)) or "none"
            raise ScenarioError(
                f"{where}.{name}: the manifest's grants of kind secret are: {known}"
            )
    for name in sorted(kinds - values.keys()):
        if not manifest.grants[name].optional:
            raise ScenarioError(f"{where}.{name}: missing; write the value the test shall open")


def _check_streams(sights: Sights, manifest: AppManifest, where: str) -> None:
    for name in sights.telemetry:
        if not any(
            name == stream or name.startswith(f"{stream}/") for stream in manifest.telemetry
        ):
            known = ", ".join(manifest.telemetry) or "none"
            raise ScenarioError(f"{where}.{name}: the manifest has only the streams: {known}")
