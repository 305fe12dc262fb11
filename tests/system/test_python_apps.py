"""Apps in Python with real processes: one runtime for all, tracebacks, and the loop at a desk."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloud.client.api import Client
from cloud.client.built import load
from cloud.client.registry import Reference, app_artifact, digest_of, push, signatures
from edge.wire.files import pack_files
from tests.support.proxy import Link
from tests.support.python_apps import HELPER, RAISES, SAYS, python_app, python_runtime
from tests.support.system import Agent, Cloud, Process, skerry, skerry_json, until

pytestmark = pytest.mark.timeout(600)
WITHIN = 120.0
"""Seconds until a line: the runtime is compiled politely, on a machine that may be busy."""


@pytest.fixture(scope="module", autouse=True)
def runtime() -> bytes:
    return python_runtime().read_bytes()


@dataclass
class Farm:
    """A person's keys, a cloud with TLS, and a node that joined it and was given the root."""

    keys: Path
    cloud: Cloud
    link: Link
    barn: Agent
    folder: Path

    def app(self, name: str, version: str = "1.0.0", **files: str) -> Path:
        return python_app(self.folder / name, name, version, **files)

    def deploy(self, app: Path, *options: str) -> None:
        skerry("app", "build", str(app))
        where = ("-l", "skerry.dev/node=barn", *options)
        skerry("app", "deploy", str(app), *where, cloud=self.cloud.url, keys=self.keys)

    def logs(self, name: str) -> str:
        return skerry("logs", name, cloud=self.cloud.url).stdout

    def said(self, name: str, text: str) -> None:
        until(lambda: text in self.logs(name), f"{name} says {text!r} in the cloud", WITHIN)

    def run(self, app: Path, *options: str) -> Process:
        what = ("app", "run", str(app), "--on", "barn", "--cloud", self.cloud.url)
        return Process(*what, "--keys", str(self.keys), *options)

    def apps(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.get("apps")]

    def get(self, kind: str) -> list[dict[str, Any]]:
        return skerry_json("get", kind, cloud=self.cloud.url)["items"]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    with Cloud(tmp_path / "cloud", secure=True) as cloud, Link(cloud.port) as link:
        token = skerry("token", "create", "--pattern", "barn", cloud=cloud.url).stdout.strip()
        where = f"https://127.0.0.1:{link.port}"
        trust = ("--trust-root", str(keys / "root.cose"))
        with Agent("barn", where, tmp_path / "barn", token=token, trust=trust) as barn:
            until(lambda: barn.status()["link"]["state"] == "Online", "the node is online")
            yield Farm(keys, cloud, link, barn, tmp_path)


def test_two_apps_share_one_runtime_in_the_registry_and_on_the_node(farm: Farm, runtime: bytes):
    farm.deploy(farm.app("one", main=SAYS.format(text="I am one")))
    farm.said("one", "I am one")
    before = farm.link.carried
    farm.deploy(farm.app("two", main=SAYS.format(text="I am two")))
    farm.said("two", "I am two")
    assert farm.link.carried - before < 40_000 < len(runtime)
    blobs = [path for path in (farm.folder / "cloud/registry").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size == len(runtime) for path in blobs) == 1
    assert len(list((farm.barn.state / "compiled").iterdir())) == 1
    sizes = sorted(path.stat().st_size for path in (farm.barn.state / "modules").iterdir())
    assert len(sizes) == 3
    assert sizes[-1] == len(runtime)
    assert sizes[-2] < 200


def test_a_changed_file_restarts_its_app_and_no_other(farm: Farm):
    farm.deploy(farm.app("one", main=SAYS.format(text="I am one")))
    farm.deploy(farm.app("two", main=SAYS.format(text="I am two")))
    farm.said("one", "I am one")
    farm.said("two", "I am two")
    before = farm.link.carried
    farm.deploy(farm.app("one", main=SAYS.format(text="I am changed")))
    farm.said("one", "I am changed")
    assert farm.link.carried - before < 40_000
    assert farm.logs("two").count("I am two") == 1
    assert farm.barn.until_app("two", "Running")["restarts"] == 0


def test_a_traceback_reaches_the_cloud_with_file_and_line(farm: Farm):
    farm.deploy(farm.app("broken", main=RAISES, helper=HELPER))
    farm.said("broken", "ZeroDivisionError: divide by zero")
    told = farm.logs("broken")
    assert 'File "/app/main.py", line 7, in <module>' in told
    assert 'File "/app/helper.py", line 2, in divide' in told
    until(lambda: farm.barn.app("broken")["exit_code"] == 1, "the exit code is 1")


def test_files_under_the_signature_of_others_are_refused_before_they_are_fetched(farm: Farm):
    app = farm.app("one", main=SAYS.format(text="I am one"))
    farm.deploy(app)
    farm.said("one", "I am one")
    built, evil = load(app), pack_files({"main.py": b"print('evil')"})
    with Client(farm.cloud.url) as client:
        good = client.json("GET", "/v2/one/manifests/1.0.0")
        config = client.request("GET", f"/v2/one/blobs/{good['config']['digest']}").content
        found = client.request("GET", "/v2/one/manifests/1.0.0")
        signature = signatures(client, "one", digest_of(found.content))
        assert signature
        made = app_artifact(config, built.module, evil)
        push(client, Reference("one", "evil"), made, signature=signature)
        artifact = {"repository": "one", "reference": "evil", "digest": None}
        client.patch("apps", "one", {"spec": {"artifact": artifact}})

    def refused() -> str | None:
        for instance in farm.get("appinstances"):
            for said in (instance["status"], instance["spec"].get("failed") or {}):
                if said.get("reason") == "SignatureMismatch":
                    return said["message"]
        return None

    message = until(refused, "the node refuses other files than were signed", WITHIN)
    assert "files: the signature says" in message
    assert not list(farm.barn.state.rglob(f"*{digest_of(evil).partition(':')[2]}*"))
    assert "evil" not in farm.logs("one")


def test_files_changed_in_the_registrys_own_files_do_not_run(farm: Farm):
    app = farm.app("one", main=SAYS.format(text="I am one"))
    skerry("app", "build", str(app))
    skerry("app", "push", str(app), cloud=farm.cloud.url, keys=farm.keys)
    packed = (app / "build/one.files").read_bytes()
    blob = next(
        path
        for path in (farm.folder / "cloud/registry").rglob("*")
        if path.is_file() and path.read_bytes() == packed
    )
    blob.write_bytes(packed.replace(b"I am one", b"I am bad"))
    farm.deploy(app)

    def refused() -> bool:
        found = farm.barn.app("one")
        return found is not None and "discarded" in found["message"]

    until(refused, "the node says that other bytes came")
    assert "I am bad" not in farm.logs("one")


def test_a_person_sees_each_save_run_and_each_mistake(farm: Farm):
    app = farm.app("sketch", main=SAYS.format(text="first"))
    with farm.run(app, "--watch") as run:
        run.wait_for_line(r"running, \d+\.\d+ s after it was saved", WITHIN)
        run.wait_for_line("  first$", WITHIN)
        farm.app("sketch", main="print('no end'")
        run.wait_for_line(r"src/main\.py:1:6: error: '\(' was never closed", WITHIN)
        farm.app("sketch", main=RAISES, helper=HELPER)
        run.wait_for_line(r'File "/app/helper\.py", line 2, in divide')
        run.wait_for_line("ended with code 1", WITHIN)
        farm.app("sketch", main=SAYS.format(text="second"))
        run.wait_for_line("  second$", WITHIN)
        assert farm.apps() == ["sketch"]
        assert run.terminate() == 130
        run.wait_for_line("app/sketch is removed", WITHIN)
    assert farm.apps() == []
    until(lambda: farm.barn.app("sketch") is None, "the node has let it go")


def test_what_a_run_keeps_is_an_app_like_any_other(farm: Farm):
    app = farm.app("sketch", main=SAYS.format(text="stays"))
    with farm.run(app, "--keep") as run:
        run.wait_for_line("  stays$", WITHIN)
        run.terminate()
    [kept] = farm.get("apps")
    assert kept["spec"]["restart"] == {}
    assert kept["spec"]["rollout"]["progressDeadlineSeconds"] == 600
    assert "skerry.dev/run" not in kept["metadata"].get("labels", {})
    until(lambda: farm.barn.app("sketch")["ready"], "it runs on, and well")


def test_a_run_takes_no_app_that_is_there_and_no_node_that_is_not(farm: Farm):
    app = farm.app("sketch", main=SAYS.format(text="mine"))
    farm.deploy(app)
    farm.said("sketch", "mine")
    run = ("app", "run", str(app), "--cloud", farm.cloud.url, "--keys", str(farm.keys))
    taken = skerry(*run, "--on", "barn", check=False)
    assert taken.returncode == 1
    assert "there is an App 'sketch' already" in taken.stderr
    assert farm.apps() == ["sketch"]
    nowhere = skerry(*run, "--on", "attic", check=False)
    assert nowhere.returncode == 1
    assert "there is no node 'attic'; the cloud has barn" in nowhere.stderr


def test_a_missing_grant_is_told_at_the_desk(farm: Farm):
    app = farm.app("sketch", main="x = 1")
    manifest = app / "app.toml"
    manifest.write_text(manifest.read_text() + '[grants.probe]\nkind = "i2c"\n')
    with farm.run(app) as run:
        run.wait_for_line(r"GrantMissing: spec\.grants\.probe: missing", WITHIN)


def test_no_version_that_only_ran_at_a_desk_forbids_an_older_one(farm: Farm):
    app = farm.app("sketch", "9.0.0", main=SAYS.format(text="nine"))
    with farm.run(app) as run:
        run.wait_for_line("  nine$", WITHIN)
        until(lambda: farm.barn.app("sketch")["state"] == "Running", "it runs")
        run.terminate()
    until(lambda: farm.barn.app("sketch") is None, "it is gone")
    farm.deploy(farm.app("sketch", "1.0.0", main=SAYS.format(text="one")), "--wait")


def test_a_runtime_is_sent_over_a_line_once(tmp_path: Path, runtime: bytes):
    with Cloud(tmp_path / "cloud") as cloud, Link(cloud.port) as desk:
        where = f"http://127.0.0.1:{desk.port}"
        contexts = Path(os.environ["SKERRY_CONTEXTS"])
        known = contexts / f"127.0.0.1_{cloud.port}.json"
        shutil.copy(known, contexts / f"127.0.0.1_{desk.port}.json")
        sent: list[int] = []
        for name, text in (("one", "a"), ("one", "b"), ("two", "c")):
            app = python_app(tmp_path / name, name, main=SAYS.format(text=text))
            skerry("app", "build", str(app))
            before = desk.carried
            skerry("app", "push", str(app), cloud=where)
            sent.append(desk.carried - before)
        assert sent[0] > len(runtime)
        assert max(sent[1:]) < 20_000
