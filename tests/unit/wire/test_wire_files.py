"""The blob that carries an app's files: one spelling, bounded, and no name that leads elsewhere."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import limits
from edge.wire.errors import DecodeError
from edge.wire.files import pack_files, unpack_files
from wasm_apps.tool.python import pack as pack_at_the_desk

part = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)
contents = st.dictionaries(part, st.binary(max_size=300), min_size=1, max_size=40)


@given(contents)
def test_what_is_packed_is_unpacked_and_the_desk_packs_the_same_bytes(files: dict[str, bytes]):
    packed = pack_files(files)
    assert unpack_files(packed) == files
    assert packed == cbor2.dumps(files, canonical=True) == pack_at_the_desk(files)


def test_equal_files_are_equal_bytes_in_whatever_order_they_come():
    one = pack_files({"main.py": b"1", "a/b.py": b"2"})
    assert one == pack_files({"a/b.py": b"2", "main.py": b"1"})


@given(contents, st.data())
def test_a_blob_with_a_changed_byte_is_refused_or_holds_other_files(files, data):
    packed = bytearray(pack_files(files))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack_files(bytes(packed))
    except DecodeError:
        return
    assert found != files
    assert pack_files(found) == bytes(packed)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x.py",
        "a/../x.py",
        "/etc/passwd",
        "a//b",
        "a/",
        ".hidden",
        "a/.hidden",
        "a\\b",
        "a b",
        "x\n",
        "ä.py",
        "x" * (limits.FILE_NAME_LIMIT + 1),
        "/".join("d" * (limits.FILE_DEPTH_LIMIT + 1)),
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str):
    for spelled in (
        lambda: pack_files({name: b""}),
        lambda: unpack_files(cbor2.dumps({name: b""})),
    ):
        with pytest.raises(DecodeError, match="name"):
            spelled()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends in the middle"),
        (cbor2.dumps({}), "0 of them"),
        (cbor2.dumps([]), "something else"),
        (cbor2.dumps({"a": "text"}), "something else"),
        (cbor2.dumps({1: b""}), "something else"),
        (cbor2.dumps({"a": b""}) + b"\0", "bytes follow"),
        (b"\xbf\x61a\x40\xff", "something else"),
        (b"\xb8\x01\x61a\x40", "longer than need be"),
        (b"\xa1\x61a\x58\x01x", "longer than need be"),
        (b"\xa2\x61a\x40\x61a\x40", "not in order, or there twice"),
        (b"\xa2\x61b\x40\x61a\x40", "not in order"),
        (b"\xa1\x61a\x5b" + b"\xff" * 8, "ends in the middle"),
        (cbor2.dumps({"a": b"", "a/b": b""}, canonical=True), "a file and a folder"),
        (
            cbor2.dumps({f"f{at}": b"" for at in range(limits.FILES_COUNT_LIMIT + 1)}),
            f"1 to {limits.FILES_COUNT_LIMIT}",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_blob_of_files_says_why(data: bytes, words: str):
    with pytest.raises(DecodeError, match=words):
        unpack_files(data)


def test_a_blob_has_a_bound_at_either_end():
    with pytest.raises(DecodeError, match=f"at most {limits.FILES_LIMIT}"):
        pack_files({"big": bytes(limits.FILES_LIMIT)})
    with pytest.raises(DecodeError, match=f"at most {limits.FILES_LIMIT}"):
        unpack_files(bytes(limits.FILES_LIMIT + 1))


def test_no_files_are_no_blob():
    with pytest.raises(DecodeError, match="0 of them"):
        pack_files({})
