"""Every host function, with every pointer it takes pointing outside the guest's memory."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.guests import FUNCTIONS, MEMORY_END, Argument, Node, Script

FAULT_OF_SKERRY, FAULT_OF_WASI = -21, 21
LAST = MEMORY_END - 1
HOSTILE = (0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, MEMORY_END, LAST)
"""Past the end, wrapping around 32 bits, negative when signed, and one byte too far."""

WASI = "wasi_snapshot_preview1"
LENGTH = 64


@dataclass(frozen=True)
class Pointer:
    """An argument to replace; `good` is what it is while others are replaced."""

    good: Argument


@dataclass(frozen=True)
class Prepared:
    """What a script has ready for a call."""

    script: Script
    buffer: int
    file: Argument
    path: tuple[int, int]
    vector: int
    timer: int
    handles: dict[str, Argument]


def prepare() -> Prepared:
    script = Script()
    buffer, opened = script.buffer(512), script.buffer(8)
    path = script.data(b"file")
    vector, _ = script.data(buffer.to_bytes(4, "little") + (16).to_bytes(4, "little"))
    timer, _ = script.data(bytes(48))
    rights = 1 << 1 | 1 << 6 | 1 << 8 | 1 << 22
    script.call(f"{WASI}.path_open", 3, 0, *path, 1, rights, 0, 0, opened)
    handles: dict[str, Argument] = {
        module: script.call(f"skerry_{module}.open", *script.data(grant))
        for module, grant in (
            ("gpio", b"lamp"),
            ("i2c", b"probe"),
            ("serial", b"meter"),
            ("telemetry", b"state"),
        )
    }
    script.call("skerry_kv.set", *path, buffer, 16)
    return Prepared(script, buffer, 4, path, vector, timer, handles)


Shape = Callable[[Prepared], tuple[Argument | Pointer, ...]]


def at(p: Prepared) -> Pointer:
    return Pointer(p.buffer)


SHAPES: dict[str, Shape] = {
    f"{WASI}.args_sizes_get": lambda p: (at(p), at(p)),
    f"{WASI}.args_get": lambda p: (at(p), at(p)),
    f"{WASI}.environ_sizes_get": lambda p: (at(p), at(p)),
    f"{WASI}.random_get": lambda p: (at(p), LENGTH),
    f"{WASI}.clock_res_get": lambda p: (0, at(p)),
    f"{WASI}.clock_time_get": lambda p: (0, 0, at(p)),
    f"{WASI}.poll_oneoff": lambda p: (Pointer(p.timer), at(p), 1, at(p)),
    f"{WASI}.fd_fdstat_get": lambda p: (p.file, at(p)),
    f"{WASI}.fd_filestat_get": lambda p: (p.file, at(p)),
    f"{WASI}.fd_pread": lambda p: (p.file, Pointer(p.vector), 1, 0, at(p)),
    f"{WASI}.fd_prestat_get": lambda p: (3, at(p)),
    f"{WASI}.fd_prestat_dir_name": lambda p: (3, at(p), LENGTH),
    f"{WASI}.fd_pwrite": lambda p: (p.file, Pointer(p.vector), 1, 0, at(p)),
    f"{WASI}.fd_read": lambda p: (p.file, Pointer(p.vector), 1, at(p)),
    f"{WASI}.fd_readdir": lambda p: (3, at(p), LENGTH, 0, at(p)),
    f"{WASI}.fd_seek": lambda p: (p.file, 0, 0, at(p)),
    f"{WASI}.fd_tell": lambda p: (p.file, at(p)),
    f"{WASI}.fd_write": lambda p: (p.file, Pointer(p.vector), 1, at(p)),
    f"{WASI}.path_create_directory": lambda p: (3, Pointer(p.path[0]), 4),
    f"{WASI}.path_filestat_get": lambda p: (3, 0, Pointer(p.path[0]), 4, at(p)),
    f"{WASI}.path_filestat_set_times": lambda p: (3, 0, Pointer(p.path[0]), 4, 0, 0, 0),
    f"{WASI}.path_open": lambda p: (3, 0, Pointer(p.path[0]), 4, 0, 2, 0, 0, at(p)),
    f"{WASI}.path_readlink": lambda p: (3, Pointer(p.path[0]), 4, p.buffer, LENGTH, p.buffer),
    f"{WASI}.path_remove_directory": lambda p: (3, Pointer(p.path[0]), 4),
    f"{WASI}.path_rename": lambda p: (3, Pointer(p.path[0]), 4, 3, Pointer(p.path[0]), 4),
    f"{WASI}.path_unlink_file": lambda p: (3, Pointer(p.path[0]), 4),
    "skerry_event.wait": lambda p: (0, at(p), 32),
    "skerry_gpio.open": lambda p: (at(p), 6),
    "skerry_i2c.open": lambda p: (at(p), 5),
    "skerry_i2c.write": lambda p: (p.handles["i2c"], at(p), 2),
    "skerry_i2c.read": lambda p: (p.handles["i2c"], at(p), 2),
    "skerry_i2c.write_read": lambda p: (p.handles["i2c"], at(p), 2, at(p), 2),
    "skerry_i2c.transaction": lambda p: (p.handles["i2c"], at(p), 1),
    "skerry_serial.open": lambda p: (at(p), 5),
    "skerry_serial.read": lambda p: (p.handles["serial"], at(p), LENGTH),
    "skerry_serial.write": lambda p: (p.handles["serial"], at(p), LENGTH, 10),
    "skerry_kv.get": lambda p: (Pointer(p.path[0]), 4, at(p), LENGTH),
    "skerry_kv.set": lambda p: (Pointer(p.path[0]), 4, at(p), LENGTH),
    "skerry_kv.delete": lambda p: (Pointer(p.path[0]), 4),
    "skerry_kv.keys": lambda p: (Pointer(p.path[0]), 4, at(p), LENGTH),
    "skerry_telemetry.open": lambda p: (at(p), 5),
    "skerry_telemetry.publish": lambda p: (p.handles["telemetry"], at(p), LENGTH),
    "skerry_twin.get": lambda p: (at(p), 5, p.buffer, LENGTH),
    "skerry_twin.report": lambda p: (at(p), 5, p.buffer, LENGTH),
    "skerry_log.write": lambda p: (6, at(p), LENGTH),
    "skerry_secret.get": lambda p: (at(p), 5, p.buffer, LENGTH),
}
"""How each function is called; what is not a Pointer makes the call get as far as the pointer."""

WITHOUT_POINTERS = {
    f"{WASI}.{name}"
    for name in [
        "environ_get",
        "proc_exit",
        "proc_raise",
        "sched_yield",
        "sock_accept",
        "sock_recv",
        "sock_send",
        "sock_shutdown",
        "fd_advise",
        "fd_allocate",
        "fd_close",
        "fd_datasync",
        "fd_fdstat_set_flags",
        "fd_fdstat_set_rights",
        "fd_filestat_set_size",
        "fd_filestat_set_times",
        "fd_renumber",
        "fd_sync",
        "path_link",
        "path_symlink",
    ]
} | {
    "skerry_event.now_ns",
    "skerry_event.monotonic_ns",
    "skerry_gpio.read",
    "skerry_gpio.write",
    "skerry_gpio.close",
    "skerry_i2c.close",
    "skerry_serial.close",
    "skerry_telemetry.flush",
}
"""They take none, write nothing (an empty environment), or are absent."""


def test_the_table_covers_every_import():
    assert SHAPES.keys() | WITHOUT_POINTERS == FUNCTIONS.keys()
    assert not SHAPES.keys() & WITHOUT_POINTERS


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_pointer_outside_memory_is_a_fault_and_the_guest_goes_on(node: Node, name: str):
    prepared = prepare()
    shape = SHAPES[name](prepared)
    before = len(prepared.script._shown)
    expected: list[int] = []
    for position, argument in enumerate(shape):
        if not isinstance(argument, Pointer):
            continue
        for hostile in HOSTILE:
            arguments = [
                hostile if at == position else good.good if isinstance(good, Pointer) else good
                for at, good in enumerate(shape)
            ]
            prepared.script.call(name, *arguments)
            expected.append(FAULT_OF_WASI if name.startswith(WASI) else FAULT_OF_SKERRY)
    assert node.play(prepared.script)[before:] == expected


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"skerry_event.wait"}))
def test_huge_lengths_are_refused_and_the_guest_goes_on(node: Node, name: str):
    """Every argument that is a plain number, one after the other, as large as it can be.

    Not for `wait`, whose number is a time: it would wait that long, as it says.
    """
    prepared = prepare()
    shape = SHAPES[name](prepared)
    for position, argument in enumerate(shape):
        if isinstance(argument, Pointer):
            continue
        wide = FUNCTIONS[name].params[position] == "I"
        huge = (1 << 63) - 1 if wide else 0xFFFFFFFF
        arguments = [
            huge if at == position else good.good if isinstance(good, Pointer) else good
            for at, good in enumerate(shape)
        ]
        prepared.script.call(name, *arguments)
    node.play(prepared.script)


def test_vectors_that_point_outside_are_a_fault(node: Node):
    prepared = prepare()
    script = prepared.script
    bad, _ = script.data((0xFFFFFFF0).to_bytes(4, "little") + (64).to_bytes(4, "little"))
    before = len(script._shown)
    for name in ("fd_write", "fd_read"):
        script.call(f"{WASI}.{name}", prepared.file, bad, 1, prepared.buffer)
    script.call(f"{WASI}.fd_write", 1, bad, 1, prepared.buffer)
    script.call(f"{WASI}.fd_write", 1, bad, 1025, prepared.buffer)
    assert node.play(script)[before:] == [21, 21, 21, 28]


def test_operations_of_a_transaction_that_point_outside_are_a_fault(node: Node):
    prepared = prepare()
    script = prepared.script
    operation, _ = script.data(
        b"".join(number.to_bytes(4, "little") for number in (1, 0xFFFFFFF0, 64))
    )
    before = len(script._shown)
    script.call("skerry_i2c.transaction", prepared.handles["i2c"], operation, 1)
    assert node.play(script)[before:] == [FAULT_OF_SKERRY]


def test_a_length_of_nothing_takes_any_pointer(node: Node):
    script = Script()
    script.call("skerry_log.write", 6, 0xFFFFFFFF, 0)
    script.call("skerry_kv.set", *script.data(b"k"), 0xFFFFFFFF, 0)
    assert node.play(script) == [0, 0]
