"""Firmware on the wire: what fits, what does not, and peers of another age."""

import cbor2
import msgspec
import pytest

from edge.wire.codec import (
    decode_attached,
    decode_firmware_spec,
    decode_firmware_status,
    encode_app_status,
    encode_attached,
    encode_firmware_spec,
    encode_firmware_status,
)
from edge.wire.errors import DecodeError
from edge.wire.firmware import AttachedStatus, FirmwareState, FirmwareStatus, Microcontroller
from edge.wire.limits import FIRMWARE_LIMIT, MICROCONTROLLERS_LIMIT
from edge.wire.messages import AppState, AppStatus
from tests.support.specs import desired_firmware


def test_what_is_sent_arrives():
    spec = desired_firmware(microcontroller="probe", signature=b"x")
    assert decode_firmware_spec(encode_firmware_spec(spec)) == spec
    status = FirmwareStatus(state=FirmwareState.UPLOADING, progress=40, microcontroller="probe")
    assert decode_firmware_status(encode_firmware_status(status)) == status
    attached = AttachedStatus(microcontrollers=[Microcontroller(name="probe", connected=True)])
    assert decode_attached(encode_attached(attached)) == attached


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("manifest", "version", "1"),
        ("manifest", "board", "No Board"),
        ("manifest", "size", FIRMWARE_LIMIT + 1),
        ("image", "digest", "sha256:x"),
        (None, "microcontroller", "No Name"),
    ],
)
def test_a_spec_that_breaks_a_rule_is_told_which(part, field, value):
    raw = msgspec.to_builtins(desired_firmware(), builtin_types=(bytes,))
    (raw[part] if part else raw)[field] = value
    with pytest.raises(DecodeError, match=field):
        decode_firmware_spec(cbor2.dumps(raw))


def test_a_node_has_so_many_microcontrollers_and_no_more():
    some = [Microcontroller(name=f"m{n}") for n in range(MICROCONTROLLERS_LIMIT + 1)]
    data = encode_attached(AttachedStatus(microcontrollers=some))
    with pytest.raises(DecodeError, match="microcontrollers"):
        decode_attached(data)


def test_what_a_node_says_that_knows_no_firmware_can_be_read():
    said = AppStatus(state=AppState.FAILED, reason="Unsupported", message="no kind 'firmware'")
    read = decode_firmware_status(encode_app_status(said))
    assert (read.state, read.reason) == (FirmwareState.FAILED, "Unsupported")
