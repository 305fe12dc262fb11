"""A token as the holder of the key: what its settings may be, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import KeyStoreError
from edge.keyholder import key_holder
from edge.pkcs11 import parse
from tests.support.softhsm import SoftHsm
from tests.support.system import ROOT, skerry


@pytest.fixture
def hsm(tmp_path: Path) -> SoftHsm:
    made = SoftHsm(tmp_path / "hsm")
    made.make_token()
    return made


def told(hsm: SoftHsm, address: str, code: str) -> str:
    """What a process of its own prints: SoftHSM reads its settings once in each."""
    program = (
        "import sys; from pathlib import Path; from edge.keyholder import key_holder\n"
        "from edge.pkcs11 import TokenError\n"
        f"holder = key_holder(sys.argv[1], Path('unused'))\n"
        f"try:\n print({code})\nexcept TokenError as error:\n print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address],
        env=os.environ | hsm.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:/x", "write pkcs11:token="),
        ("pkcs11:?module-path=/m&pin-source=file:/p", "token: missing"),
        ("pkcs11:token=a?pin-source=file:/p", "module-path: missing"),
        ("pkcs11:token=a?module-path=/m", "pin-source: missing"),
        ("pkcs11:token=a?module-path=/m&pin-source=1234", "must be file:PATH"),
        ("pkcs11:token=a?module-path=/m&pin-source=file:/p&pin-value=1234", "pin-value"),
    ],
)
def test_a_wrong_address_names_the_attribute(address: str, words: str, tmp_path: Path):
    with pytest.raises(KeyStoreError, match=words):
        key_holder(address, tmp_path / "unused")


@pytest.mark.parametrize("verb", ["cloud", "agent"])
def test_a_wrong_address_is_said_before_anything_starts(verb: str, tmp_path: Path):
    place = "--data" if verb == "cloud" else "--state"
    done = skerry(verb, place, str(tmp_path / "x"), "--key-store", "pkcs11:token=a", check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == "skerry: --key-store: module-path: missing"
    assert "Traceback" not in done.stderr


def test_an_address_is_read_as_rfc_7512_writes_it():
    found = parse("pkcs11:token=My%20token;object=k?module-path=/a%3Bb.so&pin-source=file:/p")
    assert (found.token, found.object) == ("My token", "k")
    assert (found.module, found.pin_file) == (Path("/a;b.so"), Path("/p"))


def test_each_thing_that_is_missing_is_named(hsm: SoftHsm, tmp_path: Path):
    seal = "holder.seal(b'x', b'')"
    assert "no token 'other'" in told(hsm, hsm.address("other"), seal)
    wrong = tmp_path / "wrong"
    wrong.write_text("999999")
    assert f"refuses the PIN of {wrong}" in told(hsm, hsm.address(pin_file=wrong), seal)
    gone = tmp_path / "gone"
    assert f"pin-source: {gone}: No such file" in told(hsm, hsm.address(pin_file=gone), seal)
    nowhere = hsm.address().replace(str(hsm.module), "/nowhere.so")
    assert "/nowhere.so" in told(hsm, nowhere, seal)


def test_the_key_cannot_be_read_out(hsm: SoftHsm):
    code = (
        "holder.seal(b'x', b'') and "
        "[holder._key[a] for a in __import__('pkcs11').Attribute if a.name in "
        "('SENSITIVE', 'EXTRACTABLE')]"
    )
    assert told(hsm, hsm.address(), code) == "[True, False]"


def test_the_library_is_loaded_only_when_a_token_is_asked_for(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from edge.keyholder import key_holder;"
        "key_holder('', Path(sys.argv[1])).seal(b'x', b''); print('pkcs11' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "key")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_a_token_that_went_away_is_an_error_and_the_file_is_not_used_instead(hsm: SoftHsm):
    for file in sorted(hsm.tokens.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    assert "no token 'skerry'" in told(hsm, hsm.address(), "holder.seal(b'x', b'')")
