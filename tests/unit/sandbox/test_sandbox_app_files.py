"""`/app`: the files of an app, readable, complete, never changed, and no way to anything else."""

import os
import struct
from pathlib import Path

import pytest

from edge.sandbox.exits import ExitKind
from tests.support.guests import Node, c
from tests.unit.sandbox.test_sandbox_wasi import (
    APPEND,
    BADF,
    CREAT,
    DIRECTORY,
    EXCL,
    ISDIR,
    MFILE,
    NOENT,
    NOTCAPABLE,
    NOTDIR,
    NOTSUP,
    READ,
    TRUNC,
    WRITE,
    Files,
)

ROFS = 69
DATA, APP = 3, 4
FILES = {"main.py": b"print('hi')\n", "lib/one.py": b"1", "lib/deep/two.py": b"22"}
INVAL = 28


def test_an_app_without_files_has_no_second_directory(node: Node):
    script = Files()
    script.wasi("fd_prestat_get", APP, script.buffer(8))
    script.open(b"x", at=APP, rights=READ)
    assert node.play(script) == [BADF, BADF]


def test_the_second_preopened_directory_is_called_app(node: Node):
    script = Files()
    at = script.buffer(8)
    script.wasi("fd_prestat_get", APP, at)
    script.show(at, 8)
    script.wasi("fd_prestat_dir_name", APP, at, 4)
    script.show(at, 4)
    script.wasi("fd_prestat_get", APP + 1, at)
    assert node.play(script, files=FILES) == [0, struct.pack("<II", 0, 4), 0, b"/app", BADF]


def test_a_file_is_read_from_where_one_seeks_and_has_no_more_than_it_has(node: Node):
    script = Files()
    fd = script.open(b"lib/../main.py", at=APP, rights=READ)
    script.read(fd, 5)
    script.wasi("fd_seek", fd, -4, os.SEEK_END, script.buffer(8))
    script.read(fd, 20)
    values = node.play(script, files=FILES)
    assert values == [0, 0, b"print", 0, 0, b"i')\n" + bytes(16)]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (b"..", NOTCAPABLE),
        (b"../data/kept", NOTCAPABLE),
        (b"lib/../../x", NOTCAPABLE),
        (b"/app/main.py", NOTCAPABLE),
        (b"main.py/x", NOTDIR),
        (b"main.py/..", NOTDIR),
        (b"main.py/", NOTDIR),
        (b"lib/none.py", NOENT),
        (b"none/../main.py", NOENT),
        (b"", NOENT),
    ],
)
def test_no_path_leads_out_of_the_files(node: Node, path: bytes, error: int):
    script = Files()
    script.open(path, at=APP, rights=READ)
    script.wasi("path_filestat_get", APP, 0, *script.data(path), script.buffer(64))
    assert node.play(script, files=FILES) == [error, error]


def test_nothing_in_it_can_be_changed(node: Node):
    (node.data / "mine").write_bytes(b"m")
    script = Files()
    name, new, mine = script.data(b"main.py"), script.data(b"new"), script.data(b"mine")
    for call in ("path_create_directory", "path_unlink_file", "path_remove_directory"):
        script.wasi(call, APP, *name)
    script.wasi("path_rename", APP, *name, APP, *new)
    script.wasi("path_rename", APP, *name, DATA, *new)
    script.wasi("path_rename", DATA, *mine, APP, *new)
    script.wasi("path_filestat_set_times", APP, 0, *name, 0, 0, 2)
    script.open(b"main.py", at=APP)
    script.open(b"new", CREAT, at=APP, rights=READ)
    script.open(b"main.py", TRUNC, at=APP, rights=READ | WRITE)
    script.open(b"main.py", CREAT | EXCL, at=APP, rights=READ)
    assert node.play(script, files=FILES) == [ROFS] * 11
    assert (node.data / "mine").read_bytes() == b"m"


def test_an_open_file_takes_no_bytes_in_any_way(node: Node):
    script = Files()
    fd = script.open(b"main.py", at=APP, rights=READ)
    script.write(fd, b"x")
    script.write(fd, b"x", 0)
    script.wasi("fd_fdstat_set_flags", fd, APPEND)
    script.write(fd, b"x")
    script.wasi("fd_allocate", fd, 0, 100)
    script.wasi("fd_filestat_set_size", fd, 0)
    script.wasi("fd_filestat_set_times", fd, 0, 0, 2)
    again = script.open(b"main.py", at=APP, rights=READ)
    script.read(again, 12)
    opened, *refused, reopened, read, content = node.play(script, files=FILES)
    assert refused.pop(2) == 0
    assert 0 not in refused
    assert (opened, reopened, read, content) == (0, 0, 0, FILES["main.py"])


def test_a_folder_is_opened_listed_and_asked_about(node: Node):
    script = Files()
    fd = script.open(b"lib", DIRECTORY, at=APP, rights=READ)
    buffer, used = script.buffer(256), script.buffer(4)
    script.wasi("fd_readdir", fd, buffer, 256, 0, used)
    script.show(buffer, 256)
    script.show(used, 4)
    stat = script.buffer(64)
    script.wasi("fd_filestat_get", fd, stat)
    script.show(stat, 64)
    script.wasi("fd_fdstat_get", fd, script.buffer(24))
    script.wasi("fd_sync", fd)
    script.read(fd, 4)
    deep = script.open(b"deep/two.py", at=fd, rights=READ)
    script.read(deep, 2)
    script.wasi("fd_close", fd)
    script.wasi("fd_close", fd)
    values = node.play(script, files=FILES)
    names, at = [], 0
    (length,) = struct.unpack("<I", values[3])
    while at < length:
        _, _, size, kind = struct.unpack_from("<QQIB", values[2], at)
        names.append((values[2][at + 24 : at + 24 + size], kind))
        at += 24 + size
    assert names == [(b".", 3), (b"..", 3), (b"deep", 3), (b"one.py", 4)]
    assert values[5][16] == 3
    assert values[6:8] == [0, 0]
    assert values[8] == ISDIR
    assert values[-4:] == [0, b"22", 0, BADF]


def test_what_is_told_of_a_file_is_the_same_by_name_and_by_descriptor(node: Node):
    script = Files()
    by_name, by_descriptor = script.buffer(64), script.buffer(64)
    script.wasi("path_filestat_get", APP, 0, *script.data(b"lib/deep/two.py"), by_name)
    fd = script.open(b"lib/deep/two.py", at=APP, rights=READ)
    script.wasi("fd_filestat_get", fd, by_descriptor)
    script.show(by_name, 64)
    script.show(by_descriptor, 64)
    *errors, one, other = node.play(script, files=FILES)
    assert errors == [0, 0, 0]
    assert one == other
    assert struct.unpack_from("<QQB7xQQ", one)[2:] == (4, 1, 2)


def test_files_count_against_the_open_ones_and_not_against_storage(node: Node):
    node.limits = {"files": 2, "storage": 0}
    script = Files()
    for _ in range(3):
        script.open(b"main.py", at=APP, rights=READ)
    script.wasi("path_readlink", APP, *script.data(b"main.py"), 0, 0, 0)
    script.wasi("fd_renumber", APP, DATA)
    assert node.play(script, files=FILES) == [0, 0, MFILE, INVAL, NOTSUP]


def test_a_closed_preopen_is_not_taken_for_the_next_file(node: Node):
    script = Files()
    script.wasi("fd_close", APP)
    fd = script.open(b"mine", CREAT)
    script.wasi("fd_prestat_get", fd, script.buffer(8))
    assert node.play(script, files=FILES) == [0, 0, BADF]


def test_libc_reads_lists_and_stats_it_by_absolute_names(node: Node):
    program = r"""
    #include <dirent.h>
    #include <errno.h>
    #include <stdio.h>
    #include <sys/stat.h>
    int main(void) {
        char line[64];
        FILE *file = fopen("/app/lib/one.py", "r");
        if (!file || !fgets(line, sizeof line, file)) return 1;
        printf("read %s\n", line);
        struct stat found;
        if (stat("/app/main.py", &found)) return 2;
        printf("size %d\n", (int)found.st_size);
        DIR *folder = opendir("/app");
        if (!folder) return 3;
        int count = 0;
        while (readdir(folder)) count++;
        printf("entries %d\n", count);
        if (fopen("/app/main.py", "a") || errno != EROFS) return 4;
        if (fopen("/app/new.py", "w") || errno != EROFS) return 5;
        FILE *mine = fopen("/data/mine", "w");
        return mine && fputs("kept", mine) >= 0 && !fclose(mine) ? 0 : 6;
    }
    """
    end = node.run(c(program), files=FILES)
    assert (end.kind, end.code) == (ExitKind.EXITED, 0)
    assert [text for _, text in node.services.lines] == ["read 1", "size 12", "entries 4"]
    assert (node.data / "mine").read_text() == "kept"


def test_nothing_stays_open_when_the_guest_ends(node: Node):
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    node.run(c("int main(void) { return 0; }"), files=FILES)
    before = descriptors()
    script = Files()
    for _ in range(5):
        script.open(b"main.py", at=APP, rights=READ)
        script.open(b"lib", at=APP, rights=READ)
    node.play(script, files=FILES)
    assert descriptors() == before
