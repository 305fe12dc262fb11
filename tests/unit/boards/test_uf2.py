"""UF2 files: packed, and what is wrong with one named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.errors import ImageError
from boards.uf2 import BLOCK, FAMILIES, PAYLOAD, RP2040_FLASH, examined, pack

RP2040 = FAMILIES["rp2040"]


@given(st.binary(min_size=1, max_size=2000), st.integers(0, 1 << 31))
def test_what_is_packed_is_found_at_its_addresses(image: bytes, start: int) -> None:
    data = pack({start: image}, RP2040)
    found = examined(data)
    assert (found.family_name, found.start) == ("rp2040", start)
    assert found.size == found.blocks * PAYLOAD
    body = b"".join(data[at + 32 : at + 32 + PAYLOAD] for at in range(0, len(data), BLOCK))
    assert body == image.ljust(found.size, b"\0")


def test_parts_that_lie_apart_are_put_where_each_belongs() -> None:
    data = pack({RP2040_FLASH: b"a" * 300, RP2040_FLASH + 8192: b"b"}, RP2040)
    addresses = [
        int.from_bytes(data[at + 12 : at + 16], "little") for at in range(0, len(data), BLOCK)
    ]
    assert addresses == [RP2040_FLASH, RP2040_FLASH + PAYLOAD, RP2040_FLASH + 8192]
    assert data[2 * BLOCK + 32 : 2 * BLOCK + 34] == b"b\0"
    assert examined(data).blocks == 3


def test_a_block_is_as_the_format_says() -> None:
    block = pack({RP2040_FLASH: b"\x5a"}, RP2040)
    assert block[:8] == b"UF2\n\x57\x51\x5d\x9e"
    assert block[8:32].hex(" ", 4) == "00200000 00000010 00010000 00000000 01000000 56ff8be4"
    assert block[508:] == b"\x30\x6f\xb1\x0a"


GOOD = pack({RP2040_FLASH: bytes(1000)}, RP2040)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not whole blocks"),
        (GOOD[:-1], "not whole blocks"),
        (GOOD[:-BLOCK], "cut off"),
        (GOOD + GOOD, "several in one"),
        (GOOD[BLOCK:], "damaged"),
        (bytes(BLOCK), "block 0 lacks its marks"),
        (GOOD[: BLOCK * 2 - 1] + b"\0" + GOOD[BLOCK * 2 :], "block 1 lacks its marks"),
        (GOOD[:8] + bytes(4) + GOOD[12:], "block 0: says not for which family"),
        (GOOD[:28] + b"\x59" + GOOD[29:], "several families"),
    ],
)
def test_what_is_no_whole_firmware_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        examined(data)


def test_a_family_that_is_unknown_is_told_by_its_number() -> None:
    assert examined(pack({0: b"x"}, 0x1234)).family_name == "0x00001234"
