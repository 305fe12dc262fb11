"""Debian's package format (deb(5)): an `ar` archive of two tar archives; same content, same bytes."""

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

from boards.image.disk import EPOCH

_MAGIC = b"!<arch>\n"


def deb(control: Mapping[str, bytes], tree: Path) -> bytes:
    """A package of `tree`; `control` holds its control files, of which scripts start with `#!`."""
    return _MAGIC + b"".join(
        (
            _member("debian-binary", b"2.0\n"),
            _member("control.tar.xz", lzma.compress(_control(control))),
            _member("data.tar.xz", lzma.compress(_data(tree))),
        )
    )


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{EPOCH:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)


def _control(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(_folder("./"))
        for name, data in sorted(files.items()):
            mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(_file(f"./{name}", len(data), mode), io.BytesIO(data))
    return packed.getvalue()


def _data(tree: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(_folder("./"))
        for path in sorted(tree.rglob("*")):
            name = f"./{path.relative_to(tree)}"
            if path.is_dir():
                archive.addfile(_folder(f"{name}/"))
                continue
            data = path.read_bytes()
            mode = 0o755 if path.parent.name == "bin" else 0o644
            archive.addfile(_file(name, len(data), mode), io.BytesIO(data))
    return packed.getvalue()


def _folder(name: str) -> tarfile.TarInfo:
    made = _entry(name, 0o755)
    made.type = tarfile.DIRTYPE
    return made


def _file(name: str, size: int, mode: int) -> tarfile.TarInfo:
    made = _entry(name, mode)
    made.size = size
    return made


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mode, made.mtime, made.uname, made.gname = mode, EPOCH, "root", "root"
    return made
