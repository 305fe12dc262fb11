"""From an App's spec and its artifact to what a node shall run. Pure.

Everything that can be known wrong before a node is touched is found here.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from cloud.controllers.craft import SpecError
from cloud.kinds.app import AppSpec, merged
from cloud.kinds.secret import Secret, digest_of
from cloud.vault import PREFIX
from edge.wire.manifest import AppManifest, GrantKind, TwinProperty, TwinType
from edge.wire.messages import DesiredApp, Files, GrantedSecret, Module, Scalar


class Resolved(Protocol):
    """An app as it is in the registry."""

    @property
    def digest(self) -> str:
        """Of the OCI manifest."""
        ...

    @property
    def manifest(self) -> AppManifest:
        """What the app declares."""
        ...

    @property
    def module(self) -> Module:
        """Its code."""
        ...

    @property
    def files(self) -> Files | None:
        """What its code runs, when that is a runtime."""
        ...

    @property
    def signature(self) -> bytes:
        """Who vouches for it; nothing when nobody does."""
        ...


def desired_app(
    spec: AppSpec, resolved: Resolved, secrets: Mapping[str, Secret] = MappingProxyType({})
) -> DesiredApp:
    """What each selected node shall run, of these Secrets; raises SpecError naming the field."""
    manifest = resolved.manifest
    _check_grants(spec, manifest)
    problems = list(twin_problems(manifest, spec.twin))
    if problems:
        raise SpecError("TwinInvalid", "; ".join(problems))
    return DesiredApp(
        manifest=manifest,
        module=resolved.module,
        files=resolved.files,
        grants=spec.grants,
        twin=spec.twin,
        limits=_override("limits", manifest.limits, spec.limits),
        restart=_override("restart", manifest.restart, spec.restart),
        secrets=_granted(spec, manifest, secrets),
        signature=resolved.signature,
    )


def fitting_twin(manifest: AppManifest, twin: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that a manifest, perhaps of an older version, understands."""
    return {
        name: value
        for name, value in twin.items()
        if not [*twin_problems(manifest, {name: value})]
    }


def twin_problems(manifest: AppManifest, twin: Mapping[str, Scalar]) -> Iterator[str]:
    """What is wrong with desired twin values, field first."""
    for name, value in twin.items():
        declared = manifest.twin.get(name)
        if declared is None:
            have = ", ".join(sorted(manifest.twin)) or "none"
            yield f"spec.twin.{name}: the app has no such property; it has: {have}"
        elif declared.access == "ReadOnly":
            yield f"spec.twin.{name}: only the app itself may set it (access ReadOnly)"
        elif problem := _value_problem(declared, value):
            yield f"spec.twin.{name}: {problem}"


def _value_problem(declared: TwinProperty, value: Scalar) -> str:
    fits = {
        TwinType.NUMBER: isinstance(value, int | float) and not isinstance(value, bool),
        TwinType.INTEGER: isinstance(value, int) and not isinstance(value, bool),
        TwinType.BOOLEAN: isinstance(value, bool),
        TwinType.STRING: isinstance(value, str),
    }[declared.type]
    if not fits:
        return f"must be of type {declared.type.value}, is {value!r}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if declared.min is not None and value < declared.min:
            return f"{value} is below the minimum {declared.min:g}"
        if declared.max is not None and value > declared.max:
            return f"{value} is above the maximum {declared.max:g}"
    return ""


def _check_grants(spec: AppSpec, manifest: AppManifest) -> None:
    for name, grant in manifest.grants.items():
        if not grant.optional and name not in spec.grants:
            what = f" ({grant.description})" if grant.description else ""
            raise SpecError(
                "GrantMissing",
                f"spec.grants.{name}: missing; the app needs a resource of kind "
                f"{grant.kind.value}{what}",
            )
    for name in spec.grants:
        if name not in manifest.grants:
            have = ", ".join(sorted(manifest.grants)) or "nothing"
            raise SpecError(
                "GrantUnknown",
                f"spec.grants.{name}: the app does not ask for it; it asks for {have}",
            )


def _granted(
    spec: AppSpec, manifest: AppManifest, secrets: Mapping[str, Secret]
) -> dict[str, GrantedSecret]:
    """References only: the hub adds the values for the node."""
    found: dict[str, GrantedSecret] = {}
    for grant, resource in spec.grants.items():
        if manifest.grants[grant].kind is not GrantKind.SECRET:
            continue
        place = resource.removeprefix(PREFIX)
        name, _, key = place.partition("/")
        if not resource.startswith(PREFIX) or not key:
            raise SpecError(
                "GrantInvalid", f"spec.grants.{grant}: {resource!r} is not secret:NAME/KEY"
            )
        sealed = secrets[name].spec.data.get(key) if name in secrets else None
        if sealed is None:
            raise SpecError(
                "SecretMissing", f"spec.grants.{grant}: there is no Secret {name!r} with {key!r}"
            )
        found[grant] = GrantedSecret(ref=f"{place}@{digest_of(sealed)}")
    return found


def _override(name: str, base: Any, overrides: Mapping[str, Any]) -> Any:
    try:
        return merged(base, dict(overrides))
    except msgspec.ValidationError as error:
        raise SpecError("SpecInvalid", f"spec.{name}: {error}") from error
