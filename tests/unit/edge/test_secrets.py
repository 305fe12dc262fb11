"""Secrets at rest and on their way: sealed in the store, opened for the app that was granted them."""

from pathlib import Path

import pytest

from edge.aead import SealBrokenError, _seal, seal, unseal
from edge.keyholder import FileKey
from edge.secrets import SecretKeeper
from edge.store import Store
from edge.wire.codec import decode_app_spec, encode_app_spec
from edge.wire.events import DesiredStep
from edge.wire.messages import DesiredItem, GrantedSecret
from tests.support.specs import desired_app

KEY = bytes(range(32))
VALUE = b"correct horse battery staple"


def test_it_is_the_cipher_it_says():
    """Test cases 13 and 14 of the GCM specification (McGrew and Viega)."""
    empty = _seal(bytes(32), bytes(12), b"", b"")
    assert empty[12:].hex() == "530f8afbc74536b9a963b4f1c4cb738b"
    block = _seal(bytes(32), bytes(12), bytes(16), b"")
    assert block[12:28].hex() == "cea7403d4d606b6e074ec5d3baf39d18"
    assert block[28:].hex() == "d0d1c8a799996bf0265b98b5d48ab919"


@pytest.mark.parametrize("plain", [b"", b"x", VALUE, bytes(100_000)])
def test_what_is_sealed_opens_with_its_key_and_context_alone(plain: bytes):
    sealed = seal(KEY, plain, b"here")
    assert unseal(KEY, sealed, b"here") == plain
    assert seal(KEY, plain, b"here") != sealed, "the same value twice cannot be told"
    with pytest.raises(SealBrokenError):
        unseal(KEY, sealed, b"there")
    with pytest.raises(SealBrokenError):
        unseal(KEY[::-1], sealed, b"here")


def test_a_changed_bit_anywhere_is_noticed():
    sealed = seal(KEY, b"abc", b"here")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBrokenError):
            unseal(KEY, bytes(changed), b"here")
    for length in range(len(sealed)):
        with pytest.raises(SealBrokenError):
            unseal(KEY, sealed[:length], b"here")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "secrets.key"
    sealed = FileKey(path).seal(VALUE, b"")
    assert path.stat().st_mode & 0o777 == 0o600
    assert FileKey(path).unseal(sealed, b"") == VALUE
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.key"]


def test_half_a_key_is_refused_and_not_replaced(tmp_path: Path):
    path = tmp_path / "secrets.key"
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="restore it"):
        FileKey(path).seal(VALUE, b"")
    assert path.read_bytes() == b"short"


def test_no_secret_is_in_the_store_and_the_app_still_gets_it(tmp_path: Path):
    keeper = SecretKeeper(FileKey(tmp_path / "secrets.key"))
    secrets = {"key": GrantedSecret(ref="weather/api@1", value=VALUE)}
    spec = encode_app_spec(desired_app(secrets=secrets))
    item = DesiredItem(kind="app", name="thermo", generation=1, spec=spec)
    with Store.open(tmp_path / "store") as store:
        store.desired.apply(keeper.seal_step(DesiredStep(7, None, (item,), ())))
        (kept,) = store.desired.items()
    held = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir())
    assert VALUE not in held
    found = decode_app_spec(kept.spec)
    assert keeper.openers("thermo", found)["key"]() == VALUE
    with pytest.raises(SealBrokenError):
        keeper.openers("another-app", found)["key"]()


def test_a_secret_is_not_in_what_is_printed_of_it():
    assert "staple" not in repr(desired_app(secrets={"k": GrantedSecret(ref="a/b", value=VALUE)}))
