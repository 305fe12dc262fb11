"""The App of a REPL: the project of a folder, or nothing but grants, around a guest of ours."""

import re
from argparse import Namespace
from importlib.resources import files
from pathlib import Path

import msgspec
from msgspec import UNSET, structs

from cloud.client.built import Built, load
from cloud.client.carrying import pairs
from cloud.client.errors import InputError
from cloud.client.trial import say
from cloud.kinds.app import REPL
from edge.wire.files import pack_files, unpack_files
from edge.wire.manifest import AppManifest, Grant, Limits, Runtime, TwinProperty, TwinType

OWN_MAIN = "_main"
"""What the project's `main` can be imported as."""
LOG_RATE = 400.0
"""Lines a second, with a burst of 4,000: the agent's log holds 4,096, and what goes beyond is lost."""
NAME_LIMIT = 63
_SUFFIX = "-repl"
_I2C = re.compile(r"[^:]+:0x[0-9a-fA-F]{1,2}$")
_SECRET = "secret:"  # noqa: S105 - a prefix
_SETTINGS = {"pull": "pull", "edge": "edge", "baud": "baudrate"}


def repl_app(args: Namespace) -> Built:
    """What shall be pushed; sets `args.grant` to names and resources alone. Raises InputError."""
    if args.directory is None:
        # Nothing to copy a version from, and none ever counts as good.
        manifest = AppManifest(name="repl", version="1.0.0", runtime=Runtime.PYTHON)
        module, sources = args.find_runtime(say).read_bytes(), dict[str, bytes]()
    else:
        built = _project(args)
        manifest, module = built.manifest, built.module
        sources = {_renamed(name): data for name, data in unpack_files(built.files).items()}
        if len(sources) < len(unpack_files(built.files)):
            raise InputError(f"{args.directory}: {OWN_MAIN} is the name of its main here; rename")
    grants, args.grant = granted(manifest, args.grant)
    sources["main.py"] = (files("wasm_apps") / "repl" / "src" / "main.py").read_bytes()
    return Built(for_repl(manifest, grants), module, pack_files(sources))


def for_repl(manifest: AppManifest, grants: dict[str, Grant]) -> AppManifest:
    """The manifest with the REPL's twin property, under another name than the app's own."""
    if REPL in manifest.twin:
        raise InputError(f"app.toml: twin: {REPL!r} is the REPL's own; give yours another name")
    line = TwinProperty(type=TwinType.STRING, default=":", description="ID:SOURCE to execute")
    name = manifest.name
    return structs.replace(
        manifest,
        name=name if name == "repl" else name[: NAME_LIMIT - len(_SUFFIX)].rstrip("-") + _SUFFIX,
        grants=grants,
        twin={**manifest.twin, REPL: line},
        limits=_with_log_rate(manifest.limits),
    )


def granted(manifest: AppManifest, options: list[str]) -> tuple[dict[str, Grant], list[str]]:
    """Every grant of the REPL, and the options without what they say of the kind."""
    found, plain = dict(manifest.grants), list[str]()
    for name, text in pairs(options, "--grant").items():
        resource, *words = text.split(",")
        plain.append(f"{name}={resource}")
        if name not in manifest.grants:
            found[name] = _grant(name, resource, words)
        elif words:
            raise InputError(
                f"--grant {name}={text}: app.toml says what {name} is; leave {','.join(words)!r} out"
            )
    return found, plain


def _grant(name: str, resource: str, words: list[str]) -> Grant:
    """The kind is plain from an I2C address or a secret; a line and a port have to be named."""
    option = f"--grant {name}={','.join([resource, *words])}"
    said: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in _SETTINGS:
            said[_SETTINGS[key]] = int(value) if value.isdecimal() else value
        elif word in {"in", "out"}:
            said |= {"kind": "gpio", "direction": word}
        elif word == "serial":
            said["kind"] = word
        elif word == "low":
            said["active_low"] = True
        else:
            raise InputError(
                f"{option}: {word!r} is not known; there are in, out, low, pull=up, pull=down, "
                "edge=both, edge=rising, edge=falling, serial and baud=9600"
            )
    if resource.startswith(_SECRET):
        said.setdefault("kind", "secret")
    elif _I2C.match(resource):
        said.setdefault("kind", "i2c")
    if "kind" not in said:
        raise InputError(
            f"{option}: say what it is: {name}={resource},in or {name}={resource},out for a line, "
            f"{name}={resource},serial for a port, {name}={resource}:0x48 for a device of a bus"
        )
    try:
        return msgspec.convert(said, Grant)
    except msgspec.ValidationError as error:
        raise InputError(f"{option}: {error}") from None


def _project(args: Namespace) -> Built:
    directory: Path = args.directory
    problem = args.build(directory, say)
    if problem:
        raise InputError(problem)
    built = load(directory)
    if built.manifest.runtime is UNSET:
        raise InputError(f"{directory}: is not in Python, which a REPL speaks; leave it out")
    return built


def _renamed(name: str) -> str:
    return {"main.py": f"{OWN_MAIN}.py", "main.mpy": f"{OWN_MAIN}.mpy"}.get(name, name)


def _with_log_rate(limits: Limits) -> Limits:
    return structs.replace(limits, log_rate=max(limits.log_rate, LOG_RATE))
