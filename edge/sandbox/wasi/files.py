"""Reading and writing open descriptors."""

import fcntl
import os
import stat
import struct

from edge.sandbox.binding import HostFunction
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run
from edge.sandbox.wasi.bundle import BundleFile, BundleFolder
from edge.sandbox.wasi.descriptors import STDIN, Entry, FileType, file_type
from hal import clock

IO_LIMIT = 1 << 20
"""Bytes moved by one call; a longer one is short, as POSIX allows, and bounds the host's copy."""
VECTORS_LIMIT = 1024
"""Buffers in one call: IOV_MAX on Linux."""

_FDSTAT = struct.Struct("<BxH4xQQ")
_FILESTAT = struct.Struct("<QQB7xQQQQQ")
_DIRENT = struct.Struct("<QQIB3x")
_VECTOR = struct.Struct("<II")

_ALL_RIGHTS = (1 << 30) - 1
_SEEK_RIGHTS = 1 << 2 | 1 << 5
"""fd_seek and fd_tell; without them libc takes a character device for a terminal: line by line."""
_APPEND = 1
ATIME, ATIME_NOW, MTIME, MTIME_NOW = 1, 2, 4, 8


# --- data --------------------------------------------------------------------------------------


def _vectors(run: Run, pointer: int, count: int) -> list[tuple[int, int]]:
    """(pointer, length) of each buffer, together at most IO_LIMIT bytes."""
    if count > VECTORS_LIMIT:
        raise CallError(Errno.INVAL)
    left = IO_LIMIT
    vectors: list[tuple[int, int]] = []
    for start, length in _VECTOR.iter_unpack(run.memory.read(pointer, count * _VECTOR.size)):
        taken = min(length, left)
        run.memory.check(start, taken)
        vectors.append((start, taken))
        left -= taken
    return vectors


def _gather(run: Run, pointer: int, count: int) -> bytes:
    return b"".join(run.memory.read(*vector) for vector in _vectors(run, pointer, count))


def _read_into(run: Run, fd: int, vectors: list[tuple[int, int]], offset: int | None) -> int:
    if fd == STDIN and run.descriptors.is_standard(fd):
        return 0
    descriptor = run.descriptors.file(fd).descriptor
    wanted = sum(length for _, length in vectors)
    data = os.read(descriptor, wanted) if offset is None else os.pread(descriptor, wanted, offset)
    at = 0
    for start, length in vectors:
        run.memory.write(start, data[at : at + length])
        at += length
    return len(data)


def _fd_read(run: Run, fd: int, vectors: int, count: int, done: int) -> int:
    run.memory.check(done, 4)
    run.memory.put_u32(done, _read_into(run, fd, _vectors(run, vectors, count), None))
    return 0


def _fd_pread(run: Run, fd: int, vectors: int, count: int, offset: int, done: int) -> int:
    run.memory.check(done, 4)
    if run.descriptors.is_standard(fd):
        raise CallError(Errno.SPIPE)
    run.memory.put_u32(done, _read_into(run, fd, _vectors(run, vectors, count), _offset(offset)))
    return 0


def _fd_write(run: Run, fd: int, vectors: int, count: int, done: int) -> int:
    run.memory.check(done, 4)
    data = _gather(run, vectors, count)
    if run.descriptors.is_standard(fd):
        if fd == STDIN:
            raise CallError(Errno.BADF)
        run.descriptors.output[fd].write(data)
        run.memory.put_u32(done, len(data))
        return 0
    entry = run.descriptors.file(fd)
    if fcntl.fcntl(entry.descriptor, fcntl.F_GETFL) & os.O_APPEND:
        offset = os.fstat(entry.descriptor).st_size
    else:
        offset = os.lseek(entry.descriptor, 0, os.SEEK_CUR)
    with run.parking.block():
        written = _store(run, entry, offset, data, positioned=False)
    run.memory.put_u32(done, written)
    return 0


def _fd_pwrite(run: Run, fd: int, vectors: int, count: int, offset: int, done: int) -> int:
    run.memory.check(done, 4)
    if run.descriptors.is_standard(fd):
        raise CallError(Errno.SPIPE)
    data = _gather(run, vectors, count)
    with run.parking.block():
        written = _store(run, run.descriptors.file(fd), _offset(offset), data, positioned=True)
    run.memory.put_u32(done, written)
    return 0


def _store(run: Run, entry: Entry, offset: int, data: bytes, *, positioned: bool) -> int:
    if data:
        run.descriptors.quota.may_grow(entry.inode, offset + len(data))
    if positioned:
        written = os.pwrite(entry.descriptor, data, offset)
    else:
        written = os.write(entry.descriptor, data)
    run.descriptors.quota.resized(entry.inode, os.fstat(entry.descriptor).st_size)
    return written


def _offset(value: int) -> int:
    if value < 0:
        raise CallError(Errno.INVAL)
    return value


# --- position and size -------------------------------------------------------------------------


def _fd_seek(run: Run, fd: int, offset: int, whence: int, result: int) -> int:
    run.memory.check(result, 8)
    if run.descriptors.is_standard(fd):
        raise CallError(Errno.SPIPE)
    if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
        raise CallError(Errno.INVAL)
    run.memory.put_u64(result, os.lseek(run.descriptors.file(fd).descriptor, offset, whence))
    return 0


def _fd_tell(run: Run, fd: int, result: int) -> int:
    return _fd_seek(run, fd, 0, os.SEEK_CUR, result)


def _fd_allocate(run: Run, fd: int, offset: int, length: int) -> int:
    entry = run.descriptors.file(fd)
    run.descriptors.quota.may_grow(entry.inode, _offset(offset) + _offset(length))
    with run.parking.block():
        os.posix_fallocate(entry.descriptor, offset, length)
    run.descriptors.quota.resized(entry.inode, os.fstat(entry.descriptor).st_size)
    return 0


def _fd_filestat_set_size(run: Run, fd: int, size: int) -> int:
    entry = run.descriptors.file(fd)
    run.descriptors.quota.may_grow(entry.inode, _offset(size))
    os.ftruncate(entry.descriptor, size)
    run.descriptors.quota.resized(entry.inode, size)
    return 0


def _fd_sync(run: Run, fd: int) -> int:
    if not run.descriptors.is_standard(fd) and run.descriptors.entry(fd).source is None:
        with run.parking.block():
            os.fsync(run.descriptors.entry(fd).descriptor)
    return 0


def _fd_advise(run: Run, fd: int, _offset: int, _length: int, _advice: int) -> int:
    run.descriptors.file(fd)
    return 0


# --- the descriptor itself ---------------------------------------------------------------------


def _fd_close(run: Run, fd: int) -> int:
    run.descriptors.close_one(fd)
    return 0


def _fd_renumber(run: Run, fd: int, to: int) -> int:
    run.descriptors.move(fd, to)
    return 0


def _fd_fdstat_get(run: Run, fd: int, result: int) -> int:
    if run.descriptors.is_standard(fd):
        stats = (FileType.CHARACTER_DEVICE, 0, _ALL_RIGHTS & ~_SEEK_RIGHTS, 0)
    else:
        entry = run.descriptors.entry(fd)
        kind = FileType.DIRECTORY if entry.is_directory else FileType.REGULAR_FILE
        flags = fcntl.fcntl(entry.descriptor, fcntl.F_GETFL) if entry.source is None else 0
        appending = _APPEND if flags & os.O_APPEND else 0
        stats = (kind, appending, _ALL_RIGHTS, _ALL_RIGHTS)
    run.memory.write(result, _FDSTAT.pack(*stats))
    return 0


def _fd_fdstat_set_flags(run: Run, fd: int, flags: int) -> int:
    if not run.descriptors.is_standard(fd):
        descriptor = run.descriptors.file(fd).descriptor
        kept = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_APPEND
        fcntl.fcntl(descriptor, fcntl.F_SETFL, kept | (os.O_APPEND if flags & _APPEND else 0))
    return 0


def _fd_fdstat_set_rights(run: Run, fd: int, _base: int, _inheriting: int) -> int:
    """Rights are all or nothing here; giving some up changes nothing."""
    if not run.descriptors.is_standard(fd):
        run.descriptors.entry(fd)
    return 0


def encode_stat(status: os.stat_result) -> bytes:
    """A `$filestat` of witx; the device number is nobody's business."""
    return _FILESTAT.pack(
        0,
        status.st_ino,
        file_type(status.st_mode),
        status.st_nlink,
        status.st_size if stat.S_ISREG(status.st_mode) else 0,
        status.st_atime_ns,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def encode_bundle_stat(source: BundleFile | BundleFolder) -> bytes:
    """The same of what is in `/app`; it is of no time, so that equal apps look equal."""
    if isinstance(source, BundleFolder):
        return _FILESTAT.pack(0, source.inode, FileType.DIRECTORY, 1, 0, 0, 0, 0)
    size = len(source.content)
    return _FILESTAT.pack(0, source.inode, FileType.REGULAR_FILE, 1, size, 0, 0, 0)


def _fd_filestat_get(run: Run, fd: int, result: int) -> int:
    if run.descriptors.is_standard(fd):
        data = _FILESTAT.pack(0, 0, FileType.CHARACTER_DEVICE, 1, 0, 0, 0, 0)
    else:
        entry = run.descriptors.entry(fd)
        data = (
            encode_bundle_stat(entry.source)
            if entry.source is not None
            else encode_stat(os.fstat(entry.descriptor))
        )
    run.memory.write(result, data)
    return 0


def new_times(
    status: os.stat_result, accessed: int, modified: int, flags: int, now: int
) -> tuple[int, int]:
    """Access and modification time that `flags` ask for, in ns; INVAL when both kinds are asked."""
    if flags & (ATIME | ATIME_NOW) == ATIME | ATIME_NOW:
        raise CallError(Errno.INVAL)
    if flags & (MTIME | MTIME_NOW) == MTIME | MTIME_NOW:
        raise CallError(Errno.INVAL)
    first = (
        now if flags & ATIME_NOW else _offset(accessed) if flags & ATIME else status.st_atime_ns
    )
    second = (
        now if flags & MTIME_NOW else _offset(modified) if flags & MTIME else status.st_mtime_ns
    )
    return first, second


def _fd_filestat_set_times(run: Run, fd: int, accessed: int, modified: int, flags: int) -> int:
    entry = run.descriptors.entry(fd)
    if entry.source is not None:
        raise CallError(Errno.ROFS)
    descriptor = entry.descriptor
    times = new_times(os.fstat(descriptor), accessed, modified, flags, clock.wall_ns())
    os.utime(descriptor, ns=times)
    return 0


# --- directories -------------------------------------------------------------------------------


def _fd_prestat_get(run: Run, fd: int, result: int) -> int:
    run.memory.write(result, struct.pack("<B3xI", 0, len(run.descriptors.preopened(fd))))
    return 0


def _fd_prestat_dir_name(run: Run, fd: int, buffer: int, capacity: int) -> int:
    name = run.descriptors.preopened(fd)
    if capacity < len(name):
        raise CallError(Errno.NAMETOOLONG)
    run.memory.write(buffer, name)
    return 0


def _list(entry: Entry) -> list[tuple[bytes, int, FileType]]:
    found = [
        (b".", entry.inode, FileType.DIRECTORY),
        (b"..", entry.inode, FileType.DIRECTORY),
    ]
    if isinstance(entry.source, BundleFolder):
        for name, each in entry.source.entries.items():
            is_folder = isinstance(each, BundleFolder)
            kind = FileType.DIRECTORY if is_folder else FileType.REGULAR_FILE
            found.append((name, each.inode, kind))
        return sorted(found)
    with os.scandir(entry.descriptor) as entries:
        for item in entries:
            status = item.stat(follow_symlinks=False)
            found.append((os.fsencode(item.name), item.inode(), file_type(status.st_mode)))
    return sorted(found)


def _fd_readdir(run: Run, fd: int, buffer: int, capacity: int, cookie: int, used: int) -> int:
    """A cookie is a place in the listing made when it was read from 0; rewinding reads anew."""
    run.memory.check(buffer, capacity)
    run.memory.check(used, 4)
    entry = run.descriptors.directory(fd)
    if cookie == 0:
        entry.listing = _list(entry)
    data = bytearray()
    for at, (name, inode, kind) in enumerate(entry.listing[_offset(cookie) :], cookie + 1):
        if len(data) >= capacity:
            break
        data += _DIRENT.pack(at, inode, len(name), kind) + name
    run.memory.write(buffer, bytes(data[:capacity]))
    run.memory.put_u32(used, min(len(data), capacity))
    return 0


FUNCTIONS = (
    HostFunction("fd_advise", "iIIi->i", _fd_advise),
    HostFunction("fd_allocate", "iII->i", _fd_allocate),
    HostFunction("fd_close", "i->i", _fd_close),
    HostFunction("fd_datasync", "i->i", _fd_sync),
    HostFunction("fd_fdstat_get", "ii->i", _fd_fdstat_get),
    HostFunction("fd_fdstat_set_flags", "ii->i", _fd_fdstat_set_flags),
    HostFunction("fd_fdstat_set_rights", "iII->i", _fd_fdstat_set_rights),
    HostFunction("fd_filestat_get", "ii->i", _fd_filestat_get),
    HostFunction("fd_filestat_set_size", "iI->i", _fd_filestat_set_size),
    HostFunction("fd_filestat_set_times", "iIIi->i", _fd_filestat_set_times),
    HostFunction("fd_pread", "iiiIi->i", _fd_pread),
    HostFunction("fd_prestat_get", "ii->i", _fd_prestat_get),
    HostFunction("fd_prestat_dir_name", "iii->i", _fd_prestat_dir_name),
    HostFunction("fd_pwrite", "iiiIi->i", _fd_pwrite),
    HostFunction("fd_read", "iiii->i", _fd_read),
    HostFunction("fd_readdir", "iiiIi->i", _fd_readdir),
    HostFunction("fd_renumber", "ii->i", _fd_renumber),
    HostFunction("fd_seek", "iIii->i", _fd_seek),
    HostFunction("fd_sync", "i->i", _fd_sync),
    HostFunction("fd_tell", "ii->i", _fd_tell),
    HostFunction("fd_write", "iiii->i", _fd_write),
)
