"""Frames: whatever the chunks, noise and cuts, what arrives whole is what was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.link.frame import CRC_BYTES, FRAME_LIMIT, Reader, encode

contents = st.one_of(
    st.binary(max_size=600),
    st.lists(st.sampled_from([b"\0", b"\1", b"\xff" * 254, b"x" * 253, b"y" * 255])).map(b"".join),
).filter(lambda content: len(content) <= FRAME_LIMIT)


@given(st.lists(contents, max_size=6), st.data())
def test_frames_come_out_as_they_went_in_whatever_the_chunks(sent, data):
    stream = b"".join(map(encode, sent))
    reader, found = Reader(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert found == sent
    assert reader.dropped == 0


@given(contents)
def test_no_zero_is_inside_a_frame_and_stuffing_costs_a_byte_in_254(content):
    frame = encode(content)
    assert frame[0] == frame[-1] == 0
    assert 0 not in frame[1:-1]
    size = len(content) + CRC_BYTES
    assert len(frame) - 2 <= size + 1 + size // 254


@given(st.binary(max_size=3000), contents)
def test_after_any_noise_the_next_frame_is_read(noise, content):
    reader = Reader()
    reader.feed(noise)
    assert reader.feed(encode(content))[-1:] == [content]


@given(contents, st.data())
def test_a_damaged_frame_is_dropped_never_changed(content, data):
    frame = bytearray(encode(content))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    assert all(found == content for found in Reader().feed(frame))


def test_a_frame_that_is_too_long_is_dropped_and_takes_no_more_room():
    reader = Reader(limit=16)
    assert reader.feed(encode(bytes(range(17)))) == []
    assert reader.dropped == 1
    assert reader.feed(encode(bytes(range(16)))) == [bytes(range(16))]


@pytest.mark.parametrize(
    ("content", "frame"),
    [
        (b"", "00010101010100"),
        (b"123456789", "000e3132333435363738392639f4cb00"),
    ],
)
def test_a_frame_has_these_bytes(content, frame):
    assert encode(content).hex() == frame
