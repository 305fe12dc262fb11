"""The project as a wheel, the same bytes every time, with the papers that say what it needs.

The runtime of Python apps is in it, built: whoever installs a wheel has no compiler. Beside the wheel lie its bill of materials (what it needs to run, as requirements.lock pins it: a
wheel holds none of it) and its provenance (what it was built from, and what it was tested with).
"""

import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from boards import provenance
from boards.image import sbom
from boards.image.build import PROJECT, REQUIREMENTS, VERSION
from boards.image.errors import PackageError
from boards.image.tools import run
from boards.package import python
from boards.packages import Say
from boards.provenance import Pin, pins
from boards.python_guest import LICENCES, MADE

EXTRAS = ("edge", "cloud", "boards", "hsm", "apps")
"""What somebody may ask for with `skerry[EXTRA]`."""
PACKAGES = ("firmware", "hal", "edge", "cloud", "boards", "wasm_apps", "qemu")
FILES = ("skerry.py", "pyproject.toml", "README.md", "LICENSE", REQUIREMENTS)
_TOOL = "setuptools"
_EPOCH = "1767225600"
"""Of every file in the wheel: zip knows no time before 1980."""


def build(folder: Path, cache: Path, say: Say) -> Path:
    """Write wheel and papers into a folder; the wheel. Raises BuildError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheel-") as place:
        source = Path(place) / "skerry"
        _copy(source)
        python.add_prebuilt(source / "wasm_apps" / "python", cache, say)
        run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--no-build-isolation", "--wheel-dir", place, source),
            ],
            extra={"SOURCE_DATE_EPOCH": _EPOCH},
        )
        (made,) = Path(place).glob("*.whl")
        wheel = folder / made.name
        shutil.copyfile(made, wheel)
    _add_papers(wheel)
    return wheel


def _copy(source: Path) -> None:
    without = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", MADE, LICENCES)
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, source / name, ignore=without)
    for name in FILES:
        shutil.copyfile(PROJECT / name, source / name)
    for path in source.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the wheel holds modes


def _add_papers(wheel: Path) -> None:
    known = pins((PROJECT / REQUIREMENTS).read_text())
    needed = [known[name] for name in sorted(_needed(known))]
    bill = wheel.with_name(f"{wheel.name}.cdx.json")
    parts = [*sbom.of_pins(needed), python.component()]
    bill.write_bytes(sbom.document("skerry", VERSION, parts, kind="application"))
    materials = [
        *provenance.of_pins(needed),
        *provenance.of_pins([known[_TOOL]]),
        *python.materials(),
        provenance.of_project(PROJECT, VERSION, (*PACKAGES, *FILES)),
    ]
    origin = wheel.with_name(f"{wheel.name}{provenance.SUFFIX}")
    asked = {"package": "skerry", "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    origin.write_bytes(provenance.statement((wheel, bill), asked, VERSION, materials))


def _needed(known: Mapping[str, Pin]) -> Iterable[str]:
    """The names of what the wheel needs with all its extras, and what that needs in turn."""
    found: set[str] = set()
    waiting = [*map(Requirement, _stated())]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name not in known:
            raise PackageError(f"requirements.lock pins no {name}: make lock")
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or ():
            further = Requirement(text)
            extras = ("", *wanted.extras)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append(further)
    return found


def _stated() -> Iterable[str]:
    """What pyproject.toml asks for on this Python."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    yield from project["dependencies"]
    for extra in EXTRAS:
        for text in project["optional-dependencies"][extra]:
            marker = Requirement(text).marker
            if marker is None or marker.evaluate():
                yield text
