"""Board files: what ships loads, and a mistake is answered with its key."""

import json

import pytest

from boards.board import HERE, Role, agent_board_file, find_board, load_board, names, parse_board
from boards.errors import BoardFileError, UnknownBoardError
from hal.boardfile import load_board as load_agent_board
from tests.support.system import skerry, skerry_json

GOOD = (HERE / "rpi3.toml").read_text()
MIB = 1 << 20


def test_the_boards_that_ship_are_the_ones_asked_for():
    assert list(names()) == ["rpi3", "rpi4", "rpi5", "virt"]


@pytest.mark.parametrize("name", names())
def test_a_shipped_board_loads_and_says_what_is_proven(name: str):
    board = find_board(name)
    assert [place.partition.role for place in board.layout.places()] == list(Role)
    assert {proof.where for proof in board.proven} >= {"hardware"}


@pytest.mark.parametrize("name", names())
def test_the_agent_takes_the_board_file_made_for_it(name: str, tmp_path):
    path = tmp_path / "board.toml"
    path.write_text(agent_board_file(find_board(name), name))
    board = load_agent_board(path)
    assert board.name == name
    board.close()


def test_partitions_follow_one_another_and_fill_the_image():
    layout = find_board("rpi3").layout
    end = layout.start_mib * MIB
    for place in layout.places():
        assert place.start == end
        end += place.length
    assert end == layout.size == 512 * MIB


def test_a_pi_5_has_pages_of_16_kib():
    assert find_board("rpi5").page_size == 16384


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", "unknown field `titel`"),
        ('architecture = "aarch64"', 'architecture = "z80"', "architecture: Invalid enum value"),
        ("page-size = 4096", "page-size = 5000", "page-size: 5000 is no power of two"),
        ('suite = "trixie"', "", "kernel: Object missing required field `suite`"),
        ("line = 17 }", "line = -17 }", "gpio.GPIO17.line: Expected `int` >= 0"),
        ("line = 17 }", "lien = 17 }", "gpio.GPIO17: Object contains unknown field `lien`"),
        ("line = 17 }", "line = 17, x = 1 }", "gpio.GPIO17: Object contains unknown field `x`"),
        ('"/dev/i2c-1"', '"i2c-1"', "i2c.i2c-1.device: Expected `str` matching regex"),
        ("GPIO17 =", "i2c-1 =", "i2c-1: names two parts"),
        ('kind = "ext4"', 'kind = "xfs"', "layout.partitions[3].kind: Invalid enum value 'xfs'"),
        ("size-mib = 32", "size-mib = 64", "layout: 544 MiB; QEMU takes an SD card only of"),
        ("size-mib = 32", "size-mib = 33", "layout.partitions[3].size-mib: 33 is no multiple"),
        ('role = "data"', 'role = "boot"', "layout.partitions: needs boot, slot-a, slot-b, data"),
        (
            'kind = "fat"',
            'kind = "ext4"',
            "layout.partitions[0].kind: the boot partition is 'fat'",
        ),
        ("i2c = { i2c-1", "i2c = { i2c-9", "qemu.i2c.i2c-9: the board has no such bus"),
        ("[[proven]]", "[[proof]]", "unknown field `proof`"),
        ("title =", "title = = ", "not TOML"),
    ],
)
def test_a_mistake_is_answered_with_its_key(old: str, new: str, message: str):
    assert old in GOOD
    with pytest.raises(BoardFileError) as caught:
        parse_board(GOOD.replace(old, new))
    assert message in str(caught.value)


def test_slots_must_be_alike():
    first = GOOD.index("size-mib = 176")
    with pytest.raises(BoardFileError, match="slots must be alike"):
        parse_board(GOOD[:first] + "size-mib = 180" + GOOD[first + 14 :])


def test_a_file_that_is_wrong_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("title = 1")
    with pytest.raises(BoardFileError, match=r"mine\.toml: title: Expected `str`"):
        load_board(path)
    with pytest.raises(BoardFileError, match=r"gone\.toml: No such file"):
        load_board(tmp_path / "gone.toml")
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(BoardFileError, match="at most 262144 bytes"):
        load_board(path)


def test_an_unknown_board_is_answered_with_those_there_are():
    with pytest.raises(UnknownBoardError, match="no board 'rpi9'; there are rpi3, rpi4"):
        find_board("rpi9")


def test_the_command_lists_boards_and_what_is_proven():
    lines = skerry("boards").stdout.splitlines()
    assert lines[0].split() == ["NAME", "BOARD", "CPU", "PAGES", "IMAGE", "QEMU", "PROVEN"]
    assert any(line.startswith("rpi5") and "16 KiB" in line for line in lines)
    assert all("never run (hardware)" in line for line in lines[1:])


def test_machines_get_the_same_as_json(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(GOOD)
    shipped, own = json.loads(json.dumps(skerry_json("boards", "rpi3", str(mine))))
    assert shipped["name"] == "rpi3"
    assert own == shipped | {"name": "mine"}
    assert shipped["gpio"]["GPIO17"] == {"chip": "pinctrl-bcm2835", "line": 17}
