"""CPython as a board needs it: without what an agent never imports, and compiled beforehand.

A slot is read-only, so bytecode that is not in it would be made anew at every start. Sources stay
out: they double the size, and a traceback still names file and line.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from boards.image.bytecode import VERSION, compile_tree
from boards.image.cuts import cut_library
from boards.packages import Package

_UNUSED = """
    test unittest idlelib lib2to3 distutils ensurepip venv pydoc_data turtledemo tkinter
    curses dbm sqlite3 wsgiref xmlrpc xml __phello__ multiprocessing turtle pydoc doctest pdb
    mailbox imaplib nntplib poplib smtplib smtpd telnetlib ftplib cgi cgitb webbrowser
    antigravity this aifc sunau sndhdr imghdr chunk wave colorsys tarfile zipapp pickletools
    _pyio _pydecimal _aix_support _osx_support _bootsubprocess _distutils_system_mod cProfile
    profile pstats trace tabnanny pyclbr modulefinder asynchat asyncore xdrlib nturl2path
    crypt shelve mailcap symtable sched statistics plistlib sitecustomize __hello__ msilib
    bz2 lzma _compression
"""
UNUSED = frozenset(_UNUSED.split())
"""Packages and modules of the standard library that nothing on a board imports."""
UNUSED_NATIVE = ("_codecs_", "_curses", "_dbm", "_sqlite3", "_test", "_xx", "xx", "nis", "audioop",
    "ossaudiodev", "readline", "_ctypes_test", "_multibytecodec", "_crypt", "_lsprof", "_tkinter",
    "_multiprocessing", "_posixshmem", "_bz2", "_lzma", "_decimal", "_uuid")  # fmt: skip
"""Beginnings of extension modules left out; with them go a dozen libraries."""


def lay_out(packages: Iterable[tuple[Package, Path]], root: Path) -> None:
    """Interpreter and standard library, trimmed and compiled, below `root`."""
    library = root / "usr/lib" / f"python{VERSION}"
    for _, place in packages:
        program = place / f"usr/bin/python{VERSION}"
        if program.is_file():
            (root / "usr/bin").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(program, root / f"usr/bin/python{VERSION}")
        source = place / "usr/lib" / f"python{VERSION}"
        if source.is_dir():
            _copy(source, library)
    cut_library(library)
    compile_tree(library, f"/usr/lib/python{VERSION}")


def _copy(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        inner = file.relative_to(source)
        if file.is_dir() or not file.is_file() or not _used(inner):
            continue
        (target / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / inner)


def _used(inner: Path) -> bool:
    first = inner.parts[0].partition(".")[0]
    if first in UNUSED or first.startswith("config-"):
        return False
    if inner.parts[0] == "lib-dynload":
        return inner.suffix == ".so" and not inner.name.startswith(UNUSED_NATIVE)
    return inner.suffix == ".py"
