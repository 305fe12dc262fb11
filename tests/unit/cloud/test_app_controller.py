"""The App controller in a running service: from an App to instances, and back from their status.

Nodes and what they say are written through the API, where the hub would.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from cloud.client.api import Client
from cloud.client.registry import Reference, app_artifact, push
from edge.wire.manifest import AppManifest, Grant, GrantKind, TwinProperty, TwinType
from tests.support.api import APPS, MERGE, NODES, ROOT, app_body, events, node_body
from tests.support.cloud import cloud_service

INSTANCES = f"{ROOT}/namespaces/default/appinstances"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory: Path = tmp_path_factory.mktemp("controller")
    with cloud_service(directory) as service, service.client() as client:
        yield client


def push_app(api: httpx.Client, repository: str, version: str = "1.0.0") -> str:
    manifest = AppManifest(
        name="thermo",
        version=version,
        grants={"probe": Grant(kind=GrantKind.I2C, description="the sensor")},
        twin={"setpoint": TwinProperty(type=TwinType.NUMBER, min=5, max=30)},
    )
    content = json.dumps(msgspec.to_builtins(manifest)).encode()
    module = b"\0asm\1\0\0\0" + version.encode()
    with Client(str(api.base_url)) as client:
        reference = Reference.parse(f"{repository}:{version}")
        return push(client, reference, app_artifact(content, module))


def board(api: httpx.Client, name: str, **labels: str) -> None:
    api.post(NODES, json=node_body(name, **labels))
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.patch(f"{NODES}/{name}/status", json={"status": ready}, headers=MERGE)


def say(api: httpx.Client, name: str, **status: object) -> None:
    """What the node reports of its instance, about the spec it has now."""
    instance = api.get(f"{INSTANCES}/{name}").json()
    desired = instance["spec"]["desired"]
    said = {
        "observedGeneration": instance["metadata"]["generation"],
        "digest": desired["module"]["digest"],
        "version": desired["manifest"]["version"],
        **status,
    }
    answer = api.patch(f"{INSTANCES}/{name}/status", json={"status": said}, headers=MERGE)
    assert answer.status_code == 200, answer.text


def until(api: httpx.Client, path: str, name: str, condition) -> dict:
    """The object once it meets the condition, as a watch tells."""
    field = f"metadata.name={name}"
    with events(api, path, fieldSelector=field, timeoutSeconds=60) as stream:
        for event in stream:
            if event["type"] != "DELETED" and condition(event["object"]):
                return event["object"]
    raise AssertionError(api.get(f"{path}/{name}").json())


def condition(app: dict, kind: str) -> dict:
    found = [each for each in app["status"]["conditions"] if each["type"] == kind]
    return found[0] if found else {"status": "", "reason": ""}


def deploy(api: httpx.Client, name: str, **spec: object) -> None:
    body = app_body(
        name,
        **{
            "grants": {"probe": "i2c-1:0x48"},
            "rollout": {"canaries": 0, "concurrency": 10},
            **spec,
        },
    )
    answer = api.post(APPS, json=body)
    assert answer.status_code == 201, answer.text


def artifact(repository: str, version: str = "1.0.0") -> dict:
    return {"repository": repository, "reference": version}


def test_an_app_reaches_the_nodes_it_selects_and_goes_with_its_owner(api):
    digest = push_app(api, "reach")
    board(api, "reach-1", site="reach")
    board(api, "reach-2", site="other")
    deploy(api, "reach", artifact=artifact("reach"), selector={"matchLabels": {"site": "reach"}})
    made = until(api, INSTANCES, "reach.reach-1", lambda _: True)
    assert made["metadata"]["labels"] == {"skerry.dev/app": "reach", "skerry.dev/node": "reach-1"}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "App"
    assert made["spec"]["desired"]["grants"] == {"probe": "i2c-1:0x48"}
    say(api, "reach.reach-1", state="Running", ready=True)
    app = until(api, APPS, "reach", lambda app: app["status"]["ready"] == 1)
    assert app["status"]["digest"] == digest
    assert condition(app, "Available")["status"] == "True"
    assert api.get(f"{INSTANCES}/reach.reach-2").status_code == 404
    api.patch(f"{NODES}/reach-2", json={"metadata": {"labels": {"site": "reach"}}}, headers=MERGE)
    until(api, INSTANCES, "reach.reach-2", lambda _: True)
    with events(api, INSTANCES, labelSelector="skerry.dev/app=reach") as stream:
        assert {next(stream)["type"] for _ in range(2)} == {"ADDED"}
        api.delete(f"{APPS}/reach")
        assert {next(stream)["type"] for _ in range(2)} == {"DELETED"}


def test_a_broken_version_is_taken_back_and_the_status_says_why(api):
    push_app(api, "broken")
    push_app(api, "broken", "2.0.0")
    for name in ("broken-1", "broken-2"):
        board(api, name, site="broken")
    deploy(
        api,
        "broken",
        artifact=artifact("broken"),
        selector={"matchLabels": {"site": "broken"}},
        rollout={"canaries": 0, "concurrency": 1, "failureThreshold": 1},
    )
    for name in ("broken.broken-1", "broken.broken-2"):
        until(api, INSTANCES, name, lambda _: True)
        say(api, name, state="Running", ready=True)
    until(api, APPS, "broken", lambda app: app["status"]["ready"] == 2)
    second = {"spec": {"artifact": artifact("broken", "2.0.0")}}
    api.patch(f"{APPS}/broken", json=second, headers=MERGE)

    def has(version: str):
        return lambda each: each["spec"]["desired"]["manifest"]["version"] == version

    until(api, INSTANCES, "broken.broken-1", has("2.0.0"))
    say(api, "broken.broken-1", state="Trapped", restarts=1, message="unreachable executed")
    app = until(api, APPS, "broken", lambda app: condition(app, "Degraded")["status"] == "True")
    assert condition(app, "Progressing")["reason"] == "FailureThresholdReached"
    assert "broken-1: Trapped: unreachable executed" in condition(app, "Degraded")["message"]
    back = until(api, INSTANCES, "broken.broken-1", has("1.0.0"))
    assert back["spec"]["failed"]["reason"] == "Trapped"
    assert has("1.0.0")(api.get(f"{INSTANCES}/broken.broken-2").json())


@pytest.mark.parametrize(
    ("name", "spec", "reason", "field"),
    [
        ("absent", {"artifact": artifact("absent")}, "ArtifactNotFound", "absent:1.0.0"),
        ("no-grant", {"grants": {}}, "GrantMissing", "spec.grants.probe"),
        ("odd-grant", {"grants": {"probe": "a", "lamp": "b"}}, "GrantUnknown", "spec.grants.lamp"),
        ("odd-twin", {"twin": {"colour": "red"}}, "TwinInvalid", "spec.twin.colour"),
        ("text-twin", {"twin": {"setpoint": "warm"}}, "TwinInvalid", "spec.twin.setpoint"),
        ("hot-twin", {"twin": {"setpoint": 31}}, "TwinInvalid", "spec.twin.setpoint"),
    ],
)
def test_what_does_not_fit_degrades_the_app_and_touches_no_node(api, name, spec, reason, field):
    push_app(api, "fits")
    board(api, "fits-1", site="fits")
    deploy(api, name, **{"artifact": artifact("fits"), **spec})
    app = until(api, APPS, name, lambda app: condition(app, "Degraded")["status"] == "True")
    assert condition(app, "Degraded")["reason"] == reason
    assert field in condition(app, "Degraded")["message"]
    found = api.get(INSTANCES, params={"labelSelector": f"skerry.dev/app={name}"}).json()
    assert found["items"] == []


def test_a_twin_value_reaches_the_instance_and_keeps_its_version(api):
    push_app(api, "twin")
    board(api, "twin-1", site="twin")
    deploy(api, "twin", artifact=artifact("twin"), selector={"matchLabels": {"site": "twin"}})
    before = until(api, INSTANCES, "twin.twin-1", lambda _: True)
    api.patch(f"{APPS}/twin", json={"spec": {"twin": {"setpoint": 21}}}, headers=MERGE)
    after = until(api, INSTANCES, "twin.twin-1", lambda each: each["spec"]["desired"]["twin"])
    assert after["spec"]["desired"] == {**before["spec"]["desired"], "twin": {"setpoint": 21}}


def test_a_moved_tag_changes_nothing_until_the_spec_does(api):
    first = push_app(api, "tagged")
    board(api, "tagged-1", site="tagged")
    deploy(
        api, "tagged", artifact=artifact("tagged"), selector={"matchLabels": {"site": "tagged"}}
    )
    until(api, APPS, "tagged", lambda app: app["status"]["digest"] == first)
    moved = push_app(api, "tagged", "1.0.1")
    content = api.get(f"/v2/tagged/manifests/{moved}")
    api.put(
        "/v2/tagged/manifests/1.0.0",
        content=content.content,
        headers={"content-type": content.headers["content-type"]},
    )
    say(api, "tagged.tagged-1", state="Running", ready=True)
    app = until(api, APPS, "tagged", lambda app: app["status"]["ready"] == 1)
    assert app["status"]["digest"] == first
    api.patch(f"{APPS}/tagged", json={"spec": {"limits": {"cpu_share": 0.25}}}, headers=MERGE)
    until(api, APPS, "tagged", lambda app: app["status"]["digest"] == moved)


def test_an_app_outside_the_default_namespace_is_told_so(api):
    path = f"{ROOT}/namespaces/elsewhere/apps"
    api.post(path, json=app_body("apart"))
    app = until(api, path, "apart", lambda app: condition(app, "Degraded")["status"] == "True")
    assert condition(app, "Degraded")["reason"] == "NamespaceUnsupported"


def test_a_deleted_instance_is_made_again(api):
    push_app(api, "again")
    board(api, "again-1", site="again")
    deploy(api, "again", artifact=artifact("again"), selector={"matchLabels": {"site": "again"}})
    first = until(api, INSTANCES, "again.again-1", lambda _: True)["metadata"]["uid"]
    api.delete(f"{INSTANCES}/again.again-1")
    until(api, INSTANCES, "again.again-1", lambda each: each["metadata"]["uid"] != first)
