"""Firmware in a running service: from a pushed image to instances, and what is wrong with one."""

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from cloud.client.api import Client
from cloud.client.errors import InputError
from cloud.client.firmware import load
from cloud.client.mcuimage import said
from cloud.client.registry import Reference, firmware_artifact, push
from tests.support.api import MERGE, NODES, ROOT, events, node_body
from tests.support.cloud import cloud_service
from tests.support.firmware_fleet import image
from tests.support.system import skerry
from tests.unit.cloud.test_app_controller import condition, until

FIRMWARES = f"{ROOT}/namespaces/default/firmwares"
INSTANCES = f"{ROOT}/namespaces/default/firmwareinstances"
CHIP = {"name": "probe", "id": "1", "board": "mps2", "version": "0.1.0", "connected": True}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        cloud_service(tmp_path_factory.mktemp("firmware")) as service,
        service.client() as client,
    ):
        yield client


def options(**given: str | None) -> Namespace:
    return Namespace(**{"board": None, "release": None, **given})


def push_image(
    api: httpx.Client, folder: Path, name: str, manifest: dict | None = None, **made: object
) -> str:
    path = folder / "image.bin"
    path.write_bytes(image(**made))
    found, data = load(path, name, options())
    config = json.dumps(msgspec.to_builtins(found) | (manifest or {})).encode()
    with Client(str(api.base_url)) as client:
        return push(client, Reference(name, "1"), firmware_artifact(config, data))


def board(api: httpx.Client, name: str, *chips: dict, **labels: str) -> None:
    api.post(NODES, json=node_body(name, **labels))
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "microcontrollers": list(chips),
    }
    assert api.patch(f"{NODES}/{name}/status", json={"status": status}, headers=MERGE).is_success


def deploy(api: httpx.Client, name: str, **spec: object) -> None:
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Firmware",
        "metadata": {"name": name},
        "spec": {
            "artifact": {"repository": name, "reference": "1"},
            "selector": {"matchLabels": {"site": name}},
            **spec,
        },
    }
    answer = api.post(FIRMWARES, json=body)
    assert answer.status_code == 201, answer.text


def test_a_firmware_reaches_the_nodes_that_have_the_microcontroller(api, tmp_path):
    digest = push_image(api, tmp_path, "reach")
    board(api, "reach-1", CHIP, site="reach")
    board(api, "reach-2", site="reach")
    deploy(api, "reach", rollout={"canaries": 0, "concurrency": 10})
    made = until(api, INSTANCES, "reach.reach-1", lambda _: True)
    assert made["spec"]["desired"]["manifest"]["version"] == "0.2.0"
    assert made["status"]["state"] == "Waiting"
    firmware = until(api, FIRMWARES, "reach", lambda each: each["status"]["updated"] == 1)
    assert firmware["status"]["digest"] == digest
    assert firmware["status"]["board"] == "mps2"
    assert api.get(f"{INSTANCES}/reach.reach-2").status_code == 404
    board(api, "reach-2", CHIP)
    until(api, INSTANCES, "reach.reach-2", lambda _: True)
    with events(api, INSTANCES, labelSelector="skerry.dev/firmware=reach") as stream:
        assert {next(stream)["type"] for _ in range(2)} == {"ADDED"}
        api.delete(f"{FIRMWARES}/reach")
        assert {next(stream)["type"] for _ in range(2)} == {"DELETED"}


@pytest.mark.parametrize(
    ("name", "manifest", "spec", "reason", "message"),
    [
        ("absent", None, {"artifact": {"repository": "no", "reference": "1"}}, "ArtifactNotFound",
         "skerry firmware push"),
        ("unlike", {"size": 5}, {}, "ArtifactInvalid", "not the image that the manifest names"),
        ("odd", {"board": "A B"}, {}, "ArtifactInvalid", "board"),
        ("other", None, {"microcontroller": {"board": "pico"}}, "WrongBoard", "mps2"),
    ],
)  # fmt: skip
def test_what_cannot_be_installed_degrades_the_firmware_and_touches_no_node(
    api, tmp_path, name, manifest, spec, reason, message
):
    push_image(api, tmp_path, name, manifest)
    board(api, f"{name}-1", CHIP, site=name)
    deploy(api, name, **spec)
    found = until(
        api, FIRMWARES, name, lambda each: condition(each, "Degraded")["status"] == "True"
    )
    assert condition(found, "Degraded")["reason"] == reason
    assert message in condition(found, "Degraded")["message"]
    assert api.get(f"{INSTANCES}/{name}.{name}-1").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"artifact": {"repository": "x"}}, "spec.artifact"),
        ({"microcontroller": {"name": "A B"}}, "spec.microcontroller.name"),
        ({"microcontroller": {"colour": "red"}}, "spec.microcontroller.colour"),
        ({"rollout": {"canaries": -1}}, "spec.rollout.canaries"),
    ],
)
def test_a_bad_spec_is_refused_with_the_field(api, change, field):
    spec = {"artifact": {"repository": "x", "reference": "1"}, **change}
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Firmware",
        "metadata": {"name": "bad"},
        "spec": spec,
    }
    answer = api.post(FIRMWARES, json=body)
    assert answer.status_code == 422
    assert field in answer.json()["message"]


def test_the_tables_say_what_runs_where(api, tmp_path):
    push_image(api, tmp_path, "table")
    board(api, "table-1", CHIP, site="table")
    deploy(api, "table")
    until(api, INSTANCES, "table.table-1", lambda _: True)
    url = str(api.base_url)
    until(api, FIRMWARES, "table", lambda each: each["status"]["updated"] == 1)
    line = next(
        line
        for line in skerry("get", "firmware", cloud=url).stdout.splitlines()
        if "table" in line
    )
    assert line.split()[:3] == ["table", "0/1", "0.2.0"]
    assert "MICROCONTROLLER" in skerry("get", "firmwareinstances", cloud=url).stdout
    assert "probe=0.1.0" in skerry("get", "nodes", "-w", cloud=url).stdout
    described = skerry("describe", "node", "table-1", cloud=url).stdout
    assert "microcontrollers:" in described
    assert "table.table-1" in described
    assert "table.table-1" in skerry("describe", "firmware", "table", cloud=url).stdout


def test_an_image_says_itself_what_it_is(tmp_path):
    path = tmp_path / "i"
    path.write_bytes(image((1, 2, 3), "pico"))
    manifest, _ = load(path, None, options())
    assert (manifest.name, manifest.version, manifest.board) == ("skerry-pico", "1.2.3", "pico")


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (b"", {}, "an image has 1 to"),
        (b"elf", {}, "does not say its board; give --board"),
        (b"elf", {"board": "mps2"}, "does not say its release; give --release"),
        (b"elf", {"board": "mps2", "release": "1"}, "version"),
        (image(board=None), {}, "does not say its board"),
        (image(), {"board": "pico"}, "--board: pico; .* says that it is mps2"),
        (image(), {"release": "9.9.9"}, "--release: 9.9.9; .* says that it is 0.2.0"),
        (image()[:40], {}, "its header speaks of 36 bytes, 40 are here"),
    ],
)
def test_an_image_that_does_not_say_enough_is_told_what_is_missing(
    tmp_path, content, given, message
):
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(path, None, options(**given))


def test_damaged_values_after_an_image_are_not_guessed_at():
    data = bytearray(image())
    data[36:38] = b"xx"
    with pytest.raises(InputError, match="damaged"):
        said(bytes(data))
