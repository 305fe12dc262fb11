"""Signed apps with real processes: what a taken-over cloud can do, and what it cannot."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.client.api import Client
from cloud.client.built import load
from cloud.client.registry import (
    Reference,
    app_artifact,
    app_manifest,
    digest_of,
    push,
    push_root,
    signatures,
)
from edge.store import Store
from tests.support.system import ROOT, Agent, Cloud, skerry, skerry_json, until
from tests.support.trust import root, signed_root

BEEPER = ROOT / "tests/system/guests/beeper-1"
GOOD = (BEEPER / "build/beeper.wasm", BEEPER / "app.toml")
CUSTOM_SECTION = b"\0\x05\x04evil"
"""Appended to a module, it makes another one that runs just as well."""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    skerry("app", "build", str(BEEPER))


@dataclass
class Farm:
    """A person's keys, a cloud, and a node that was given the root."""

    keys: Path
    cloud: Cloud
    barn: Agent
    folder: Path

    def app(self, version: str) -> Path:
        """The beeper under another version."""
        directory = self.folder / version
        (directory / "build").mkdir(parents=True, exist_ok=True)
        text = GOOD[1].read_text().replace('"1.0.0"', f'"{version}"')
        (directory / "app.toml").write_text(text)
        (directory / "build/beeper.wasm").write_bytes(GOOD[0].read_bytes())
        return directory

    def deploy(self, version: str, *options: str, keys: Path | None = None) -> None:
        skerry(
            *("app", "deploy", str(self.app(version)), "-l", "site=barn", *options),
            cloud=self.cloud.url,
            keys=keys or self.keys,
        )

    def runs(self, version: str) -> None:
        """Return once this version runs well, and the node has it on disk."""

        def ready() -> bool:
            app = self.barn.app("beeper")
            return app is not None and (app["version"], app["state"], app["ready"]) == (
                version,
                "Running",
                True,
            )

        until(ready, f"beeper {version} is ready (it is {self.barn.app('beeper')})", 60)

    def refused(self, reason: str) -> str:
        """The node's message, once it refused the beeper for that reason.

        A rollout that fails puts the former version back; the instance then keeps why.
        """

        def found() -> str | None:
            with Client(self.cloud.url) as client:
                items = client.list("appinstances")["items"]
            for item in items:
                for said in (item["status"], item["spec"].get("failed") or {}):
                    if said.get("reason") == reason:
                        return said["message"]
            return None

        try:
            return until(found, f"it is refused with {reason}", 60)
        except AssertionError as error:
            seen = skerry("describe", "app", "beeper", cloud=self.cloud.url).stdout
            raise AssertionError("\n".join([str(error), seen, *self.barn.lines])) from None


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    with Cloud(tmp_path / "cloud") as cloud, agent(tmp_path, cloud) as barn:
        yield Farm(keys, cloud, barn, tmp_path)


def agent(folder: Path, cloud: Cloud) -> Agent:
    trust = ("--trust-root", str(folder / "keys/root.cose"))
    return Agent("barn", cloud.url, folder / "barn", labels=["site=barn"], trust=trust)


class Intruder:
    """Has the whole cloud: its registry, its API and its files, but no key."""

    def __init__(self, farm: Farm, client: Client) -> None:
        self.farm = farm
        self.client = client
        beeper = load(BEEPER)
        self.manifest, self.module = beeper.manifest, beeper.module
        self.good_config = config(self.manifest.name, "1.0.0")
        reference = digest_of(app_manifest(self._pushed_config(), self.module))
        self.signature = signatures(self.client, "beeper", reference)
        assert self.signature

    def _pushed_config(self) -> bytes:
        """Byte for byte what `skerry app push` made of app.toml."""
        found = self.client.json("GET", "/v2/beeper/manifests/1.0.0")
        digest = found["config"]["digest"]
        return self.client.request("GET", f"/v2/beeper/blobs/{digest}").content

    def deploy(self, tag: str, app: bytes, module: bytes, signature: bytes) -> None:
        """Put an artifact of one's own into the registry and order every node to run it."""
        push(self.client, Reference("beeper", tag), app_artifact(app, module), signature=signature)
        artifact = {"repository": "beeper", "reference": tag, "digest": None}
        self.client.patch("apps", "beeper", {"spec": {"artifact": artifact}})


def config(name: str, version: str, **fields: object) -> bytes:
    restart = {"settle": 0.2, "backoff": 0.1}
    body = {"name": name, "version": version, "telemetry": {"beep": {}}, "restart": restart}
    return json.dumps(body | fields).encode()


Attack = Callable[[Intruder], None]


def another_module_unsigned(intruder: Intruder) -> None:
    intruder.deploy("evil", intruder.good_config, intruder.module + CUSTOM_SECTION, b"")


def another_module_under_the_good_signature(intruder: Intruder) -> None:
    evil = intruder.module + CUSTOM_SECTION
    intruder.deploy("evil", intruder.good_config, evil, intruder.signature)


def the_good_module_with_more_grants(intruder: Intruder) -> None:
    grants = {"door": {"kind": "gpio", "direction": "out", "optional": True}}
    app = config("beeper", "1.0.0", grants=grants)
    intruder.deploy("evil", app, intruder.module, intruder.signature)


def the_good_module_under_a_higher_version(intruder: Intruder) -> None:
    app = config("beeper", "9.0.0")
    intruder.deploy("evil", app, intruder.module, intruder.signature)


def a_signature_with_one_bit_changed(intruder: Intruder) -> None:
    damaged = intruder.signature[:-1] + bytes([intruder.signature[-1] ^ 1])
    intruder.deploy("evil", intruder.good_config, intruder.module + CUSTOM_SECTION, damaged)


def keys_and_a_root_of_its_own(intruder: Intruder) -> None:
    thief = signed_root(root(2, root=(["thief"], 1), app=(["thief"], 1)), "thief")
    push_root(intruder.client, 2, thief)
    theirs = intruder.farm.folder / "theirs"
    skerry("keys", "init", keys=theirs)
    evil = intruder.farm.app("1.0.1")
    (evil / "build/beeper.wasm").write_bytes(intruder.module + CUSTOM_SECTION)
    other = Cloud(intruder.farm.folder / "other-cloud")
    with other, Client(other.url) as client:
        skerry("app", "push", str(evil), cloud=other.url, keys=theirs)
        body = client.request("GET", "/v2/beeper/manifests/1.0.1").content
        app = client.request(
            "GET", f"/v2/beeper/blobs/{json.loads(body)['config']['digest']}"
        ).content
        signature = signatures(client, "beeper", digest_of(body))
    intruder.deploy("evil", app, intruder.module + CUSTOM_SECTION, signature)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (another_module_unsigned, "Unsigned"),
        (another_module_under_the_good_signature, "SignatureMismatch"),
        (the_good_module_with_more_grants, "CapabilityNotSigned"),
        (the_good_module_under_a_higher_version, "SignatureMismatch"),
        (a_signature_with_one_bit_changed, "SignatureInvalid"),
        (keys_and_a_root_of_its_own, "SignerUnknown"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_taken_over_cloud_runs_nothing_that_was_not_signed(
    farm: Farm, attack: Attack, reason: str
):
    farm.deploy("1.0.0")
    farm.runs("1.0.0")
    with Client(farm.cloud.url) as client:
        attack(Intruder(farm, client))
    message = farm.refused(reason)
    assert "version 1.0.0 keeps running" in message
    app = farm.barn.app("beeper")
    assert app is not None
    assert (app["version"], app["restarts"]) == ("1.0.0", 0)
    evil = hashlib.sha256(GOOD[0].read_bytes() + CUSTOM_SECTION).hexdigest()
    assert not list(farm.barn.state.rglob(f"*{evil}*")), "it was fetched or compiled"
    assert (
        message.partition(";")[0]
        in skerry("describe", "app", "beeper", cloud=farm.cloud.url).stdout
    )


def test_a_taken_over_cloud_can_stop_an_app(farm: Farm):
    farm.deploy("1.0.0")
    farm.runs("1.0.0")
    skerry("delete", "app", "beeper", cloud=farm.cloud.url)
    until(lambda: farm.barn.app("beeper") is None, "the app is gone")


def test_bytes_changed_in_the_registrys_files_do_not_run(farm: Farm):
    skerry("app", "push", str(farm.app("1.0.0")), cloud=farm.cloud.url, keys=farm.keys)
    module = GOOD[0].read_bytes()
    blob = next(
        path
        for path in (farm.folder / "cloud/registry").rglob("*")
        if path.is_file() and path.read_bytes() == module
    )
    blob.write_bytes(module[:-1] + bytes([module[-1] ^ 1]))
    farm.deploy("1.0.0", "--no-sign")

    def refused() -> bool:
        app = farm.barn.app("beeper")
        return app is not None and "beeper" in app["message"]

    until(refused, "the node says what came")
    assert farm.barn.app("beeper")["state"] in {"Fetching", "Failed"}


def test_an_older_version_runs_again_only_with_a_signed_permission(farm: Farm):
    farm.deploy("1.0.0")
    farm.runs("1.0.0")
    farm.deploy("2.0.0")
    farm.runs("2.0.0")
    farm.deploy("1.0.0")
    assert "older than 2.0.0" in farm.refused("VersionRollback")
    assert farm.barn.app("beeper")["version"] == "2.0.0"
    skerry("delete", "app", "beeper", cloud=farm.cloud.url)
    until(lambda: farm.barn.app("beeper") is None, "the app is gone")
    farm.deploy("1.0.0")
    farm.refused("VersionRollback")
    farm.deploy("1.0.0", "--downgrade-from", "2.0.0")
    farm.runs("1.0.0")


def test_app_keys_are_rotated_through_a_root_that_the_node_proves(farm: Farm):
    farm.deploy("1.0.0")
    farm.runs("1.0.0")
    skerry("keys", "rotate", "app", keys=farm.keys)
    skerry("keys", "rotate", "root", keys=farm.keys)
    farm.deploy("1.0.1")
    farm.runs("1.0.1")
    log = "\n".join(farm.barn.lines)
    assert "the root of trust is now version 3" in log


def test_an_expired_root_stops_nothing_that_runs_and_a_new_one_cures_it(farm: Farm):
    farm.deploy("1.0.0")
    farm.runs("1.0.0")
    farm.barn.terminate()
    later = datetime.now(UTC) + timedelta(days=3 * 365)
    store = Store.open(farm.folder / "barn/store")
    store.meta.set("time", (int(later.timestamp()) * 10**9).to_bytes(8))
    store.close()
    with agent(farm.folder, farm.cloud) as farm.barn:
        farm.runs("1.0.0")
        farm.deploy("1.0.1")
        farm.refused("RootExpired")
        skerry("keys", "rotate", "root", "--days", "3650", keys=farm.keys)
        skerry("keys", "publish", cloud=farm.cloud.url, keys=farm.keys)
        farm.deploy("1.0.2")
        farm.runs("1.0.2")


def test_a_push_without_keys_is_told_where_signatures_are_demanded(farm: Farm):
    farm.deploy("1.0.0")
    done = skerry("app", "push", str(farm.app("1.0.1")), cloud=farm.cloud.url, check=False)
    assert done.returncode == 1
    assert "its nodes refuse what nobody signed" in done.stderr


def test_a_node_says_how_it_decides(farm: Farm, tmp_path: Path):
    trusting = tmp_path / "trusting"
    with (
        Agent("shed", farm.cloud.url, trusting),
        Agent("mill", farm.cloud.url, tmp_path / "strict", trust=()),
    ):

        def conditions() -> dict[str, str]:
            nodes = skerry_json("get", "nodes", cloud=farm.cloud.url)["items"]
            return {
                node["metadata"]["name"]: each["reason"]
                for node in nodes
                for each in node["status"]["conditions"]
                if each["type"] == "VerifiesApps"
            }

        expected = {"barn": "TrustRoot", "shed": "UnsignedAllowed", "mill": "NoTrustRoot"}
        until(lambda: conditions() == expected, "all three have said so")
