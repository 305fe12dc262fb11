"""Which token the command line sends where."""

import json
from pathlib import Path

import pytest

from cloud.client.context import Context, context_for, keep
from cloud.client.errors import InputError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SKERRY_TOKEN", raising=False)
    monkeypatch.delenv("SKERRY_CONTEXT", raising=False)
    return tmp_path


def test_a_token_goes_to_its_own_cloud_alone():
    path = keep(Context("http://127.0.0.1:8480", "ada", "secret"))
    assert path.stat().st_mode & 0o777 == 0o600
    found = context_for("http://localhost:8480/")
    assert found is not None
    assert found.token == "secret"  # noqa: S105
    assert context_for("http://127.0.0.1:8481") is None
    assert context_for("https://127.0.0.1:8480") is None
    assert context_for("http://other:8480") is None


def test_no_token_travels_in_plain_to_another_machine(monkeypatch: pytest.MonkeyPatch):
    keep(Context("http://cloud.example:8480", "ada", "secret"))
    with pytest.raises(InputError, match="plain http"):
        context_for("http://cloud.example:8480")
    monkeypatch.setenv("SKERRY_TOKEN", "secret")
    with pytest.raises(InputError, match="plain http"):
        context_for("http://elsewhere.example")
    assert context_for("https://elsewhere.example") is not None


def test_a_newer_token_replaces_the_one_of_the_same_cloud(home: Path):
    for token in ("old", "new"):
        keep(Context("https://cloud.example", "ada", token))
    path = keep(Context("https://two.example", "bob", "b"))
    assert [each["token"] for each in json.loads(path.read_text())] == ["b", "new"]


def test_a_file_that_cannot_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    broken = home / "broken"
    broken.write_text("{")
    monkeypatch.setenv("SKERRY_CONTEXT", str(broken))
    with pytest.raises(InputError, match="broken"):
        context_for("http://127.0.0.1:1")
