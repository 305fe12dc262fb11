"""What was built from what: an in-toto Statement v1 with an SLSA provenance v1 predicate.

No times and no random numbers: the same inputs give the same bytes. A directory's digest is Go's
`h1` in hex, which in-toto calls `dirHash`: SHA-256 over the lines `sha256  path` in the order of
the paths.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from boards.packages import Package

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://skerry.dev/build/v1"
BUILDER = "https://skerry.dev/builder/desk"
"""A person's machine or CI: SLSA build level 1; the signature says whose."""
SUFFIX = ".intoto.json"
SOURCES = ("boards", "edge", "hal", "firmware", "requirements.lock")
"""What of the project goes into what it builds for boards, and the programs that build it."""

_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==([^\s;]+)[^\\\n]*((?:\\\n\s+--hash=sha256:[0-9a-f]{64}\s*)+)",
    re.MULTILINE,
)

Material = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of requirements.lock: any file with one of these SHA-256 is it."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def uri(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(lock: str) -> Mapping[str, Pin]:
    """What a lock file pins, by name."""
    return {
        name: Pin(name, version, tuple(re.findall(r"sha256:([0-9a-f]{64})", hashes)))
        for name, version, hashes in _PIN.findall(lock)
    }


def statement(
    subjects: Iterable[Path],
    parameters: Mapping[str, object],
    version: str,
    materials: Iterable[Material],
) -> bytes:
    """The statement about files that were built; `parameters` is what the person asked for."""
    found = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": file.name, "digest": {"sha256": digest(file)}} for file in subjects],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": dict(parameters),
                "resolvedDependencies": sorted(materials, key=lambda material: material["uri"]),
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"skerry": version}}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def of_packages(packages: Iterable[Package]) -> Iterable[Material]:
    """Debian packages."""
    for package in packages:
        name, version = package.name, package.version
        yield {
            "uri": f"pkg:deb/debian/{name}@{version}?arch={package.architecture}",
            "digest": {"sha256": package.sha256},
        }


def of_wheels(wheels: Iterable[Path]) -> Iterable[Material]:
    """Wheels from the Python package index."""
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        yield {"uri": f"pkg:pypi/{name}@{version}", "digest": {"sha256": digest(wheel)}}


def of_pins(found: Iterable[Pin]) -> Iterable[Material]:
    """Pinned packages: one entry for each file that may be it."""
    for pin in found:
        for content in pin.hashes:
            yield {"uri": pin.uri, "digest": {"sha256": content}}


def of_file(file: Path) -> Material:
    """A file that a person gave."""
    return {"uri": f"file:{file.name}", "digest": {"sha256": digest(file)}}


def of_project(project: Path, version: str, names: Iterable[str] = SOURCES) -> Material:
    """The project's own source: these folders and files of it."""
    return {"uri": f"pkg:generic/skerry@{version}", "digest": {"dirHash": _tree(project, names)}}


def digest(file: Path) -> str:
    """SHA-256 in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _tree(project: Path, names: Iterable[str]) -> str:
    files = sorted(
        (str(file.relative_to(project)), file)
        for name in names
        for file in (
            (project / name).rglob("*") if (project / name).is_dir() else (project / name,)
        )
        if file.is_file() and "__pycache__" not in file.parts
    )
    lines = (f"{digest(file)}  {name}\n" for name, file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
