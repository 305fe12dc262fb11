"""Files, clocks and streams of WASI, and that nothing leads out of `/data`."""

import os
import struct
from pathlib import Path

import pytest

from edge.sandbox.wasi.quota import ENTRIES_LIMIT
from tests.support.guests import Node, Result, Script, U32At, c

BADF, EXIST, INVAL, ISDIR, LOOP, MFILE = 8, 20, 28, 31, 32, 33
NOENT, NOSPC, NOTDIR, NOTEMPTY, NOTSUP = 44, 51, 54, 55, 58
SPIPE, NOTCAPABLE = 70, 76
CREAT, DIRECTORY, EXCL, TRUNC = 1, 2, 4, 8
READ, WRITE = 1 << 1, 1 << 6
APPEND = 1


class Files(Script):
    """A script with calls of WASI by short names."""

    def wasi(self, name: str, *arguments: object) -> Result:
        return self.call(f"wasi_snapshot_preview1.{name}", *arguments)  # type: ignore[arg-type]

    def open(
        self,
        path: bytes,
        wish: int = 0,
        rights: int = READ | WRITE,
        flags: int = 0,
        at: object = 3,
    ) -> U32At:
        """Open; the descriptor, loaded when it is used. Its error number is among the values."""
        result = self.buffer(4)
        self.wasi("path_open", at, 0, *self.data(path), wish, rights, 0, flags, result)
        return U32At(result)

    def write(self, fd: object, content: bytes, offset: int | None = None) -> Result:
        """Write; the error number."""
        at, size = self.data(content)
        vector, _ = self.data(struct.pack("<II", at, size))
        if offset is None:
            return self.wasi("fd_write", fd, vector, 1, self.buffer(4))
        return self.wasi("fd_pwrite", fd, vector, 1, offset, self.buffer(4))

    def read(self, fd: object, size: int) -> None:
        """Read and show: an error number, then the bytes."""
        buffer = self.buffer(size)
        vector, _ = self.data(struct.pack("<II", buffer, size))
        self.wasi("fd_read", fd, vector, 1, self.buffer(4))
        self.show(buffer, size)


# --- nothing leads outside ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        b"../secret",
        b"/etc/passwd",
        b"a/../../secret",
        b"./../secret",
        b"a/b/../../../secret",
        b"..",
        b"//",
    ],
)
def test_no_path_leads_out_of_the_directory(node: Node, path: bytes):
    (node.directory / "secret").write_text("secret")
    (node.data / "a" / "b").mkdir(parents=True)
    script = Files()
    for name in ("path_create_directory", "path_unlink_file", "path_remove_directory"):
        script.wasi(name, 3, *script.data(path))
    script.wasi("path_filestat_get", 3, 0, *script.data(path), script.buffer(64))
    script.wasi("path_rename", 3, *script.data(b"a"), 3, *script.data(path))
    script.wasi("path_rename", 3, *script.data(path), 3, *script.data(b"mine"))
    script.open(path, CREAT)
    assert node.play(script) == [NOTCAPABLE] * 7
    assert (node.directory / "secret").read_text() == "secret"


def test_a_subdirectory_opened_as_such_is_not_a_way_up_either(node: Node):
    (node.data / "sub").mkdir()
    (node.data / "file").write_text("x")
    script = Files()
    sub = script.open(b"sub", DIRECTORY, READ)
    script.open(b"../file", at=sub)
    script.open(b"../../secret", at=sub)
    assert node.play(script) == [0, NOTCAPABLE, NOTCAPABLE]


@pytest.mark.parametrize("path", [b"link", b"link/", b"link/file", b"link/.", b"link/../x/y"])
def test_a_symbolic_link_that_somebody_planted_is_never_followed(node: Node, path: bytes):
    outside = node.directory / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (node.data / "link").symlink_to(outside)
    script = Files()
    opened = script.open(path, CREAT)
    script.open(path, DIRECTORY, READ)
    script.wasi("path_filestat_get", 3, 1, *script.data(path), script.buffer(64))
    script.wasi("path_create_directory", 3, *script.data(path + b"/made"))
    script.wasi("path_filestat_set_times", 3, 1, *script.data(path), 0, 0, 5)
    del opened
    values = node.play(script)
    assert set(values) <= {LOOP, NOTDIR, NOENT}
    assert [file.name for file in outside.iterdir()] == ["file"]


def test_a_link_to_a_file_is_refused_too_and_can_be_removed(node: Node):
    secret = node.directory / "secret"
    secret.write_text("secret")
    (node.data / "link").symlink_to(secret)
    script = Files()
    script.open(b"link", TRUNC)
    buffer = script.buffer(64)
    script.wasi("path_readlink", 3, *script.data(b"link"), buffer, 64, buffer)
    script.wasi("path_unlink_file", 3, *script.data(b"link"))
    assert node.play(script) == [LOOP, INVAL, 0]
    assert secret.read_text() == "secret"


def test_links_and_special_files_cannot_be_made_or_opened(node: Node):
    os.mkfifo(node.data / "pipe")
    script = Files()
    name = script.data(b"x")
    script.wasi("path_symlink", *name, 3, *name)
    script.wasi("path_link", 3, 0, *name, 3, *name)
    script.open(b"pipe", rights=READ)
    assert node.play(script) == [NOTSUP, NOTSUP, NOTSUP]


def test_a_path_has_a_length_and_no_zero_byte(node: Node):
    script = Files()
    script.open(b"")
    script.open(b"a\0b", CREAT)
    script.open(b"a/" * 513, CREAT)
    script.open(b"x" * 256, CREAT)
    assert node.play(script) == [NOENT, INVAL, 37, 37]


# --- files -------------------------------------------------------------------------------------


def test_what_is_written_can_be_read_again(node: Node):
    script = Files()
    fd = script.open(b"file", CREAT | EXCL)
    script.write(fd, b"hello world")
    script.wasi("fd_seek", fd, 6, 0, script.buffer(8))
    script.read(fd, 5)
    script.write(fd, b"HELL", offset=0)
    script.wasi("fd_sync", fd)
    script.wasi("fd_close", fd)
    script.wasi("fd_close", fd)
    script.open(b"file", CREAT | EXCL)
    assert node.play(script) == [0, 0, 0, 0, b"world", 0, 0, 0, BADF, EXIST]
    assert (node.data / "file").read_text() == "HELLo world"


def test_appending_adds_to_the_end_wherever_the_position_is(node: Node):
    (node.data / "file").write_text("ab")
    script = Files()
    fd = script.open(b"file", flags=APPEND)
    script.write(fd, b"cd")
    script.wasi("fd_fdstat_set_flags", fd, 0)
    script.wasi("fd_seek", fd, 0, 0, script.buffer(8))
    script.write(fd, b"X")
    node.play(script)
    assert (node.data / "file").read_text() == "Xbcd"


def test_a_file_opened_for_reading_cannot_be_written(node: Node):
    (node.data / "file").write_text("ab")
    script = Files()
    fd = script.open(b"file", rights=READ)
    script.write(fd, b"cd")
    script.open(b"file", TRUNC, READ)
    assert node.play(script) == [0, BADF, INVAL]
    assert (node.data / "file").read_text() == "ab"


def test_directories_are_made_listed_renamed_and_removed(node: Node):
    script = Files()
    script.wasi("path_create_directory", 3, *script.data(b"one"))
    script.open(b"one/file", CREAT)
    script.wasi("path_remove_directory", 3, *script.data(b"one"))
    script.wasi("path_unlink_file", 3, *script.data(b"one"))
    script.wasi("path_rename", 3, *script.data(b"one"), 3, *script.data(b"two/"))
    script.wasi("path_unlink_file", 3, *script.data(b"two/./../two/file"))
    script.wasi("path_remove_directory", 3, *script.data(b"two"))
    assert node.play(script) == [0, 0, NOTEMPTY, ISDIR, 0, 0, 0]
    assert not list(node.data.iterdir())


def test_a_listing_read_in_pieces_is_complete(node: Node):
    source = r"""
        #include <dirent.h>
        #include <stdio.h>
        int main(void) {
            DIR *directory = opendir("/data");
            int count = 0;
            for (struct dirent *entry; (entry = readdir(directory));) count++;
            rewinddir(directory);
            for (struct dirent *entry; (entry = readdir(directory));) count++;
            printf("%d\n", count);
            return 0;
        }"""
    for number in range(300):
        (node.data / f"a-file-with-a-rather-long-name-{number}").touch()
    node.run(c(source))
    assert node.services.lines == [(6, "604")]


def test_sizes_and_times_are_told(node: Node):
    (node.data / "file").write_bytes(bytes(123))
    script = Files()
    status = script.buffer(64)
    name = script.data(b"file")
    script.wasi("path_filestat_set_times", 3, 0, *name, 5_000, 7_000, 1 | 4)
    script.wasi("path_filestat_get", 3, 1, *name, status)
    script.show(status, 64)
    script.wasi("fd_filestat_get", 3, status)
    script.show(status, 24)
    script.wasi("path_filestat_set_times", 3, 0, *name, 0, 0, 1 | 2)
    values = node.play(script)
    device, _, kind, links, size, accessed, modified, _ = struct.unpack("<QQB7xQQQQQ", values[2])
    assert (device, kind, links, size, accessed, modified) == (0, 4, 1, 123, 5_000, 7_000)
    assert values[4][16] == 3
    assert values[5] == INVAL


def test_descriptors_can_be_moved_but_not_the_given_ones(node: Node):
    script = Files()
    first, second = script.open(b"a", CREAT), script.open(b"b", CREAT)
    script.wasi("fd_renumber", first, second)
    script.write(second, b"into a")
    script.wasi("fd_renumber", 3, second)
    script.wasi("fd_renumber", second, 77)
    script.wasi("fd_tell", first, script.buffer(8))
    assert node.play(script) == [0, 0, 0, 0, NOTSUP, BADF, BADF]
    assert (node.data / "a").read_text() == "into a"


def test_the_preopen_is_called_data(node: Node):
    script = Files()
    buffer = script.buffer(16)
    script.wasi("fd_prestat_get", 3, buffer)
    script.show(buffer, 8)
    script.wasi("fd_prestat_dir_name", 3, buffer, 5)
    script.show(buffer, 5)
    script.wasi("fd_prestat_get", 4, buffer)
    assert node.play(script) == [0, struct.pack("<II", 0, 5), 0, b"/data", BADF]


# --- bounds ------------------------------------------------------------------------------------


def test_no_more_descriptors_than_files_allows(node: Node):
    node.limits["files"] = 2
    script = Files()
    first = script.open(b"a", CREAT)
    script.open(b"b", CREAT)
    script.open(b"c", CREAT)
    script.wasi("fd_close", first)
    script.open(b"c", CREAT)
    assert node.play(script) == [0, 0, MFILE, 0, 0]


def test_storage_ends_exactly_at_its_limit_however_it_grows(node: Node):
    node.limits["storage"] = 100
    script = Files()
    fd = script.open(b"file", CREAT)
    script.write(fd, bytes(101))
    script.write(fd, bytes(60))
    script.write(fd, bytes(41))
    script.write(fd, b"x", offset=100)
    script.wasi("fd_filestat_set_size", fd, 101)
    script.wasi("fd_allocate", fd, 50, 51)
    script.wasi("fd_seek", fd, 1 << 40, 0, script.buffer(8))
    script.write(fd, b"x")
    script.wasi("fd_filestat_set_size", fd, 100)
    other = script.open(b"other", CREAT)
    script.write(other, b"x")
    script.wasi("fd_filestat_set_size", fd, 99)
    script.write(other, b"x")
    assert node.play(script) == [
        *(0, NOSPC, 0, NOSPC, NOSPC, NOSPC, NOSPC, 0, NOSPC, 0),
        *(0, NOSPC, 0, 0),
    ]
    assert sum(file.stat().st_size for file in node.data.iterdir()) == 100


def test_a_deleted_file_counts_while_it_is_open(node: Node):
    node.limits["storage"] = 100
    script = Files()
    fd = script.open(b"file", CREAT)
    script.write(fd, bytes(100))
    script.wasi("path_unlink_file", 3, *script.data(b"file"))
    other = script.open(b"other", CREAT)
    script.write(other, b"x")
    script.wasi("fd_close", fd)
    script.write(other, bytes(100))
    assert node.play(script) == [0, 0, 0, 0, NOSPC, 0, 0]


def test_a_file_replaced_by_a_rename_no_longer_counts(node: Node):
    node.limits["storage"] = 100
    (node.data / "old").write_bytes(bytes(60))
    (node.data / "new").write_bytes(bytes(40))
    script = Files()
    script.wasi("path_rename", 3, *script.data(b"new"), 3, *script.data(b"old"))
    fd = script.open(b"more", CREAT)
    script.write(fd, bytes(61))
    script.write(fd, bytes(60))
    assert node.play(script) == [0, 0, NOSPC, 0]


def test_keys_leave_that_much_less_room_for_files(node: Node):
    node.limits["storage"] = 10
    node.services.kv["key"] = b"value"
    script = Files()
    fd = script.open(b"file", CREAT)
    script.write(fd, bytes(3))
    script.write(fd, bytes(2))
    assert node.play(script) == [0, NOSPC, 0]


def test_the_number_of_names_is_bounded(node: Node):
    for number in range(ENTRIES_LIMIT - 1):
        (node.data / str(number)).touch()
    script = Files()
    script.open(b"last", CREAT)
    script.open(b"one too many", CREAT)
    script.wasi("path_create_directory", 3, *script.data(b"or a directory"))
    script.wasi("path_unlink_file", 3, *script.data(b"0"))
    script.wasi("path_create_directory", 3, *script.data(b"directory"))
    assert node.play(script) == [0, NOSPC, NOSPC, 0, 0]


def test_a_write_larger_than_the_copy_the_host_makes_is_short(node: Node):
    node.limits["storage"] = 4 << 20
    source = r"""
        #include <fcntl.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            char *block = calloc(1, 3 << 20);
            int file = open("/data/file", O_CREAT | O_WRONLY, 0600);
            printf("%zd\n", write(file, block, 3 << 20));
            return 0;
        }"""
    node.run(c(source))
    assert node.services.lines == [(6, str(1 << 20))]


# --- streams, arguments, clocks ----------------------------------------------------------------


def test_output_becomes_lines_of_its_level(node: Node):
    script = Files()
    script.write(1, b"one\ntw")
    script.write(2, b"bad\r\n")
    script.write(1, b"o\n")
    script.write(0, b"nobody writes to stdin")
    script.write(1, b"x", offset=0)
    assert node.play(script) == [0, 0, 0, BADF, SPIPE]
    assert node.services.lines[:3] == [(6, "one"), (4, "bad"), (6, "two")]


def test_stdin_is_empty(node: Node):
    script = Files()
    script.read(0, 4)
    assert node.play(script) == [0, bytes(4)]


def test_the_only_argument_is_the_apps_name_and_there_is_no_environment(node: Node):
    os.environ["OF_THE_AGENT"] = "1"
    source = r"""
        #include <stdio.h>
        #include <stdlib.h>
        extern char **environ;
        int main(int count, char **arguments) {
            printf("%d %s %d\n", count, arguments[0], environ && *environ);
            return 0;
        }"""
    try:
        node.run(c(source))
    finally:
        del os.environ["OF_THE_AGENT"]
    assert node.services.lines == [(6, "1 probe-app 0")]


def test_clocks_and_randomness(node: Node):
    script = Files()
    buffer = script.buffer(64)
    script.wasi("clock_time_get", 1, 0, buffer)
    script.show(buffer, 8)
    script.wasi("clock_time_get", 9, 0, buffer)
    script.wasi("clock_res_get", 0, buffer)
    script.wasi("random_get", buffer, 32)
    script.show(buffer, 32)
    values = node.play(script)
    assert int.from_bytes(values[1], "little") > 0
    assert values[2:5] == [INVAL, 0, 0]
    assert values[5] != bytes(32)


def subscription(userdata: int, tag: int, ident: int, timeout: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", userdata, tag, ident, timeout, 0, flags)


def test_polling_returns_the_timer_that_is_over_first(node: Node):
    script = Files()
    wishes, _ = script.data(
        subscription(7, 0, 1, 3_600_000_000_000) + subscription(8, 0, 1, 1_000_000)
    )
    events, count = script.buffer(64), script.buffer(4)
    script.wasi("poll_oneoff", wishes, events, 2, count)
    script.show(count, 4)
    script.show(events, 32)
    values = node.play(script)
    assert values[:2] == [0, (1).to_bytes(4, "little")]
    assert struct.unpack_from("<QHB", values[2]) == (8, 0, 0)


def test_a_descriptor_is_ready_at_once_and_an_unknown_one_an_error(node: Node):
    script = Files()
    wishes, _ = script.data(
        subscription(7, 0, 1, 3_600_000_000_000)
        + subscription(8, 2, 1)
        + subscription(9, 1, 55)
        + subscription(10, 0, 3)
    )
    events, count = script.buffer(128), script.buffer(4)
    script.wasi("poll_oneoff", wishes, events, 4, count)
    script.show(count, 4)
    script.show(events, 96)
    script.wasi("poll_oneoff", wishes, events, 0, count)
    values = node.play(script)
    assert values[1] == (3).to_bytes(4, "little")
    ready = [struct.unpack_from("<QHB", values[2], at) for at in (0, 32, 64)]
    assert ready == [(8, 0, 2), (9, BADF, 1), (10, NOTSUP, 0)]
    assert values[3] == INVAL


def test_sockets_and_signals_are_not_there(node: Node):
    script = Files()
    script.wasi("sock_shutdown", 3, 0)
    script.wasi("proc_raise", 9)
    script.wasi("sched_yield")
    assert node.play(script) == [NOTSUP, NOTSUP, 0]


def test_a_c_program_keeps_a_file(node: Node):
    source = r"""
        #include <stdio.h>
        #include <sys/stat.h>
        int main(void) {
            mkdir("/data/log", 0700);
            FILE *file = fopen("/data/log/today", "a+");
            fprintf(file, "line %d\n", 1);
            fflush(file);
            rewind(file);
            char line[20] = "";
            fgets(line, sizeof line, file);
            fclose(file);
            printf("%s", line);
            return rename("/data/log/today", "/data/today") || remove("/data/log");
        }"""
    assert node.run(c(source)).code == 0
    assert node.services.lines == [(6, "line 1")]
    assert Path(node.data / "today").read_text() == "line 1\n"
