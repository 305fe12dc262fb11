"""`skerry-agent`, a Debian package for arm64 of bookworm and Raspberry Pi OS; needs no root.

It holds what an image's `/usr/lib/skerry` holds and uses the system's own CPython, which must be
the version that the compiled modules and the wheels are made for.
"""

import gzip
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from boards import provenance
from boards.compile.compiler import add_compiled
from boards.image import sbom
from boards.image.agent import add_sources
from boards.image.build import PROJECT, REQUIREMENTS, VERSION
from boards.image.bytecode import compile_tree
from boards.image.cuts import cut_wheels
from boards.image.prune import prune_bindings
from boards.image.rootfs import LOADER, SITE, check_programs
from boards.image.wheels import unpack, wheels
from boards.package.archive import deb
from boards.packages import Say, read_lock, unpacked

NAME = "skerry-agent"
FILES = Path(__file__).with_name("files")
CONFFILE = "etc/skerry/skerry.toml"
_DOC = f"usr/share/doc/{NAME}"
_PLACED = {
    "skerry.toml": CONFFILE,
    "skerry": "usr/bin/skerry",
    "skerry-agent.service": "lib/systemd/system/skerry-agent.service",
    "60-skerry.rules": "lib/udev/rules.d/60-skerry-agent.rules",
    "copyright": f"{_DOC}/copyright",
}
_SCRIPTS = ("postinst", "prerm", "postrm")
_LIBRARIES = frozenset(
    f"{LOADER} libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libgcc_s.so.1".split()
)
"""What the packages of `Depends` bring: libc6 and libgcc-s1."""
_CONTROL = """Package: {name}
Version: {version}
Architecture: arm64
Maintainer: Skerry developers <maintainers@skerry.invalid>
Installed-Size: {kilobytes}
Depends: python3 (>= 3.11), python3 (<< 3.12), python3.11, libc6 (>= 2.34), libgcc-s1, adduser
Section: net
Priority: optional
Description: sandboxed apps on small boards, deployed from a small cloud
 The agent of Skerry. It runs WebAssembly apps that may touch only the hardware
 they were granted, keeps their readings until the cloud has stored them, and
 goes on without a network.
"""
_CHANGELOG = f"""{NAME} ({VERSION}) stable; urgency=medium

  * See CHANGELOG.md of the project.

 -- Skerry developers <maintainers@skerry.invalid>  Thu, 01 Jan 2026 00:00:00 +0000
"""
_LICENCE = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE")


def file_name() -> str:
    """What Debian's tools call the package's file."""
    return f"{NAME}_{VERSION}_arm64.deb"


def build(out: Path, cache: Path, say: Say, *, compiled: bool = False) -> str:
    """Write the package, its bill of materials and its provenance beside it; its SHA-256.

    Raises BuildError for what the building machine lacks.
    """
    found = wheels(PROJECT / REQUIREMENTS, cache, say)
    with tempfile.TemporaryDirectory(prefix="package-", dir=cache) as place:
        tree = Path(place)
        _lay_out(tree, found, cache, say, compiled=compiled)
        check_programs(tree, _LIBRARIES)
        data = deb(_control(tree), tree)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(data)
    part.replace(out)
    _add_papers(out, found, compiled=compiled)
    return hashlib.sha256(data).hexdigest()


def _add_papers(out: Path, found: Mapping[str, Path], *, compiled: bool) -> None:
    bill = out.with_name(f"{out.name}.cdx.json")
    parts = sbom.of_wheels(found.values())
    bill.write_bytes(sbom.document(NAME, VERSION, parts, kind="application"))
    materials = [*provenance.of_wheels(found.values()), provenance.of_project(PROJECT, VERSION)]
    if compiled:
        materials += provenance.of_packages(read_lock()["headers"])
    asked = {"package": NAME, "compiled": compiled}
    origin = out.with_name(f"{out.name}{provenance.SUFFIX}")
    origin.write_bytes(provenance.statement((out, bill), asked, VERSION, materials))


def _lay_out(
    tree: Path, found: Mapping[str, Path], cache: Path, say: Say, *, compiled: bool
) -> None:
    site = tree / SITE
    site.mkdir(parents=True)
    for name, wheel in found.items():
        unpack(wheel, site)
        _add_licences(wheel, tree / _DOC / "licences" / name)
    prune_bindings(site)
    cut_wheels(site)
    if compiled:
        (headers,) = unpacked("headers", read_lock(), cache, say).values()
        add_compiled(PROJECT, headers, cache, site, say)
    else:
        add_sources(PROJECT, site)
    shutil.copyfile(FILES / "start.py", site / "start.py")
    compile_tree(site, f"/{SITE}")
    for source, target in _PLACED.items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FILES / source, tree / target)
    (tree / _DOC / "changelog.gz").write_bytes(gzip.compress(_CHANGELOG.encode(), 9, mtime=0))


def _add_licences(wheel: Path, target: Path) -> None:
    """The texts that a wheel's authors want beside it."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            file = Path(name)
            if ".dist-info/" in name and file.stem.upper().startswith(_LICENCE):
                target.mkdir(parents=True, exist_ok=True)
                (target / file.name).write_bytes(archive.read(name))


def _control(tree: Path) -> dict[str, bytes]:
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    kilobytes = sum((path.stat().st_size + 1023) // 1024 for path in files)
    sums = "".join(
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n"  # noqa: S324 - what dpkg --verify reads
        for path in files
        if path != tree / CONFFILE
    )
    control = _CONTROL.format(name=NAME, version=VERSION, kilobytes=kilobytes)
    return {
        "control": control.encode(),
        "conffiles": f"/{CONFFILE}\n".encode(),
        "md5sums": sums.encode(),
        **{name: (FILES / name).read_bytes() for name in _SCRIPTS},
    }
