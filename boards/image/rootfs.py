"""A slot's file tree: what runs on the board, every file accounted for, nothing of another machine."""

import shutil
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from boards.image import python
from boards.image.bytecode import compile_tree
from boards.image.cuts import cut_wheels
from boards.image.elf import AARCH64, read_elf
from boards.image.errors import ForeignError
from boards.image.prune import prune_bindings
from boards.image.wheels import unpack
from boards.packages import Package

FILES = Path(__file__).parent / "files"
LIBRARIES = "usr/lib/aarch64-linux-gnu"
LOADER = "ld-linux-aarch64.so.1"
DLOPENED = ("libgcc_s.so.1", "libnss_dns.so.2")
"""Asked for while running: to end threads, and to resolve names."""
SITE = "usr/lib/skerry"

_PROGRAMS = {
    "usr/sbin/mke2fs": "sbin/mke2fs",
    "usr/sbin/e2fsck": "sbin/e2fsck",
    "usr/sbin/dropbear": "usr/sbin/dropbear",
    "usr/bin/dropbearkey": "usr/bin/dropbearkey",
}
_WIFI_PROGRAMS = {
    "usr/sbin/wpa_supplicant": "sbin/wpa_supplicant",
    "usr/sbin/iw": "sbin/iw",
    "usr/lib/firmware/regulatory.db": "lib/firmware/regulatory.db-debian",
    "usr/lib/firmware/regulatory.db.p7s": "lib/firmware/regulatory.db.p7s-debian",
}
_SHARED = ("__init__.py", "errors.py", "preseed.py")
"""Of `boards`: what reads skerry.toml reads it the same way here and on the board."""
_PLACED = {
    "rcS": "etc/init.d/rcS",
    "inittab": "etc/inittab",
    "profile": "etc/profile",
    "network": "etc/skerry/network",
    "lease": "etc/skerry/lease",
    "agent": "etc/skerry/agent",
    "ssh": "etc/skerry/ssh",
    "trial": "etc/skerry/trial",
    "modprobe": "usr/sbin/modprobe",
    "skerry": "usr/bin/skerry",
}
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "usr/sbin/init": "../bin/busybox",
    "usr/bin/sh": "busybox",
    "etc/resolv.conf": "/run/resolv.conf",
    "etc/mtab": "/proc/mounts",
    "var/lib/skerry": "/data",
    "etc/hostname": "/run/hostname",
    "root/.ssh": "/run/skerry/ssh",
}
_EMPTY = ("dev", "proc", "sys", "run", "tmp", "data", "boot", "root", "var/lib")
_USERS = "root::0:0:root:/root:/bin/sh\n"
_HOSTS = "127.0.0.1 localhost\n"

Packages = Mapping[Package, Path]
AddAgent = Callable[[Path], None]
"""Lays our own code out in a directory: compiled or as bytecode."""


def build_root(
    root: Path,
    packages: Packages,
    wheel_files: Mapping[str, Path],
    add_agent: AddAgent,
    board_file: str | None,
    wifi_firmware: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Fill `root`; the names of the packages that files were taken from.

    `wifi_firmware` is what the radio runs, by name; None when the board has no Wi-Fi.
    """
    for name in _EMPTY:
        (root / name).mkdir(parents=True)
    used: set[str] = set()
    python.lay_out(packages.items(), root)
    used |= {p.name for p in packages if p.name.startswith(("python3", "libpython3"))}
    site = root / SITE
    site.mkdir(parents=True)
    for wheel in wheel_files.values():
        unpack(wheel, site)
    prune_bindings(site)
    cut_wheels(site)
    add_agent(site)
    for script in ("start.py", "configure.py"):
        shutil.copyfile(FILES / script, site / script)
    (site / "boards").mkdir()
    for module in _SHARED:
        shutil.copyfile(FILES.parent.parent / module, site / "boards" / module)
    compile_tree(site, f"/{SITE}")
    used.add(_take(packages, "bin/busybox", root / "usr/bin/busybox"))
    programs = _PROGRAMS if wifi_firmware is None else _PROGRAMS | _WIFI_PROGRAMS
    for name, data in (wifi_firmware or {}).items():
        _place(root / "usr/lib/firmware" / name, data)
    for target, source in programs.items():
        used.add(_take(packages, source, root / target))
    for source, target in _PLACED.items():
        _place(root / target, (FILES / source).read_bytes())
    _place(root / "etc/passwd", _USERS.encode())
    _place(root / "etc/group", b"root:x:0:\n")
    _place(root / "etc/hosts", _HOSTS.encode())
    if board_file is not None:
        _place(root / "etc/skerry/board.toml", board_file.encode())
    for name, target in _LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    used |= _add_libraries(root, packages)
    _add_licences(root, packages, used)
    _set_modes(root)
    check_architecture(root)
    return sorted(used)


def check_architecture(root: Path) -> None:
    """Every program and library is for AArch64 and finds the libraries it needs.

    Raises ForeignError with the name of one that is not.
    """
    check_programs(root, {file.name for file in (root / LIBRARIES).iterdir()} | {LOADER})


def check_programs(tree: Path, there: AbstractSet[str]) -> None:
    """As above, for a tree whose programs find the libraries of `there`."""
    for file in sorted(tree.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        elf = read_elf(file)
        name = file.relative_to(tree)
        if elf is None:
            if file.suffix in {".so", ".dll", ".dylib"}:
                raise ForeignError(f"{name}: a library, but no ELF file")
            continue
        if elf.machine != AARCH64:
            raise ForeignError(
                f"{name}: for ELF machine {elf.machine}, the image is for {AARCH64}"
            )
        beside = {other.name for other in file.parent.iterdir()}
        for needed in elf.needed:
            if needed not in there and needed not in beside:
                raise ForeignError(f"{name}: needs {needed}, which is not in the image")


def _add_libraries(root: Path, packages: Packages) -> set[str]:
    """Copy what programs need, and what that needs, until nothing is missing."""
    used = {_library(packages, LOADER, root / "usr/lib" / LOADER)}
    (root / LIBRARIES).mkdir(parents=True, exist_ok=True)
    pending = [file for file in root.rglob("*") if file.is_file() and not file.is_symlink()]
    wanted = list(DLOPENED)
    while pending or wanted:
        while wanted:
            name = wanted.pop()
            target = root / LIBRARIES / name
            if name != LOADER and not target.exists():
                used.add(_library(packages, name, target))
                pending.append(target)
        if pending:
            file = pending.pop()
            elf = read_elf(file)
            beside = {other.name for other in file.parent.iterdir()}
            wanted += [name for name in elf.needed if name not in beside] if elf else []
    return used


def _library(packages: Packages, name: str, target: Path) -> str:
    for folder in (LIBRARIES, "lib/aarch64-linux-gnu", "usr/lib", "lib"):
        for package, place in packages.items():
            if (place / folder / name).is_file():
                return _take(packages, f"{folder}/{name}", target, only=package)
    raise ForeignError(f"no package of the image holds {name}")


def _take(packages: Packages, source: str, target: Path, only: Package | None = None) -> str:
    for package, place in packages.items():
        if (only is None or package is only) and (place / source).is_file():
            _place(target, (place / source).read_bytes())
            return package.name
    raise ForeignError(f"no package of the image holds {source}")


def _add_licences(root: Path, packages: Packages, used: set[str]) -> None:
    """The licence text of every package that a file was taken from."""
    for package, place in packages.items():
        text = place / "usr/share/doc" / package.name / "copyright"
        if package.name in used and text.is_file():
            _place(root / f"usr/share/doc/{package.name}/copyright", text.read_bytes())


def _place(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _set_modes(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        runs = path.is_dir() or path.parent.name in {"bin", "sbin", "init.d", "skerry"}
        path.chmod(0o755 if runs or path.suffix == ".so" or ".so." in path.name else 0o644)
