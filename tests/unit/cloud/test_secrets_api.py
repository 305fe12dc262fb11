"""Secrets in the cloud: sealed in the database, never shown, sent to the nodes that are granted them."""

import json
from pathlib import Path

import httpx
import pytest

from cloud.client.api import Client
from cloud.client.registry import Reference, app_artifact, push
from tests.support.api import APPS, MERGE, ROOT, app_body, events
from tests.support.cloud import CloudService, cloud_service

SECRETS = f"{ROOT}/namespaces/default/secrets"
VALUE = "correct horse battery staple"


def secret(name: str, **data: str) -> dict:
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(data)}
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Secret",
        "metadata": {"name": name, "annotations": annotation},
        "spec": {"data": data},
    }


def test_a_value_is_nowhere_to_be_read(tmp_path: Path):
    with cloud_service(tmp_path) as service, service.client() as api:
        made = api.post(SECRETS, json=secret("weather", api=VALUE))
        assert made.status_code == 201, made.text
        answers = [made, api.get(SECRETS), api.get(f"{SECRETS}/weather")]
        answers.append(api.get("/apis/access.skerry.dev/v1alpha1/audit"))
        table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        answers.append(api.get(f"{SECRETS}?includeObject=Object", headers=table))
        with events(api, SECRETS, timeoutSeconds=5) as seen:
            answers_text = "".join(each.text for each in answers) + json.dumps(next(seen))
    assert "staple" not in answers_text
    assert answers_text.count("sealed:") > 5
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("cloud.db*"))
    assert b"staple" not in kept
    assert (tmp_path / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_what_is_shown_can_be_sent_back_and_a_key_removed(api: httpx.Client):
    api.post(SECRETS, json=secret("edited", one="1", two="2"))
    shown = api.get(f"{SECRETS}/edited").json()
    before = shown["spec"]["data"]
    shown["spec"]["data"]["three"] = "3"
    shown = api.put(f"{SECRETS}/edited", json=shown).json()
    change = {"spec": {"data": {"two": None}}}
    after = api.patch(f"{SECRETS}/edited", json=change, headers=MERGE).json()["spec"]["data"]
    assert after == {"one": before["one"], "three": shown["spec"]["data"]["three"]}


def test_a_value_past_the_limit_is_refused(api: httpx.Client):
    assert api.post(SECRETS, json=secret("long", api="x" * 9000)).status_code == 422


@pytest.fixture
def granted(service: CloudService, api: httpx.Client) -> str:
    """An App on one node that is granted a secret; the node's name."""
    manifest = {"name": "post", "version": "1.0.0", "grants": {"key": {"kind": "secret"}}}
    with Client(service.url) as client:
        content = json.dumps(manifest).encode()
        digest = push(client, Reference("post", "1.0.0"), app_artifact(content, b"\0asm\1\0\0\0"))
    node = {"metadata": {"name": "post-1", "labels": {"post": "yes"}}, "spec": {}}
    api.post(f"{ROOT}/nodes", json={**app_body(), **node, "kind": "Node"})
    ready = {"type": "Ready", "status": "True"}
    status = {"status": {"conditions": [ready]}}
    assert api.patch(f"{ROOT}/nodes/post-1/status", json=status, headers=MERGE).is_success
    spec = {
        "artifact": {"repository": "post", "digest": digest},
        "selector": {"matchLabels": {"post": "yes"}},
        "grants": {"key": "secret:weather/api"},
    }
    api.post(APPS, json={**app_body("post"), "spec": spec})
    return "post-1"


def test_an_app_waits_for_its_secret_and_is_changed_with_it(
    service: CloudService, api: httpx.Client, granted: str
):
    fields = {"fieldSelector": "metadata.name=post", "timeoutSeconds": 20}
    with events(api, APPS, **fields) as seen:
        for event in seen:
            conditions = event["object"]["status"].get("conditions", [])
            if any(each["reason"] == "SecretMissing" for each in conditions):
                break
        else:
            pytest.fail("the App does not say what it misses")
    api.post(SECRETS, json=secret("weather", api=VALUE))
    instances = f"{ROOT}/namespaces/default/appinstances"
    fields = {"fieldSelector": f"metadata.name=post.{granted}", "timeoutSeconds": 20}
    with events(api, instances, **fields) as seen:
        first = next(seen)["object"]["spec"]["desired"]["secrets"]["key"]
        assert first["ref"].startswith("weather/api@")
        assert first["value"] == ""
        api.patch(f"{SECRETS}/weather", json={"spec": {"data": {"api": "new"}}}, headers=MERGE)
        refs = (each["object"]["spec"]["desired"]["secrets"]["key"]["ref"] for each in seen)
        assert next(ref for ref in refs if ref != first["ref"])
