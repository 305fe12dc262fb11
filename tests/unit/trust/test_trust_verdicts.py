"""Which artifact may run, reason by reason."""

from typing import Any

import pytest

from edge.trust.errors import MalformedError, Reason, Refused
from edge.trust.judge import judge
from edge.trust.manifest import (
    MANIFEST_TYPE,
    Kind,
    capabilities,
    check_floor,
    decode_manifest,
    encode_manifest,
    release_number,
    release_text,
)
from edge.trust.signed import Signed, read
from edge.trust.signing import with_signatures
from tests.support.specs import manifest
from tests.support.trust import NOW, asked, key, root, signature, signed_root, statement


def refused(data: bytes, made: Any = None, now: int = NOW, **changes: Any) -> Reason:
    with pytest.raises(Refused) as caught:
        judge(made or root(), data, asked(**changes), now)
    assert len(caught.value.message) > 30
    return caught.value.reason


def test_an_artifact_that_is_what_was_signed_may_run():
    assert judge(root(), signature(statement()), asked(), NOW) == statement()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:" + "b" * 64},
        {"size": 101},
        {"name": "thermostat"},
        {"version": release_number("1.0.1")},
        {"version": release_number("0.9.9")},
    ],
)
def test_an_artifact_that_differs_from_what_was_signed_may_not(change: dict[str, Any]):
    assert refused(signature(statement()), **change) is Reason.MISMATCH


def test_a_firmware_signed_by_an_app_key_is_refused():
    made = root(firmware=(["firmware-1"], 1))
    data = signature(statement(kind=Kind.FIRMWARE))
    assert refused(data, made, kind=Kind.FIRMWARE) is Reason.SIGNER_UNKNOWN
    good = signature(statement(kind=Kind.FIRMWARE), "firmware-1")
    assert judge(made, good, asked(kind=Kind.FIRMWARE), NOW)


def test_a_kind_without_a_role_has_nobody_to_sign_it():
    data = signature(statement(kind=Kind.IMAGE))
    assert refused(data, kind=Kind.IMAGE) is Reason.SIGNER_UNKNOWN


def test_a_stranger_is_named_as_such():
    assert refused(signature(statement(), "stranger")) is Reason.SIGNER_UNKNOWN


def test_a_threshold_needs_that_many_people():
    made = root(app=(["app-1", "app-2", "app-3"], 2))
    assert refused(signature(statement(), "app-1"), made) is Reason.TOO_FEW_SIGNATURES
    assert refused(signature(statement(), "app-1", "stranger"), made) is Reason.TOO_FEW_SIGNATURES
    assert judge(made, signature(statement(), "app-1", "app-3"), asked(), NOW)


def test_signatures_of_different_statements_do_not_add_up():
    made = root(app=(["app-1", "app-2"], 2))
    one = read(signature(statement(), "app-1"), MANIFEST_TYPE)
    other = read(signature(statement(size=101), "app-2"), MANIFEST_TYPE)
    mixed = Signed(one.payload, one.envelopes + other.envelopes).to_bytes()
    assert refused(mixed, made) is Reason.SIGNATURE_INVALID


def test_a_changed_statement_under_an_old_signature_is_refused():
    good, other = encode_manifest(statement()), encode_manifest(statement(size=101))
    data = signature(statement()).replace(good, other)
    assert data != signature(statement())
    assert refused(data, size=101) is Reason.SIGNATURE_INVALID


def test_a_signed_root_is_no_manifest():
    assert refused(signed_root(root(), "app-1")) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 40, b"\x81\x41\xd2"])
def test_bytes_that_are_no_signature_are_refused(data: bytes):
    assert refused(data) is Reason.SIGNATURE_INVALID


def test_capabilities_cover_what_is_asked():
    data = signature(statement(capabilities=["gpio-in:button", "i2c:probe"]))
    assert judge(root(), data, asked(capabilities=("i2c:probe",)), NOW)
    for more in ("gpio-out:button", "i2c:other", "serial:probe"):
        assert refused(data, capabilities=("i2c:probe", more)) is Reason.CAPABILITY


def test_an_output_is_another_capability_than_an_input():
    grants = {"probe": {"kind": "i2c"}, "heater": {"kind": "gpio", "direction": "out"}}
    assert capabilities(manifest(grants=grants)) == ["gpio-out:heater", "i2c:probe"]


def test_expiry_is_judged_by_the_time_that_is_given():
    data = signature(statement(expires=NOW))
    assert judge(root(), data, asked(), NOW - 1)
    assert refused(data) is Reason.EXPIRED
    assert refused(signature(statement()), root(expires=NOW)) is Reason.ROOT_EXPIRED


FLOOR = release_number("2.0.0")


def test_an_older_version_needs_a_signed_permission():
    check_floor("x", FLOOR, None, FLOOR)
    check_floor("x", FLOOR + 1, None, FLOOR)
    for permission in (None, FLOOR - 1):
        with pytest.raises(Refused, match=r"1\.9\.9 of x is older than 2\.0\.0") as caught:
            check_floor("x", release_number("1.9.9"), permission, FLOOR)
        assert caught.value.reason is Reason.ROLLBACK
    check_floor("x", release_number("1.9.9"), FLOOR, FLOOR)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("0.0.1", "0.1.0"), ("1.9.9", "1.10.0"), ("1.999999.999999", "2.0.0"), ("0.9.0", "10.0.0")],
)
def test_release_numbers_sort_as_versions_do(older: str, newer: str):
    assert release_number(older) < release_number(newer)
    assert release_text(release_number(newer)) == newer


def test_what_follows_the_three_numbers_does_not_count():
    assert release_number("1.2.3-rc.1+build") == release_number("1.2.3")


@pytest.mark.parametrize("text", ["", "1.2", "1.2.3.4", "1000000.0.0", "a.b.c", "1.2.3\n"])
def test_what_is_no_version_is_refused(text: str):
    with pytest.raises(MalformedError, match="version"):
        release_number(text)


def test_a_statement_reads_back_and_no_other_spelling_of_it_does():
    data = encode_manifest(statement())
    assert decode_manifest(data) == statement()
    with pytest.raises(MalformedError):
        decode_manifest(data + b"\0")
    with pytest.raises(MalformedError, match="unknown field"):
        decode_manifest(b"\xa9\x61\x61\x00" + data[1:])


def test_the_payload_of_two_signers_is_one():
    signed = Signed(encode_manifest(statement()), ())
    both = with_signatures(with_signatures(signed, [key("a")], "t"), [key("b")], "t")
    assert read(both.to_bytes(), "t").payload == signed.payload
