"""Which token, and whose authority, the command line uses for which cloud."""

from pathlib import Path

import pytest

from cloud.client import context
from cloud.client.api import Client
from cloud.client.errors import InputError
from edge.wire.joining import CloudContext


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    monkeypatch.delenv("SKERRY_TOKEN", raising=False)
    monkeypatch.delenv("SKERRY_CA", raising=False)
    return tmp_path


def keep(url: str, token: str) -> Path:
    return context.save(CloudContext(url=url, user="ada", token=token))


def test_a_token_goes_to_its_own_cloud_alone():
    path = keep("http://127.0.0.1:8480", "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert context.find("http://localhost:8480/").token == "secret"  # noqa: S105
    for other in ("http://127.0.0.1:8481", "https://127.0.0.1:8480", "http://other:8480"):
        assert not context.find(other).token


def test_no_token_travels_in_plain_to_another_machine(monkeypatch: pytest.MonkeyPatch):
    keep("http://cloud.example:8480", "secret")
    with pytest.raises(InputError, match="not encrypted"):
        Client("http://cloud.example:8480")
    monkeypatch.setenv("SKERRY_TOKEN", "secret")
    with pytest.raises(InputError, match="not encrypted"):
        Client("http://elsewhere.example")
    assert context.find("https://elsewhere.example").token == "secret"  # noqa: S105


def test_a_newer_token_replaces_the_one_of_the_same_cloud():
    for token in ("old", "new"):
        keep("https://cloud.example", token)
    keep("https://two.example", "b")
    assert context.find("https://cloud.example").token == "new"  # noqa: S105


def test_a_file_that_cannot_be_read_is_named(home: Path):
    path = keep("http://127.0.0.1:1", "x")
    path.write_text("{")
    with pytest.raises(InputError, match=r"127\.0\.0\.1_1\.json"):
        context.find("http://127.0.0.1:1")
