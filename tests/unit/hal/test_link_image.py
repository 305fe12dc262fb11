"""Images of microcontrollers: what the builder makes is read; everything else is refused by name."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards import mcuboot
from hal.link.image import (
    BOARD,
    HEADER_BYTES,
    PROTECTED_MAGIC,
    SHA256,
    SIZE_LIMIT,
    TLV_MAGIC,
    ImageError,
    Version,
    parse,
)


def made(program: bytes = b"program!" * 4, version: str = "0.2.0", board: str = "mps2") -> bytes:
    return mcuboot.image(program, version=version, board=board, load_address=0x10000)


def zephyr(*, header: int = 0x200, more: bytes = b"", values: dict[int, bytes] | None = None):
    """As imgtool makes it for Zephyr: a padded header, no board, a key's hash, a signature."""
    program = b"\x00\x01" * 40
    head = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, header, 0, len(program), 0, 1, 2, 3, 4, 0)
    covered = head.ljust(header, b"\0") + program
    if values is None:
        values = {SHA256: hashlib.sha256(covered).digest(), 0x01: b"k" * 32, 0x22: b"s" * 71}
    return covered + area(TLV_MAGIC, values) + more


def area(magic: int, values: dict[int, bytes]) -> bytes:
    body = b"".join(struct.pack("<HH", kind, len(one)) + one for kind, one in values.items())
    return struct.pack("<HH", magic, len(body) + 4) + body


@given(
    program=st.binary(min_size=1, max_size=300),
    version=st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535)),
    board=st.text(st.characters(codec="ascii"), min_size=1, max_size=24),
)
def test_what_the_builder_makes_is_read(program, version, board):
    data = made(program, ".".join(map(str, version)), board)
    image = parse(data)
    assert image.program == program
    assert image.version == Version(*version)
    assert image.board == board
    assert image.load_address == 0x10000
    assert image.digest in data
    assert image.sha256 == hashlib.sha256(data).digest()


@given(at=st.integers(0), change=st.integers(1, 255))
def test_any_byte_that_changed_is_noticed(at, change):
    data = bytearray(made())
    data[at % len(data)] ^= change
    with pytest.raises(ImageError):
        parse(bytes(data))


@given(end=st.integers(0))
def test_any_image_that_is_cut_off_is_refused(end):
    data = made()
    with pytest.raises(ImageError):
        parse(data[: end % len(data)])


@given(data=st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(data):
    for given_data in (data, made()[:HEADER_BYTES] + data):
        with pytest.raises(ImageError):
            parse(given_data)


def test_an_image_of_zephyr_is_read_and_says_no_board():
    image = parse(zephyr())
    assert (image.board, str(image.version), len(image.program)) == (None, "1.2.3+4", 80)


def test_what_is_wrong_is_named():
    elf = b"\x7fELF" + bytes(60)
    for data, words in (
        (elf, "no MCUboot header"),
        (b"", "0 bytes are no header"),
        (bytes(SIZE_LIMIT + 1), "more than"),
        (zephyr(header=16), "hdr_size"),
        (zephyr(more=b"x"), "1 bytes after its end"),
        (zephyr(values={1: b"x"}), "no SHA-256"),
        (zephyr(values={SHA256: bytes(32)}), "damaged"),
        (zephyr(values=dict.fromkeys(range(65), b"")), "more than 64"),
        (made(board="b" * 25), "board: 25 bytes"),
        (made(board=""), "board: 0 bytes"),
    ):
        with pytest.raises(ImageError, match=words):
            parse(data)
    data = made()
    for wrong, words in (
        (b"\x04", "encrypted"),
        (b"\x08", "encrypted"),
    ):
        with pytest.raises(ImageError, match=words):
            parse(data[:16] + wrong + data[17:])
    assert struct.pack("<H", PROTECTED_MAGIC) in data
    assert struct.pack("<H", BOARD) in data


def test_versions_are_compared_by_number_and_read_strictly():
    ordered = ["0.1.0", "0.1.9", "0.1.10", "0.2.0", "0.2.0+1", "1.0.0", "255.255.65535"]
    assert sorted(ordered, key=Version.parse) == ordered
    assert [str(Version.parse(text)) for text in ordered] == ordered
    for wrong in (
        "1.2",
        "v1.2.3",
        "1.2.3-rc1",
        "256.0.0",
        "0.0.65536",
        "1.2.3 ",
        "\u0661.2.3",
        "",
    ):
        with pytest.raises(ImageError, match="version"):
            Version.parse(wrong)
