"""What an image or a package is made of, as a CycloneDX 1.5 document without times or random numbers."""

import email.parser
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from boards.packages import Package
from boards.provenance import digest

_LICENCE = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TEXT_LIMIT = 200
"""Characters of a licence's name; some packages put its whole text where the name belongs."""

Component = dict[str, Any]


def document(
    name: str,
    version: str,
    packages: Mapping[Package, Path],
    wheels: Iterable[Path],
    *,
    kind: str = "firmware",
) -> bytes:
    """The bill of materials of something built; `kind` is CycloneDX's type of component."""
    components = [
        *(_package(package, place) for package, place in sorted(packages.items())),
        *(_wheel(wheel) for wheel in sorted(wheels, key=lambda file: file.name)),
    ]
    found = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": kind,
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def _package(package: Package, place: Path) -> Component:
    text = place / "usr/share/doc" / package.name / "copyright"
    names = set(_LICENCE.findall(text.read_text(errors="replace"))) if text.is_file() else set()
    name, version = package.name, package.version
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{name}@{version}?arch={package.architecture}",
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
        "licenses": _licences(names),
    }


def _wheel(file: Path) -> Component:
    name, version = file.name.split("-")[:2]
    with zipfile.ZipFile(file) as archive:
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        headers = email.parser.HeaderParser().parsestr(archive.read(metadata).decode())
    stated = headers.get("License-Expression") or headers.get("License")
    if not stated or "\n" in stated:
        marks = [c for c in headers.get_all("Classifier", []) if c.startswith("License ::")]
        stated = marks[0].rpartition(" :: ")[2] if marks else None
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest(file)}],
        "licenses": _licences({stated} if stated else set()),
    }


def _licences(names: Iterable[str]) -> list[Component]:
    return [{"license": {"name": name[:_TEXT_LIMIT]}} for name in sorted(names)]
