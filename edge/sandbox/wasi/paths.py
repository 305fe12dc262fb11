"""Names beneath `/data` and `/app`: resolved one component at a time, so that none can lead outside.

Each directory on the way is opened relative to the one before and never through a symbolic link;
`..` goes back up the ones already open and cannot pass the first. Links are neither made nor read.
`/app` is never changed: whatever would is ROFS.
"""

import contextlib
import os
import stat
from collections.abc import Generator

from edge.sandbox.binding import HostFunction
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run
from edge.sandbox.wasi.bundle import BundleFile, BundleFolder
from edge.sandbox.wasi.descriptors import Entry, bundle_entry
from edge.sandbox.wasi.files import encode_bundle_stat, encode_stat, new_times
from hal import clock

PATH_LIMIT = 1024
"""Bytes of one path: bounds the directories opened on its way."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREAT, _WANT_DIRECTORY, _EXCL, _TRUNC = 1, 2, 4, 8
_APPEND, _DSYNC, _RSYNC, _SYNC = 1, 2, 8, 16
_FOLLOW = 1
_RIGHT_READ = 1 << 1
_RIGHTS_WRITE = 1 << 6 | 1 << 8 | 1 << 22
"""fd_write, fd_allocate, fd_filestat_set_size."""

_ACCESS = {
    (False, False): os.O_RDONLY,
    (True, False): os.O_RDONLY,
    (False, True): os.O_WRONLY,
    (True, True): os.O_RDWR,
}
"""By whether the guest wants to read and to write."""


@contextlib.contextmanager
def _parent(run: Run, fd: int, pointer: int, length: int) -> Generator[tuple[int, bytes]]:
    """Descriptor of the directory that holds the path's last component, and that component.

    The component is `.` when the path names the starting directory itself or ends with `..`.
    """
    path = _path(run, pointer, length)
    start = run.descriptors.directory(fd).descriptor
    if run.descriptors.folder(fd) is not None:
        raise CallError(Errno.ROFS)
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    must_be_directory = path.endswith((b"/", b"/."))
    last = parts.pop() if parts and parts[-1] != b".." else b"."
    trail: list[int] = []
    try:
        for part in parts:
            if part == b"..":
                if not trail:
                    raise CallError(Errno.NOTCAPABLE)
                os.close(trail.pop())
            else:
                trail.append(os.open(part, _DIRECTORY, dir_fd=trail[-1] if trail else start))
        directory = trail[-1] if trail else start
        if must_be_directory:
            _check_directory(directory, last)
        yield directory, last
    finally:
        for descriptor in trail:
            os.close(descriptor)


def _path(run: Run, pointer: int, length: int) -> bytes:
    """A path as the guest gave it, which does not lead outside by itself."""
    if not length:
        raise CallError(Errno.NOENT)
    if length > PATH_LIMIT:
        raise CallError(Errno.NAMETOOLONG)
    path = run.memory.read(pointer, length)
    if b"\0" in path:
        raise CallError(Errno.INVAL)
    if path.startswith(b"/"):
        raise CallError(Errno.NOTCAPABLE)
    return path


def _check_directory(directory: int, name: bytes) -> None:
    """A path that ends with a slash names a directory, if anything.

    The slash itself must not reach the kernel: it would follow a link.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(_existing(directory, name).st_mode):
            raise CallError(Errno.NOTDIR)


def _existing(directory: int, name: bytes) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _plain(name: bytes) -> bytes:
    """A name that can be made or removed."""
    if name == b".":
        raise CallError(Errno.INVAL)
    return name


# --- opening -----------------------------------------------------------------------------------


def _open_flags(wish: int, rights: int, fdflags: int) -> int:
    flags = _ACCESS[bool(rights & _RIGHT_READ), bool(rights & _RIGHTS_WRITE)]
    for asked, flag in (
        (_CREAT, os.O_CREAT),
        (_EXCL, os.O_EXCL),
        (_WANT_DIRECTORY, os.O_DIRECTORY),
    ):
        flags |= flag if wish & asked else 0
    for asked, flag in ((_APPEND, os.O_APPEND), (_DSYNC, os.O_DSYNC), (_SYNC | _RSYNC, os.O_SYNC)):
        flags |= flag if fdflags & asked else 0
    # NONBLOCK: opening a FIFO that somebody put there must not hold the guest.
    return flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _path_open(  # noqa: PLR0913, PLR0917  the import's own signature
    run: Run,
    fd: int,
    _lookup: int,
    pointer: int,
    length: int,
    wish: int,
    rights: int,
    _inheriting: int,
    fdflags: int,
    result: int,
) -> int:
    run.memory.check(result, 4)
    run.descriptors.room()
    if wish & _TRUNC and not rights & _RIGHTS_WRITE:
        raise CallError(Errno.INVAL)
    folder = run.descriptors.folder(fd)
    if folder is not None:
        opened = _open_bundled(folder, _path(run, pointer, length), wish, rights)
        run.memory.put_u32(result, run.descriptors.add(opened))
        return 0
    with _parent(run, fd, pointer, length) as (directory, name):
        opened = _open(run, directory, name, wish, _open_flags(wish, rights, fdflags))
    run.memory.put_u32(result, run.descriptors.add(opened))
    return 0


def _open(run: Run, directory: int, name: bytes, wish: int, flags: int) -> Entry:
    quota = run.descriptors.quota
    made = False
    if wish & _CREAT:
        try:
            _existing(directory, name)
        except FileNotFoundError:
            quota.room_for_entry()
            made = True
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        _refuse_special(status)
        if made:
            quota.entry_made()
        if wish & _TRUNC:
            os.ftruncate(descriptor, 0)
            quota.resized(status.st_ino, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return Entry(descriptor, status.st_ino, is_directory=stat.S_ISDIR(status.st_mode))


def _open_bundled(folder: BundleFolder, path: bytes, wish: int, rights: int) -> Entry:
    """What is in `/app`, for reading; whoever asks for all rights of a folder gets it too."""
    try:
        found = folder.find(path)
    except CallError as error:
        if error.errno is Errno.NOENT and wish & _CREAT:
            raise CallError(Errno.ROFS) from None
        raise
    if wish & (_EXCL | _TRUNC):
        raise CallError(Errno.ROFS)
    if isinstance(found, BundleFile):
        if wish & _WANT_DIRECTORY:
            raise CallError(Errno.NOTDIR)
        if rights & _RIGHTS_WRITE:
            raise CallError(Errno.ROFS)
    return bundle_entry(found)


def _refuse_special(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise CallError(Errno.NOTSUP)


# --- names -------------------------------------------------------------------------------------


def _path_create_directory(run: Run, fd: int, pointer: int, length: int) -> int:
    with _parent(run, fd, pointer, length) as (directory, name):
        run.descriptors.quota.room_for_entry()
        os.mkdir(name, 0o700, dir_fd=directory)
        run.descriptors.quota.entry_made()
    return 0


def _path_remove_directory(run: Run, fd: int, pointer: int, length: int) -> int:
    with _parent(run, fd, pointer, length) as (directory, name):
        os.rmdir(_plain(name), dir_fd=directory)
        run.descriptors.quota.entry_gone()
    return 0


def _path_unlink_file(run: Run, fd: int, pointer: int, length: int) -> int:
    with _parent(run, fd, pointer, length) as (directory, name):
        status = _existing(directory, name)
        if stat.S_ISDIR(status.st_mode):
            raise CallError(Errno.ISDIR)
        os.unlink(name, dir_fd=directory)
        run.descriptors.unlinked(status.st_ino)
    return 0


def _path_rename(
    run: Run, fd: int, pointer: int, length: int, to_fd: int, to_pointer: int, to_length: int
) -> int:
    with (
        _parent(run, fd, pointer, length) as (directory, name),
        _parent(run, to_fd, to_pointer, to_length) as (to_directory, to_name),
    ):
        try:
            replaced = _existing(to_directory, to_name)
        except FileNotFoundError:
            replaced = None
        moved = _existing(directory, name)
        os.rename(_plain(name), _plain(to_name), src_dir_fd=directory, dst_dir_fd=to_directory)
        if replaced is None or replaced.st_ino == moved.st_ino:
            return 0
        if stat.S_ISDIR(replaced.st_mode):
            run.descriptors.quota.entry_gone()
        else:
            run.descriptors.unlinked(replaced.st_ino)
    return 0


def _path_filestat_get(
    run: Run, fd: int, lookup: int, pointer: int, length: int, result: int
) -> int:
    folder = run.descriptors.folder(fd)
    if folder is not None:
        found = folder.find(_path(run, pointer, length))
        run.memory.write(result, encode_bundle_stat(found))
        return 0
    with _parent(run, fd, pointer, length) as (directory, name):
        status = _existing(directory, name)
    _refuse_link(status, lookup)
    run.memory.write(result, encode_stat(status))
    return 0


def _path_filestat_set_times(  # noqa: PLR0913, PLR0917  likewise
    run: Run,
    fd: int,
    lookup: int,
    pointer: int,
    length: int,
    accessed: int,
    modified: int,
    flags: int,
) -> int:
    with _parent(run, fd, pointer, length) as (directory, name):
        status = _existing(directory, name)
        _refuse_link(status, lookup)
        times = new_times(status, accessed, modified, flags, clock.wall_ns())
        os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)
    return 0


def _refuse_link(status: os.stat_result, lookup: int) -> None:
    if lookup & _FOLLOW and stat.S_ISLNK(status.st_mode):
        raise CallError(Errno.LOOP)


def _path_readlink(run: Run, fd: int, pointer: int, length: int, *_result: int) -> int:
    """There are no links: INVAL for what exists, as POSIX has it."""
    folder = run.descriptors.folder(fd)
    if folder is not None:
        folder.find(_path(run, pointer, length))
        raise CallError(Errno.INVAL)
    with _parent(run, fd, pointer, length) as (directory, name):
        _existing(directory, name)
    raise CallError(Errno.INVAL)


def _absent(_run: Run, *_arguments: int) -> int:
    raise CallError(Errno.NOTSUP)


FUNCTIONS = (
    HostFunction("path_create_directory", "iii->i", _path_create_directory),
    HostFunction("path_filestat_get", "iiiii->i", _path_filestat_get),
    HostFunction("path_filestat_set_times", "iiiiIIi->i", _path_filestat_set_times),
    HostFunction("path_link", "iiiiiii->i", _absent),
    HostFunction("path_open", "iiiiiIIii->i", _path_open),
    HostFunction("path_readlink", "iiiiii->i", _path_readlink),
    HostFunction("path_remove_directory", "iii->i", _path_remove_directory),
    HostFunction("path_rename", "iiiiii->i", _path_rename),
    HostFunction("path_symlink", "iiiii->i", _absent),
    HostFunction("path_unlink_file", "iii->i", _path_unlink_file),
)
