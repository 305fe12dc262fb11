"""Which root may follow which, rule by rule."""

import pytest
from msgspec import structs

from edge.trust import cose
from edge.trust.encoding import encode
from edge.trust.errors import MalformedError, RootError
from edge.trust.judge import first_root, next_root
from edge.trust.root import Role, decode_root, encode_root
from edge.trust.signed import Signed
from edge.trust.signing import with_signatures
from tests.support.trust import NOW, key, root, signature, signed_root, statement


def test_a_root_that_its_own_keys_signed_is_taken():
    assert first_root(signed_root(root())) == root()


def test_a_root_signed_by_a_stranger_is_not():
    with pytest.raises(RootError, match="0 of the 1 signatures"):
        first_root(signed_root(root(), "stranger"))


def test_the_next_root_needs_the_old_keys_and_the_new():
    old = root()
    new = root(2, root=(["root-2"], 1))
    assert next_root(old, signed_root(new, "root-1", "root-2")) == new
    with pytest.raises(RootError, match="that version 1 demands"):
        next_root(old, signed_root(new, "root-2"))
    with pytest.raises(RootError, match="that version 2 demands"):
        next_root(old, signed_root(new, "root-1"))


@pytest.mark.parametrize("version", [1, 3, 4])
def test_no_version_is_skipped_repeated_or_taken_back(version: int):
    with pytest.raises(RootError, match=f"{version} cannot follow 1"):
        next_root(root(), signed_root(root(version)))


def test_a_threshold_counts_keys_and_not_signatures():
    keys = ["root-1", "root-2", "root-3"]
    old = root(root=(keys, 2))
    new = root(2, root=(keys, 2))
    (once,) = with_signatures(Signed(encode_root(new), ()), [key("root-1")], ROOT).envelopes
    seen = cose.parse(once)
    again = cose.TAG + encode([seen.protected, {"by": "me"}, seen.payload, seen.signature])
    twice = Signed(seen.payload, (once, again))
    with pytest.raises(RootError, match="1 of the 2"):
        next_root(old, twice.to_bytes())
    assert next_root(old, signed_root(new, "root-1", "root-3")) == new


ROOT = "application/vnd.skerry.root.v1+cbor"


def test_an_app_key_cannot_sign_a_root():
    with pytest.raises(RootError, match="0 of the 1"):
        next_root(root(), signed_root(root(2), "app-1"))


def test_a_signed_manifest_is_no_root_though_its_signature_is_good():
    with pytest.raises(MalformedError, match=r"wanted application/vnd\.skerry.root"):
        next_root(root(), signature(statement(), "root-1"))


def test_an_expired_root_can_still_be_followed():
    """TUF 5.3.10: only the last one's expiry counts, or a board long switched off is lost."""
    old = root(expires=NOW - 1)
    assert next_root(old, signed_root(root(2))).version == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roles": {"app": root().roles["app"]}}, "no role root"),
        ({"keys": {"0" * 64: bytes(32), **root().keys}}, "is not the hash"),
        (
            {"roles": root().roles | {"app": Role(keys=[key("app-1").id], threshold=2)}},
            "threshold 2 with 1 keys",
        ),
        ({"roles": root().roles | {"app": Role(keys=["1" * 64])}}, "not in keys"),
        (
            {"roles": root().roles | {"app": Role(keys=[key("app-1").id] * 2, threshold=2)}},
            "names a key twice",
        ),
    ],
)
def test_a_root_that_contradicts_itself_is_refused(change: dict[str, object], message: str):
    with pytest.raises(RootError, match=message):
        encode_root(structs.replace(root(), **change))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x81\x40", b"\x81\x01", b"\xa0", b"\x9f\xff"])
def test_bytes_that_are_no_signed_document_are_refused(data: bytes):
    with pytest.raises(MalformedError):
        first_root(data)


def test_what_is_signed_reads_back():
    assert decode_root(encode_root(root())) == root()
