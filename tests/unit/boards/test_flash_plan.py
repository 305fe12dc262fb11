"""What is written where: holes, block maps, pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.errors import ImageError
from boards.flash.bmap import Checker, Range, parse
from boards.flash.plan import (
    BLOCK,
    CHUNK,
    HEAD,
    Fill,
    Region,
    chunks,
    regions_of_map,
    regions_of_sparse,
)
from tests.support.card_image import block_map

SIZE = 32 << 20
extents = st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=12, unique=True).map(
    lambda cuts: list(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
)


@given(extents)
def test_a_sparse_image_is_written_whole_and_its_data_as_data(found):
    regions = regions_of_sparse(SIZE, found)
    at = 0
    for region in regions:
        assert region.start == at
        at = region.end
    assert at == SIZE
    zeros = [region for region in regions if region.fill is Fill.ZERO]
    assert not [z for z in zeros for start, end in found if start < z.end and z.start < end]


@given(extents)
def test_regions_begin_and_end_at_blocks(found):
    assert all(r.start % BLOCK == 0 and r.end % BLOCK == 0 for r in regions_of_sparse(SIZE, found))


@given(extents)
def test_a_block_map_leaves_the_rest_alone(found):
    listed = regions_of_map(SIZE, found)
    assert all(region.fill is Fill.DATA for region in listed)
    assert sum(r.length for r in listed) <= sum(e - s + 2 * BLOCK for s, e in found)


@given(st.integers(0, SIZE // 512), st.integers(1, SIZE // 512), st.sampled_from(Fill))
def test_pieces_make_up_their_region_and_none_crosses_the_head(start: int, length: int, fill):
    region = Region(start * 512, length * 512, fill)
    pieces = list(chunks(region))
    assert sum(piece.length for piece in pieces) == region.length
    assert pieces[0].start == region.start
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert all(piece.end <= HEAD or piece.start >= HEAD for piece in pieces)
    assert fill is Fill.ZERO or all(piece.length <= CHUNK for piece in pieces)


@pytest.mark.parametrize("size", [0, 511, 1 << 50])
def test_a_size_that_no_disk_has_is_refused(size: int):
    with pytest.raises(ImageError):
        regions_of_sparse(size, [])


IMAGE = bytes(range(256)) * 64


def test_a_block_map_is_read():
    found = parse(block_map(IMAGE))
    assert found.size == len(IMAGE)
    assert [(part.start, part.end) for part in found.ranges] == [(0, 4096), (8192, 16384)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "not XML"),
        (b"<bmap version='1.4'/>", "version '1.4'"),
        (b"<!DOCTYPE x []><bmap/>", "entities"),
        (block_map(IMAGE, kind="md5"), "ChecksumType"),
        (block_map(IMAGE, ""), "no Range"),
        (block_map(IMAGE, "3,1"), "out of order"),
        (block_map(IMAGE, "7"), "out of order or the image"),
        (block_map(IMAGE).replace(b" 2-3 ", b" 2-2 "), "BmapFileChecksum: the map is damaged"),
        (b" " * (5 << 20), "at most"),
    ],
)
def test_a_block_map_that_is_wrong_is_refused_by_element(data: bytes, message: str):
    with pytest.raises(ImageError, match=message):
        parse(data)


@given(st.lists(st.integers(1, 9000), min_size=1))
def test_an_image_that_is_its_maps_passes_however_it_is_cut(sizes: list[int]):
    checker = Checker(parse(block_map(IMAGE)).ranges)
    at = 0
    for size in [*sizes, len(IMAGE)]:
        checker.feed(at, IMAGE[at : at + size])
        at += len(IMAGE[at : at + size])
    checker.finish()


@given(st.integers(0, len(IMAGE) - 1))
def test_a_changed_byte_is_noticed_where_the_map_lists_it(place: int):
    image = bytearray(IMAGE)
    image[place] ^= 1
    checker = Checker(parse(block_map(IMAGE)).ranges)
    if 4096 <= place < 8192:
        checker.feed(0, bytes(image))
        return
    with pytest.raises(ImageError, match="not what the block map says"):
        checker.feed(0, bytes(image))


def test_an_image_that_ends_before_its_map_is_noticed():
    checker = Checker([Range(0, 8192, "")])
    checker.feed(0, IMAGE[:4096])
    with pytest.raises(ImageError, match="ends before byte 8192"):
        checker.finish()
