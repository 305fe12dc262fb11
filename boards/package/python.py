"""The runtime of Python apps inside a wheel, with its licences, and what the papers say of it."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from boards import provenance
from boards.image import sbom
from boards.micropython import SOURCE_SHA256, VERSION, tree
from boards.packages import Say
from boards.python_guest import LICENCES, MADE, PORT, runtime, zig

_URI = f"pkg:generic/micropython@{VERSION}"
_INTEGRITY = "sha512-"


def add_prebuilt(port: Path, cache: Path, say: Say) -> None:
    """Put the module and its licences into a copy of the port; raises BuildError."""
    shutil.copyfile(runtime(cache, say), port / MADE)
    licences = port / LICENCES
    licences.mkdir()
    # libc is WASI's, made of musl; the compiler's own support is LLVM's.
    libc = zig().parent / "lib" / "libc"
    for name, text in (
        ("micropython", tree(cache, say) / "LICENSE"),
        ("wasi-libc", libc / "wasi" / "LICENSE"),
        ("wasi-libc.llvm", libc / "wasi" / "LICENSE-APACHE-LLVM"),
        ("wasi-libc.mit", libc / "wasi" / "LICENSE-MIT"),
        ("musl", libc / "musl" / "COPYRIGHT"),
    ):
        shutil.copyfile(text, licences / name)


def component() -> sbom.Component:
    """What of others is in the module, for a bill of materials."""
    return {
        "type": "library",
        "name": "micropython",
        "version": VERSION,
        "purl": _URI,
        "hashes": [{"alg": "SHA-256", "content": SOURCE_SHA256}],
        "licenses": [{"license": {"name": "MIT"}}],
    }


def materials() -> Iterator[provenance.Material]:
    """What the module is built from, beside this project and `ziglang`."""
    yield {"uri": _URI, "digest": {"sha256": SOURCE_SHA256}}
    locked_tools = json.loads((PORT / "package-lock.json").read_text())["packages"]
    for place, tool in locked_tools.items():
        if place:
            content = base64.b64decode(tool["integrity"].removeprefix(_INTEGRITY)).hex()
            name = place.removeprefix("node_modules/")
            yield {"uri": f"pkg:npm/{name}@{tool['version']}", "digest": {"sha512": content}}
