"""What every holder of the key of secrets does: a file, and a token of SoftHSM."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.aead import SealBrokenError
from edge.keyholder import KeyHolder, key_holder
from tests.support.softhsm import SoftHsm

VALUE, PLACE = b"a password", b"default/thing/key"
Again = Callable[[], KeyHolder]


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    made = SoftHsm(tmp_path_factory.mktemp("hsm"))
    made.make_token()
    os.environ.update(made.environment)  # the library reads it once, when it is loaded
    return made


@pytest.fixture(params=["file", "token"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Again:
    """The same holder, as another start of the process has it."""
    if request.param == "file":
        return lambda: key_holder("", tmp_path / "secrets.key")
    hsm: SoftHsm = request.getfixturevalue("hsm")
    return lambda: key_holder(hsm.address(), tmp_path / "unused")


@pytest.mark.parametrize("value", [b"", b"x", VALUE, bytes(64 << 10)])
def test_what_is_sealed_opens_again_after_a_start(again: Again, value: bytes):
    sealed = again().seal(value, PLACE)
    assert again().unseal(sealed, PLACE) == value


def test_the_same_value_is_sealed_differently_each_time_and_never_shown(again: Again):
    holder = again()
    sealed = {holder.seal(VALUE, PLACE) for _ in range(20)}
    assert len(sealed) == 20
    assert not any(VALUE in each for each in sealed)


def test_it_opens_only_in_its_own_place(again: Again):
    sealed = again().seal(VALUE, PLACE)
    with pytest.raises(SealBrokenError):
        again().unseal(sealed, b"default/other/key")


def test_what_was_changed_or_cut_does_not_open(again: Again):
    holder = again()
    sealed = holder.seal(VALUE, PLACE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealBrokenError):
            holder.unseal(changed, PLACE)
    for length in (0, 5, 27, len(sealed) - 1):
        with pytest.raises(SealBrokenError):
            holder.unseal(sealed[:length], PLACE)
    assert holder.unseal(sealed, PLACE) == VALUE


def test_what_another_holder_sealed_does_not_open(again: Again, tmp_path: Path):
    sealed = key_holder("", tmp_path / "another.key").seal(VALUE, PLACE)
    with pytest.raises(SealBrokenError):
        again().unseal(sealed, PLACE)
