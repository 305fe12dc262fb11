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
from edge.wire.firmware import (
    AttachedStatus,
    FirmwareManifest,
    FirmwareState,
    FirmwareStatus,
    Microcontroller,
)
from edge.wire.limits import FIRMWARE_LIMIT, MICROCONTROLLERS_LIMIT, PATCH_LIMIT, PATCHES_LIMIT
from edge.wire.messages import AppState, AppStatus, Module
from firmware.device import patch as device
from tests.support.specs import desired_firmware

PATCH = {"base": "sha256:" + "1" * 64, "digest": "sha256:" + "2" * 64, "size": PATCH_LIMIT}


class OldFirmware(msgspec.Struct):
    """As an agent of before reads a spec: what it does not know it passes over."""

    manifest: FirmwareManifest
    image: Module
    microcontroller: str = ""
    signature: bytes = b""


class OldStatus(msgspec.Struct):
    """As a cloud of before reads a status."""

    state: FirmwareState
    reason: str = ""
    progress: int = 0


def test_what_is_sent_arrives():
    spec = desired_firmware(microcontroller="probe", signature=b"x", patches=[PATCH] * 4)
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


def test_a_node_of_before_takes_the_image_and_passes_over_its_patches():
    spec = desired_firmware(patches=[PATCH])
    old = msgspec.convert(cbor2.loads(encode_firmware_spec(spec)), OldFirmware)
    assert (old.manifest, old.image) == (spec.manifest, spec.image)


def test_a_cloud_of_before_speaks_of_no_patches_and_understands_what_is_said_of_them():
    raw = cbor2.loads(encode_firmware_spec(desired_firmware()))
    del raw["patches"]
    assert decode_firmware_spec(cbor2.dumps(raw)) == desired_firmware()
    status = FirmwareStatus(
        state=FirmwareState.RUNNING, patched=True, unpatched="x", fetched=1, sent=2
    )
    old = msgspec.convert(cbor2.loads(encode_firmware_status(status)), OldStatus)
    assert old.state is FirmwareState.RUNNING


def test_a_status_of_a_node_of_before_counts_nothing():
    raw = cbor2.loads(encode_firmware_status(FirmwareStatus(state=FirmwareState.RUNNING)))
    for field in ("patched", "unpatched", "fetched", "sent"):
        del raw[field]
    read = decode_firmware_status(cbor2.dumps(raw))
    assert (read.patched, read.unpatched, read.fetched, read.sent) == (False, "", 0, 0)


@pytest.mark.parametrize(
    ("patches", "field"),
    [
        ([PATCH] * (PATCHES_LIMIT + 1), "patches"),
        ([PATCH | {"size": PATCH_LIMIT + 1}], r"patches\[0\]\.size"),
        ([PATCH | {"size": 0}], r"patches\[0\]\.size"),
        ([PATCH | {"base": "0.1.0"}], r"patches\[0\]\.base"),
    ],
)
def test_patches_are_bounded_and_what_breaks_a_rule_is_named(patches, field):
    raw = cbor2.loads(encode_firmware_spec(desired_firmware())) | {"patches": patches}
    with pytest.raises(DecodeError, match=field):
        decode_firmware_spec(cbor2.dumps(raw))


def test_what_travels_is_no_longer_than_what_a_microcontroller_takes():
    assert PATCH_LIMIT == device.LIMIT
