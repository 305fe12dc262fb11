"""Identities as a person meets them: real processes, one after the other."""

from pathlib import Path

import pytest

from tests.support.system import Agent, Cloud, skerry, skerry_json, until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))


def online(agent: Agent) -> bool:
    return bool(agent.status()["link"]["state"] == "Online")


def test_two_commands_make_a_cloud_and_a_node_that_trust_each_other(tmp_path: Path):
    with Cloud(tmp_path / "cloud", secure=True) as cloud:
        assert cloud.url.startswith("https://")
        with Agent("barn", cloud.url, tmp_path / "barn", labels=["site=barn"]) as barn:
            until(lambda: online(barn), "barn joined")
            (node,) = skerry_json("get", "nodes", cloud=cloud.url)["items"]
            assert node["metadata"]["labels"] == {"site": "barn"}
            skerry("node", "revoke", "barn", cloud=cloud.url)
            until(lambda: "revoked" in barn.status()["link"]["error"], "barn was sent away")


def test_a_restart_of_both_needs_no_token(tmp_path: Path):
    with Cloud(tmp_path / "cloud", secure=True) as cloud:
        token = skerry("token", "create", cloud=cloud.url).stdout.strip()
        with Agent("barn", cloud.url, tmp_path / "barn", token=token) as barn:
            until(lambda: online(barn), "barn joined")
    (tmp_path / "contexts" / f"127.0.0.1_{cloud.port}.json").unlink()
    with (
        Agent("barn", cloud.url, tmp_path / "barn") as barn,
        Cloud(tmp_path / "cloud", cloud.port, secure=True),
    ):
        until(lambda: online(barn), "barn is back")


def test_a_desk_elsewhere_trusts_by_the_pin_and_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Cloud(tmp_path / "cloud", secure=True) as cloud:
        pin = skerry_json("ca", "show", cloud=cloud.url)["pin"]
        token = skerry("user", "create", "ada", "--role", "viewer", cloud=cloud.url).stdout
        monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "desk"))
        refused = skerry("get", "nodes", cloud=cloud.url, check=False)
        assert refused.returncode == 1
        assert "skerry trust" in refused.stderr
        wrong = skerry("trust", cloud.url, "--pin", f"sha256:{'0' * 64}", check=False)
        assert wrong.returncode == 1
        assert "another CA" in wrong.stderr
        skerry("trust", cloud.url, "--pin", f"sha256:{pin}")
        nobody = skerry("get", "nodes", cloud=cloud.url, check=False)
        assert "skerry login" in nobody.stderr
        skerry("login", cloud=cloud.url, said=token)
        skerry("get", "nodes", cloud=cloud.url)


def test_what_is_not_encrypted_stays_on_this_machine(tmp_path: Path):
    plain = skerry("get", "nodes", cloud="http://cloud.example:8480", check=False)
    assert plain.returncode == 1
    assert "not encrypted" in plain.stderr
    with Agent("barn", "http://cloud.example:8480", tmp_path / "barn") as agent:
        agent.wait_for_line("link is down: .* is not encrypted; use https://")
    cloud = skerry(
        *("cloud", "--data", str(tmp_path / "c"), "--listen", "0.0.0.0:0"),
        "--insecure-loopback",
        check=False,
    )
    assert cloud.returncode == 1
    assert "can be reached by others" in cloud.stderr
