"""What an image, a package or a wheel is made of, as a CycloneDX 1.5 document without times or random numbers."""

import email.parser
import importlib.metadata
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from boards.packages import Package
from boards.provenance import Pin, digest

_LICENCE = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TEXT_LIMIT = 200
"""Characters of a licence's name; some packages put its whole text where the name belongs."""

Component = dict[str, Any]


def document(
    name: str, version: str, components: Iterable[Component], *, kind: str = "firmware"
) -> bytes:
    """The bill of materials of something built; `kind` is CycloneDX's type of component."""
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
        "components": list(components),
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def of_packages(packages: Mapping[Package, Path]) -> Iterable[Component]:
    """Debian packages, and where each is unpacked."""
    return (_package(package, place) for package, place in sorted(packages.items()))


def of_wheels(wheels: Iterable[Path]) -> Iterable[Component]:
    """Wheels by their files."""
    return map(_wheel, sorted(wheels, key=lambda file: file.name))


def of_pins(pins: Iterable[Pin]) -> Iterable[Component]:
    """Packages by their pins, installed here; each is one of several files."""
    for pin in pins:
        stated = _stated(importlib.metadata.metadata(pin.name).get_all)
        yield _component(pin.name, pin.version, pin.uri, pin.hashes, stated)


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
    uri = f"pkg:pypi/{name}@{version}"
    return _component(name, version, uri, [digest(file)], _stated(headers.get_all))


def _stated(field: Callable[[str], list[str] | None]) -> str | None:
    """The licence that a package's metadata names."""
    for name in ("License-Expression", "License"):
        for found in field(name) or ():
            if "\n" not in found:
                return found
    marks = [mark for mark in field("Classifier") or () if mark.startswith("License ::")]
    return marks[0].rpartition(" :: ")[2] if marks else None


def _component(
    name: str, version: str, uri: str, hashes: Iterable[str], stated: str | None
) -> Component:
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": uri,
        "hashes": [{"alg": "SHA-256", "content": content} for content in hashes],
        "licenses": _licences({stated} if stated else set()),
    }


def _licences(names: Iterable[str]) -> list[Component]:
    return [{"license": {"name": name[:_TEXT_LIMIT]}} for name in sorted(names)]
