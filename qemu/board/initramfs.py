"""An initramfs from a kernel's modules, busybox and an init script: the same bytes every time."""

import gzip
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from qemu.board.errors import ImageError
from qemu.board.newc import Entry, archive, character_device, file, folder, link

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_FOLDERS = ("bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sys", "tmp")


def module_order(modules: Path, wanted: Sequence[str]) -> list[Path]:
    """The files of `wanted` kernel modules and of all they need, in an order that loads.

    `modules` is `/lib/modules/<release>`; what is built into the kernel is left out.
    Raises ImageError when the kernel has no such module.
    """
    files = {_name(path.name): path for path in sorted(modules.rglob("*.ko"))}
    builtin = {_name(line) for line in (modules / "modules.builtin").read_text().split()}
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in builtin or name in order:
            return
        if name not in files:
            raise ImageError(f"the kernel in {modules} has no module {name!r}")
        found = _DEPENDS.search(files[name].read_bytes())
        for needed in found[1].decode().split(",") if found and found[1] else ():
            visit(_name(needed))
        order[name] = files[name]

    for name in wanted:
        visit(_name(name))
    return list(order.values())


def initramfs(
    busybox: bytes, init: bytes, modules: Sequence[Path], more: Iterable[Entry]
) -> bytes:
    """A gzipped archive: busybox as every command, `init`, the modules in order, and `more`."""
    names = [path.name for path in modules]
    entries = [
        *(folder(path) for path in _FOLDERS),
        character_device("dev/console", 5, 1),
        character_device("dev/null", 1, 3),
        file("bin/busybox", busybox, executable=True),
        link("bin/sh", "busybox"),
        file("init", init, executable=True),
        *(file(f"lib/modules/{path.name}", path.read_bytes()) for path in modules),
        file("lib/modules/order", "".join(f"{name}\n" for name in names).encode()),
        *more,
    ]
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=6, mtime=0) as zipped:
        zipped.write(archive(entries))
    return packed.getvalue()


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_")
