"""All of trust at once: a token, mTLS, a signature, a role and a Secret, between real processes."""

import json
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.softhsm import SoftHsm
from tests.support.system import ROOT, Agent, Cloud, readings, skerry, until

pytestmark = pytest.mark.timeout(600)
KEEPER = ROOT / "tests/system/guests/keeper"
VALUE = "correct horse battery staple"


def kept(directory: Path) -> bytes:
    """Everything that lies in a directory."""
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


@dataclass(frozen=True)
class KeyStore:
    """Where one of the two keeps the key that seals: what it is told, and its environment."""

    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def in_a_file(_folder: Path) -> KeyStore:
    return KeyStore()


def in_a_token(folder: Path) -> KeyStore:
    token = SoftHsm(folder)
    token.make_token()
    return KeyStore(("--key-store", token.address()), token.environment)


@pytest.mark.parametrize("store", [in_a_file, in_a_token])
def test_a_secret_reaches_a_signed_app_on_a_node_that_joined_and_lies_nowhere_in_plain(
    store: Callable[[Path], KeyStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    office, farm = store(tmp_path / "office"), store(tmp_path / "farm")
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    keys, secret = tmp_path / "keys", tmp_path / "secret.json"
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Secret",
        "metadata": {"name": "weather"},
        "spec": {"data": {"api": VALUE}},
    }
    secret.write_text(json.dumps(body))
    skerry("app", "build", str(KEEPER))
    skerry("keys", "init", keys=keys)
    trust = ("--trust-root", str(keys / "root.cose"), *farm.options)
    with Cloud(
        tmp_path / "cloud", secure=True, options=office.options, more=office.environment
    ) as cloud:
        made = skerry("token", "create", "--label", "site=barn", cloud=cloud.url)
        token = made.stdout.strip()
        with Agent(
            *("barn", cloud.url, tmp_path / "barn"),
            token=token,
            trust=trust,
            more=farm.environment,
        ) as barn:
            until(lambda: barn.status()["link"]["state"] == "Online", "barn joined")
            skerry("apply", "-f", str(secret), cloud=cloud.url)
            grant = ("--grant", "password=secret:weather/api")
            skerry(
                *("app", "deploy", str(KEEPER), "-l", "site=barn", *grant),
                cloud=cloud.url,
                keys=keys,
            )
            until(lambda: readings(cloud, name="sum"), "the app opened its secret", 60)
            (found,) = readings(cloud, name="sum")
            assert found["value"] == sum(VALUE.encode())
            shown = skerry("describe", "secret", "weather", cloud=cloud.url)
            log = skerry("audit", "-o", "json", cloud=cloud.url)
            assert VALUE not in shown.stdout + log.stdout
    assert VALUE.encode() not in kept(tmp_path / "barn")
    assert VALUE.encode() not in kept(tmp_path / "cloud")
    files = [*(tmp_path / "barn").rglob("*.key"), *(tmp_path / "cloud").rglob("*.key")]
    assert len(files) == (2 if store is in_a_file else 0), "a key of a token is in no file"


def test_an_agent_that_starts_before_the_cloud_of_the_same_person_joins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Agent("barn", f"https://127.0.0.1:{port}", tmp_path / "barn") as barn:
        barn.wait_for_line("no identity there; give it a join token")
        with Cloud(tmp_path / "cloud", port, secure=True):
            until(lambda: barn.status()["link"]["state"] == "Online", "barn joined")


def test_wrong_settings_for_joining_stop_no_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    thermometer, state = str(ROOT / "wasm_apps/thermometer"), tmp_path / "barn"
    skerry("app", "build", thermometer)
    with Cloud(tmp_path / "cloud", secure=True) as cloud:
        grant = ("--grant", "probe=i2c-1:0x48")
        with Agent("barn", cloud.url, state, labels=["site=barn"]) as barn:
            until(lambda: barn.status()["link"]["state"] == "Online", "barn joined")
            skerry("app", "deploy", thermometer, "-l", "site=barn", *grant, cloud=cloud.url)
            barn.until_app("thermometer", "Running")
        with Agent("barn", cloud.url, state, token="skerry1.torn") as barn:  # noqa: S106 - damaged
            barn.until_app("thermometer", "Running")
            until(lambda: barn.status()["link"]["state"] == "Online", "its identity counts")
        shutil.rmtree(state / "identity")
        with Agent("barn", cloud.url, state, token="skerry1.torn") as barn:  # noqa: S106 - damaged
            barn.wait_for_line("link is down: .*token")
            barn.until_app("thermometer", "Running")
        with Agent("barn", "http://cloud.example", state) as barn:
            barn.wait_for_line("link is down: .* is not encrypted")
            barn.until_app("thermometer", "Running")
