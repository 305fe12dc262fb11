"""The cloud's data directory: restored from a copy, served twice, damaged."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.guests import wat
from tests.support.system import Agent, Cloud, skerry, until

pytestmark = pytest.mark.slow

WAITS = wat("""
(module
  (import "skerry_event" "wait" (func $wait (param i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $wait (i64.const -1) (i32.const 0) (i32.const 32)))))
""")


def project(folder: Path, name: str = "waits") -> Path:
    (folder / "build").mkdir(parents=True)
    (folder / "build" / f"{name}.wasm").write_bytes(WAITS)
    (folder / "app.toml").write_text(
        f'name = "{name}"\nversion = "1.0.0"\n[limits]\nmemory = 65536\n'
    )
    return folder


def apps_of(agent: Agent) -> dict[str, str]:
    return {app["name"]: app["state"] for app in agent.ask("apps")}


def revision(cloud: Cloud) -> int:
    listed = json.loads(skerry("get", "apps", "-o", "json", cloud=cloud.url).stdout)
    return int(listed["metadata"]["resourceVersion"])


def test_a_node_that_saw_more_than_a_restored_cloud_converges_to_it(tmp_path: Path):
    def deploy(name: str, where: str) -> None:
        skerry("app", "deploy", "waits:1.0.0", "--name", name, "-l", where, cloud=cloud.url)

    def barn() -> Agent:
        return Agent("barn", cloud.url, tmp_path / "barn", labels=["here=yes"])

    with Cloud(tmp_path / "cloud") as cloud:
        skerry("app", "push", str(project(tmp_path / "waits")), cloud=cloud.url)
        deploy("kept", "here=yes")
        with barn() as agent:
            until(lambda: apps_of(agent) == {"kept": "Running"}, "the first app runs")
    shutil.copytree(tmp_path / "cloud", tmp_path / "copy")
    with Cloud(tmp_path / "cloud", cloud.port) as cloud, barn() as agent:
        deploy("lost", "here=yes")
        until(lambda: apps_of(agent).get("lost") == "Running", "the second app runs")
        seen = agent.status()["revision"]
    shed = tmp_path / "shed"
    with (
        Cloud(tmp_path / "copy", cloud.port) as cloud,
        Agent("shed", cloud.url, shed, labels=["here=no"]) as other,
    ):
        while 0 <= seen - other.status()["revision"] < 50:  # without a leap it passes the node's
            deploy(f"other-{len(apps_of(other))}", "here=no")
            until(lambda: "Fetching" not in apps_of(other).values(), "the other node has it")
        with barn() as agent:
            until(lambda: apps_of(agent) == {"kept": "Running"}, "the copy's set is taken")


def test_a_second_service_is_kept_out_of_the_directory(tmp_path: Path):
    with Cloud(tmp_path / "cloud") as first:
        data = str(tmp_path / "cloud")
        refused = skerry("cloud", "--listen", "127.0.0.1:0", "--data", data, check=False)
        assert refused.returncode == 1
        assert f"process {first.pid} serves this directory" in refused.stderr
        first.kill()
        with Cloud(tmp_path / "cloud"):
            pass


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path):
    file = tmp_path / "cloud.db"
    file.write_bytes(bytes(range(256)) * 64)
    refused = skerry("cloud", "--listen", "127.0.0.1:0", "--data", str(tmp_path), check=False)
    assert refused.returncode == 1
    assert "cloud.db: file is not a database. Nothing was changed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert file.read_bytes() == bytes(range(256)) * 64
