"""The parts of an image, each by itself."""

import gzip
import importlib.machinery
import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from boards.board import Role, find_board
from boards.image import disk
from boards.image.bytecode import compile_tree
from boards.image.cpio import initramfs
from boards.image.elf import read_elf
from boards.image.errors import ForeignError, PackageError, SpaceError
from boards.image.kernel import choose_modules
from boards.image.rootfs import LIBRARIES, check_architecture
from boards.image.wheels import NATIVE, PURE, _checked, pinned

ROOT = Path(__file__).parents[3]


def module(depends: str) -> bytes:
    return b"\x7fELF junk\0depends=" + depends.encode() + b"\0name=x\0"


def kernel_tree(tmp_path: Path) -> Path:
    for name, depends in {"squashfs": "", "usb-net": "mii,core_bus", "mii": ""}.items():
        file = tmp_path / "kernel/drivers" / f"{name}.ko"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(module(depends))
    (tmp_path / "modules.builtin").write_text("kernel/core-bus.ko\n")
    return tmp_path


def test_a_module_comes_after_what_it_depends_on_and_never_twice(tmp_path):
    chosen = choose_modules(kernel_tree(tmp_path), ["squashfs", "usb_net", "mii", "core_bus"])
    assert chosen.order == ("squashfs", "mii", "usb_net")


def test_an_unknown_module_is_named(tmp_path):
    with pytest.raises(PackageError, match="no module nvme"):
        choose_modules(kernel_tree(tmp_path), ["nvme"])


def test_an_initramfs_is_the_same_twice_and_holds_its_modules_in_order():
    made = [initramfs(b"I", b"B", {"b": b"1", "a": b"2"}, ("b", "a")) for _ in range(2)]
    assert made[0] == made[1]
    content = gzip.decompress(made[0])
    assert content.startswith(b"070701")
    assert b"b.ko\na.ko\n" in content
    assert b"TRAILER!!!" in content


def test_an_elf_file_tells_what_it_needs():
    found = read_elf(Path(sys.executable).resolve())
    assert found is not None
    assert "libc.so.6" in found.needed


def test_a_text_is_no_elf_file(tmp_path):
    (tmp_path / "text").write_text("hello")
    assert read_elf(tmp_path / "text") is None


def elf_header(machine: int) -> bytes:
    return b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", machine) + bytes(200)


def tree_with(tmp_path: Path, name: str, data: bytes) -> Path:
    (tmp_path / LIBRARIES).mkdir(parents=True)
    (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_program_of_another_machine_is_refused_by_name(tmp_path):
    with pytest.raises(ForeignError, match=r"wrong\.so: for ELF machine 62"):
        check_architecture(tree_with(tmp_path, "wrong.so", elf_header(62)))


def test_a_library_that_is_no_elf_file_is_refused(tmp_path):
    with pytest.raises(ForeignError, match=r"it\.dll"):
        check_architecture(tree_with(tmp_path, "it.dll", b"MZ"))


def test_a_program_of_the_boards_machine_passes(tmp_path):
    check_architecture(tree_with(tmp_path, "right.so", elf_header(183)))


def test_bytecode_runs_without_its_source_and_names_the_boards_path(tmp_path):
    (tmp_path / "thing.py").write_text('"""Doc."""\nassert False\nanswer = 42\n')
    compile_tree(tmp_path, "/on/board")
    assert not (tmp_path / "thing.py").exists()
    spec = importlib.util.spec_from_file_location("thing", tmp_path / "thing.pyc")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert (made.answer, made.__doc__) == (42, None)
    assert b"/on/board/thing.py" in (tmp_path / "thing.pyc").read_bytes()


def test_bytecode_knows_lines_but_keeps_no_columns(tmp_path):
    (tmp_path / "thing.py").write_text("def fail():\n    x = 1\n    return x + 'a'\n")
    compile_tree(tmp_path, "/on/board")
    loader = importlib.machinery.SourcelessFileLoader("thing", str(tmp_path / "thing.pyc"))
    code = loader.get_code("thing").co_consts[0]
    assert {line for _, _, line in code.co_lines()} == {1, 2, 3}
    assert {place[2:] for place in code.co_positions()} == {(None, None)}


def test_every_wheel_that_a_board_needs_is_pinned_with_hashes():
    found = pinned((ROOT / "requirements.lock").read_text())
    assert found.keys() == {*NATIVE, *PURE}
    assert all("--hash=sha256:" in text for text in found.values())


def test_a_wheel_for_any_machine_does_not_pass_for_one_with_machine_code():
    with pytest.raises(PackageError, match="not for aarch64"):
        _checked("wasmtime", Path("wasmtime-50.0.1-py3-none-any.whl"))


def test_the_partition_table_is_what_the_board_file_says():
    board = find_board("virt")
    table = disk.partition_table(board.layout, b"abcd")
    assert (len(table), table[510:]) == (512, b"\x55\xaa")
    entries = [struct.unpack_from("<B3sB3sII", table, 446 + 16 * n) for n in range(4)]
    assert [(e[4] * 512, e[5] * 512) for e in entries] == [
        (place.start, place.length) for place in board.layout.places()
    ]
    assert [e[2] for e in entries] == [0x0C, 0x83, 0x83, 0x83]


def test_a_part_that_is_too_large_leaves_no_image_behind(tmp_path):
    board = find_board("virt")
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(board.layout.size)
    with pytest.raises(SpaceError, match="slot-a"):
        disk.assemble(board.layout, {Role.SLOT_A: big}, tmp_path / "out.img", b"abcd")
    assert list(tmp_path.iterdir()) == [big]


@pytest.mark.parametrize(
    "name",
    [
        "init",
        "slots",
        "rcS",
        "network",
        "lease",
        "ssh",
        "trial",
        "modprobe",
        "agent",
        "skerry",
        "profile",
    ],
)
def test_scripts_of_the_board_parse(name):
    script = ROOT / "boards/image/files" / name
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
