"""mcumgr's console: messages among text, whatever the chunks, and never a changed one."""

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.link.console import LINE_LIMIT, Reader, crc16, encode
from firmware.link.frame import FRAME_LIMIT

messages = st.binary(max_size=FRAME_LIMIT)


@given(messages)
def test_the_checksum_is_that_of_xmodem(message):
    assert crc16(message) == crc_hqx(message, 0)


@given(st.lists(messages, max_size=4), st.data())
def test_messages_come_out_as_they_went_in_whatever_the_chunks_and_the_text_between(sent, data):
    stream = b"*** Booting Zephyr ***\r\n"
    for message in sent:
        stream += b"uart:~$ " + encode(message) + b"[00:00:01] <inf> main: a line of log\r\n"
    reader, found = Reader(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert found == sent
    assert reader.dropped == 0


@given(messages)
def test_no_line_is_longer_than_zephyr_takes(message):
    lines = encode(message).split(b"\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) < LINE_LIMIT


@given(st.binary(max_size=3000), messages)
def test_after_any_noise_the_next_message_is_read(noise, message):
    reader = Reader()
    reader.feed(noise + b"\n")
    assert reader.feed(encode(message)) == [message]


@given(messages, st.data())
def test_a_message_whose_lines_were_lost_is_dropped_never_changed(message, data):
    lines = encode(message).splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    reader = Reader()
    assert reader.feed(b"".join(lines)) == []
    assert reader.feed(encode(b"next")) == [b"next"]


def test_a_message_longer_than_a_frame_is_refused():
    with pytest.raises(ValueError, match="longer"):
        encode(bytes(FRAME_LIMIT + 1))
