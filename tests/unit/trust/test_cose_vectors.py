"""COSE_Sign1 against the COSE working group's examples and another implementation."""

import json
from pathlib import Path

import pytest

from edge.trust import cose
from edge.trust.encoding import encode
from edge.trust.errors import MalformedError
from edge.trust.keys import SigningKey
from edge.trust.signing import sign, verify

CONTENT = b"This is the content."
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""RFC 8032 section 7.1, TEST 1."""
EDDSA_SIG_01 = bytes.fromhex(
    "d28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db"
    "85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db340"
    "85eef013bf08f4a44d6fef0d"
)
"""The working group's eddsa-examples/eddsa-sig-01."""
ES256 = bytes.fromhex(
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab0"
    "5aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d"
    "3b0916e5a4c345cacb36"
)
"""RFC 9052 appendix C.2.1."""
ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())


def test_the_example_of_the_working_group_verifies():
    envelope = cose.parse(EDDSA_SIG_01)
    assert envelope.payload == CONTENT
    assert envelope.kid == b"11"
    assert verify(envelope, PUBLIC)


@pytest.mark.parametrize("bit", range(0, len(EDDSA_SIG_01) * 8, 7))
def test_the_example_with_one_bit_changed_does_not(bit: int):
    damaged = bytearray(EDDSA_SIG_01)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        envelope = cose.parse(bytes(damaged))
    except MalformedError:
        return
    # The key's name is a hint outside the signature: it alone may change.
    assert not verify(envelope, PUBLIC) or envelope.kid != b"11"


@pytest.mark.parametrize(
    ("protected", "external", "expected"),
    [
        (
            "a10126",
            "",
            "846a5369676e61747572653143a101264054546869732069732074686520636f6e74656e742e",
        ),
        (
            "a10126",
            "11aa22bb33cc44dd55006699",
            "846a5369676e61747572653143a101264c11aa22bb33cc44dd55006699"
            "54546869732069732074686520636f6e74656e742e",
        ),
        (
            "a10127",
            "",
            "846a5369676e61747572653143a101274054546869732069732074686520636f6e74656e742e",
        ),
    ],
    ids=["RFC 9052 C.2.1", "sign-pass-02", "eddsa-sig-02"],
)
def test_what_is_signed_is_the_sig_structure_of_the_examples(
    protected: str, external: str, expected: str
):
    made = cose.to_be_signed(bytes.fromhex(protected), CONTENT, bytes.fromhex(external))
    assert made.hex() == expected


def test_another_algorithm_is_refused():
    with pytest.raises(MalformedError, match="only EdDSA"):
        cose.parse(ES256)


@pytest.mark.parametrize("vector", ORACLE, ids=range(len(ORACLE)))
def test_another_implementation_writes_the_same_bytes(vector: dict[str, str]):
    made = {name: bytes.fromhex(value) for name, value in vector.items()}
    key = SigningKey.from_seed(made["seed"])
    kind = "application/vnd.skerry.artifact-manifest.v1+cbor"
    assert sign(made["payload"], key, kind, made["external"]) == made["envelope"]
    assert verify(cose.parse(made["envelope"]), key.public, made["external"])
    assert not verify(cose.parse(made["envelope"]), key.public, b"other")


SIGNATURE = bytes(64)
ALG = {1: -8}


def envelope(*parts: object, tag: bytes = b"\xd2") -> bytes:
    return tag + encode(list(parts))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "tag of COSE_Sign1"),
        (envelope(encode(ALG), {}, b"", SIGNATURE, tag=b""), "tag of COSE_Sign1"),
        (envelope(encode(ALG), {}, b"", SIGNATURE, tag=b"\xd8\x62"), "tag of COSE_Sign1"),
        (envelope(encode(ALG), {}, b""), "array of four"),
        (envelope(encode(ALG), {}, None, SIGNATURE), "not detached"),
        (envelope({}, {}, b"", SIGNATURE), "byte strings"),
        (envelope(encode(ALG), {}, b"", SIGNATURE[1:]), "64 bytes"),
        (envelope(encode(ALG), [], b"", SIGNATURE), "unprotected header must be a map"),
        (envelope(b"", {1: -8}, b"", SIGNATURE), "signature.protected"),
        (envelope(b"\xa0", {1: -8}, b"", SIGNATURE), "only EdDSA"),
        (envelope(encode({1: -7}), {}, b"", SIGNATURE), "only EdDSA"),
        (envelope(encode(ALG), {1: -8}, b"", SIGNATURE), "both protected and unprotected"),
        (envelope(encode(ALG), {2: [1]}, b"", SIGNATURE), "must be protected"),
        (envelope(encode({1: -8, 2: []}), {}, b"", SIGNATURE), "at least one"),
        (envelope(encode({1: -8, 2: [1, 99], 99: 0}), {}, b"", SIGNATURE), "99 is not understood"),
        (envelope(encode({1: -8, 2: [3]}), {}, b"", SIGNATURE), "3 is not understood, or not"),
        (envelope(encode({1: -8, 2: [[]]}), {}, b"", SIGNATURE), "is not understood"),
        (envelope(encode({1: -8, 2.5: 0}), {}, b"", SIGNATURE), "label must be"),
        (envelope(encode({1: -8, b"x": 0}), {}, b"", SIGNATURE), "label must be"),
        (envelope(b"\xbf\x01\x27\xff", {}, b"", SIGNATURE), "signature.protected"),
        (envelope(b"\xa2\x01\x27\x01\x27", {}, b"", SIGNATURE), "signature.protected"),
        (envelope(b"\xa1\x01\x38\x07\x00", {}, b"", SIGNATURE), "deterministic"),
        (envelope(encode(ALG), {}, bytes(70_000), SIGNATURE), "at most 65536"),
        (envelope(encode({1: -8, 9: bytes(2000)}), {}, b"", SIGNATURE), "at most 1024"),
        (envelope(encode(ALG), {}, b"", SIGNATURE) + b"\0", "bytes follow"),
    ],
)
def test_an_envelope_that_breaks_a_rule_is_told_which(data: bytes, message: str):
    with pytest.raises(MalformedError, match=message):
        cose.parse(data)


def test_a_critical_header_that_is_understood_and_there_passes():
    protected = encode({1: -8, 2: [3], 3: "text/plain"})
    assert cose.parse(envelope(protected, {}, b"", SIGNATURE)).content_type == "text/plain"


def test_a_private_key_is_not_shown():
    key = SigningKey.from_seed(bytes(32))
    assert bytes(32).hex() not in repr(key)
    assert "secret" not in repr(key)
