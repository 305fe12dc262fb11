"""`skerry keys`: what is made, who may read it, and what a rotation leaves."""

import json
import stat
from pathlib import Path

import pytest

from cloud.client.errors import InputError
from cloud.client.keyring import PASSPHRASE, Keyring
from edge.trust.judge import first_root, next_root
from skerry import main


def keys(folder: Path, *args: str) -> int:
    return main(["keys", *args, "--keys", str(folder)])


def test_keys_are_made_for_their_owner_alone(tmp_path: Path):
    folder = tmp_path / "keys"
    assert keys(folder, "init") == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = list(folder.glob("*.pem"))
    assert len(secret) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert first_root((folder / "root.cose").read_bytes()).version == 1


def test_keys_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    keys(tmp_path, "init")
    before = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert keys(tmp_path, "init") == 1
    assert "skerry keys rotate" in capsys.readouterr().err
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == before


def test_a_passphrase_keeps_the_keys_from_who_reads_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    keys(tmp_path, "init", "--encrypt")
    ring = Keyring(tmp_path)
    assert len(ring.signing_keys(ring.root(), "app")) == 1
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(InputError, match="passphrase is wrong"):
        Keyring(tmp_path).signing_keys(ring.root(), "app")


@pytest.mark.parametrize("role", ["app", "image", "root"])
def test_a_rotation_is_a_root_that_follows_the_old_one(tmp_path: Path, role: str):
    keys(tmp_path, "init", "--root-keys", "3", "--root-threshold", "2")
    old = first_root((tmp_path / "root.cose").read_bytes())
    assert keys(tmp_path, "rotate", role) == 0
    new = next_root(old, (tmp_path / "root.cose").read_bytes())
    assert not set(new.roles[role].keys) & set(old.roles[role].keys)
    ring = Keyring(tmp_path)
    assert [version for version, _ in ring.roots()] == [1, 2]
    assert not any(ring.has(name) for name in old.roles[role].keys)
    assert all(ring.has(name) for name in new.keys)


def test_too_few_root_keys_rotate_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    keys(tmp_path, "init", "--root-keys", "2", "--root-threshold", "2")
    ring = Keyring(tmp_path)
    ring.retire(ring.root().roles["root"].keys[:1])
    assert keys(tmp_path, "rotate", "app") == 1
    assert "1 root keys are here, 2 must sign" in capsys.readouterr().err
    assert ring.root().version == 1


def test_the_list_says_what_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    keys(tmp_path, "init")
    ring = Keyring(tmp_path)
    ring.retire(ring.root().roles["root"].keys)
    capsys.readouterr()
    keys(tmp_path, "list", "-o", "json")
    found = json.loads(capsys.readouterr().out)
    assert {each["role"]: each["private"] for each in found["keys"]} == {
        "app": "here",
        "firmware": "here",
        "image": "here",
        "root": "elsewhere",
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("init", "--app-threshold", "2"), "threshold 2 with 1 keys"),
        (("init", "--days", "0"), "--days: 0 is not from 1"),
        (("init", "--app-keys", "0"), "--app-keys"),
        (("rotate", "app"), "`skerry keys init` makes them"),
        (("list",), "`skerry keys init` makes them"),
    ],
)
def test_what_cannot_be_done_is_told_with_a_remedy(
    tmp_path: Path, args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
):
    assert keys(tmp_path / "keys", *args) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pem"))
