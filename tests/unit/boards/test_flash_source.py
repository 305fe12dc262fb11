"""Images as they come: sparse, packed, cut short, over the network."""

import gzip
import hashlib
import lzma

import pytest
from backports import zstd

from boards.errors import ImageError
from boards.flash.source import open_source
from tests.support.card_image import block_map, card_image

PACKERS = {"xz": lzma.compress, "gz": gzip.compress, "zst": zstd.compress, "plain": bytes}


@pytest.fixture
def image(tmp_path):
    return card_image(tmp_path / "card.img")


def whole(source, size: int = 8 << 20) -> bytes:
    """What would be on a card that held 0xEE everywhere."""
    card = bytearray(b"\xee" * size)
    for piece in source.pieces():
        card[piece.start : piece.end] = piece.data or bytes(piece.length)
    source.close()
    return bytes(card)


def test_a_sparse_image_comes_whole_and_its_holes_unread(image):
    source = open_source(str(image))
    pieces = list(source.pieces())
    assert sum(piece.length for piece in pieces if piece.data) < 3 << 20
    source.close()
    assert whole(open_source(str(image))) == image.read_bytes()


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_image_is_known_by_its_bytes_not_its_name(image, packer, tmp_path):
    packed = tmp_path / "download"
    packed.write_bytes(PACKERS[packer](image.read_bytes()))
    source = open_source(str(packed))
    assert whole(source) == image.read_bytes()
    assert source.passed == source.total


@pytest.mark.parametrize("packer", ["xz", "gz", "zst"])
@pytest.mark.parametrize("keep", [10, -9])
def test_a_packed_image_that_is_cut_short_is_noticed(image, packer, keep, tmp_path):
    packed = tmp_path / "download"
    packed.write_bytes(PACKERS[packer](image.read_bytes())[:keep])
    with pytest.raises(ImageError, match="damaged or cut short"):
        whole(open_source(str(packed)))


@pytest.mark.parametrize("packer", ["xz", "gz", "zst"])
def test_a_packed_image_with_a_wrong_byte_is_noticed(image, packer, tmp_path):
    data = bytearray(PACKERS[packer](image.read_bytes()))
    data[len(data) // 2] ^= 0x40
    packed = tmp_path / "download"
    packed.write_bytes(data)
    digest = hashlib.sha256(PACKERS[packer](image.read_bytes())).hexdigest()
    with pytest.raises(ImageError, match="get it again"):
        open_source(str(packed), sha256=digest)
    if packer != "zst":  # a zstd frame need not carry a checksum
        with pytest.raises(ImageError, match="damaged or cut short"):
            whole(open_source(str(packed)))


def test_an_image_of_no_whole_sectors_is_refused(tmp_path):
    for name, data in (
        ("odd.img", b"x" * 1000),
        ("empty.img", b""),
        ("odd.xz", lzma.compress(b"x")),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError, match=r"no multiple of 512|is empty"):
            whole(open_source(str(tmp_path / name)))


def test_a_path_that_is_no_image_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "gone.img"):
        with pytest.raises(ImageError, match=r"Is a directory|No such file"):
            open_source(str(path))
    with pytest.raises(ImageError, match="64 hex digits"):
        open_source(str(tmp_path), sha256="sha256:xy")


@pytest.mark.parametrize("packed", [False, True])
def test_with_a_block_map_only_what_it_lists_is_written(image, packed, tmp_path):
    data = image.read_bytes()
    (tmp_path / "card.img.bmap").write_bytes(block_map(data, "0,256-300,1283-1500"))
    path = image
    if packed:
        path = tmp_path / "card.img.xz"
        path.write_bytes(lzma.compress(data))
    card = whole(open_source(str(path)))
    assert card[:4096] == data[:4096]
    assert card[256 * 4096 : 301 * 4096] == data[256 * 4096 : 301 * 4096]
    assert card[1283 * 4096 : 1501 * 4096] == data[1283 * 4096 : 1501 * 4096]
    assert card[4096:8192] == b"\xee" * 4096
    assert whole(open_source(str(path), use_map=False)) == data


def test_a_block_map_of_another_image_is_refused(image, tmp_path):
    (tmp_path / "card.bmap").write_bytes(block_map(bytes(8192), "0"))
    with pytest.raises(ImageError, match="the map is another image's"):
        open_source(str(image))
