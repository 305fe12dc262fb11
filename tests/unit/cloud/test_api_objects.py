"""The API over a real socket: objects, conflicts, patches, status, selectors, Tables."""

import httpx
import pytest

from tests.support.api import APPS, JSON_PATCH, MERGE, NODES, ROOT, TABLE, app_body, node_body


def create(api: httpx.Client, body: dict, path: str = APPS) -> dict:
    response = api.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


def refused(response: httpx.Response, code: int, reason: str) -> dict:
    assert response.status_code == code, response.text
    status = response.json()
    assert (status["kind"], status["reason"], status["code"]) == ("Status", reason, code)
    return status


def test_a_created_object_gets_what_the_service_owns(api):
    made = create(api, app_body("owned"))
    metadata = made["metadata"]
    assert metadata["namespace"] == "default"
    assert metadata["generation"] == 1
    assert metadata["uid"]
    assert metadata["resourceVersion"].isdigit()
    assert metadata["creationTimestamp"].endswith("Z")
    assert made["spec"]["rollout"]["concurrency"] == "10%"
    assert api.get(f"{APPS}/owned").json()["metadata"]["uid"] == metadata["uid"]


def test_a_name_is_made_from_generate_name(api):
    body = app_body()
    body["metadata"] = {"generateName": "made-"}
    assert create(api, body)["metadata"]["name"].startswith("made-")


def test_a_second_object_of_the_same_name_is_refused(api):
    create(api, app_body("twice"))
    refused(api.post(APPS, json=app_body("twice")), 409, "AlreadyExists")


def test_what_is_not_there_is_not_found(api):
    for path in (f"{APPS}/none", f"{ROOT}/nothing", "/nowhere", f"{NODES}/none/status"):
        refused(api.get(path), 404, "NotFound")
    refused(api.delete(f"{APPS}/none"), 404, "NotFound")
    refused(api.put(f"{APPS}/none", json=app_body("none")), 404, "NotFound")


def test_a_stale_resource_version_is_a_conflict_and_a_fresh_one_is_not(api):
    old = create(api, node_body("stale"), NODES)
    new = api.put(f"{NODES}/stale", json={**old, "spec": {"unschedulable": True}}).json()
    assert new["metadata"]["generation"] == 2
    status = refused(api.put(f"{NODES}/stale", json=old), 409, "Conflict")
    assert new["metadata"]["resourceVersion"] in status["message"]
    again = api.put(f"{NODES}/stale", json={**new, "spec": old["spec"]})
    assert again.json()["metadata"]["generation"] == 3


def test_a_change_that_changes_nothing_makes_no_revision(api):
    create(api, node_body("same"), NODES)
    labels = {"metadata": {"labels": {"a": "b"}}}
    first = api.patch(f"{NODES}/same", json=labels, headers=MERGE).json()
    again = api.patch(f"{NODES}/same", json=labels, headers=MERGE).json()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["generation"] == 1


def test_a_merge_patch_changes_and_removes(api):
    create(api, app_body("merged", twin={"a": 1, "b": 2}, grants={"probe": "i2c-1:0x48"}))
    patched = api.patch(
        f"{APPS}/merged", json={"spec": {"twin": {"a": None, "c": 1.5}}}, headers=MERGE
    )
    assert patched.json()["spec"]["twin"] == {"b": 2, "c": 1.5}
    assert patched.json()["spec"]["grants"] == {"probe": "i2c-1:0x48"}


def test_a_json_patch_tests_and_changes_or_changes_nothing(api):
    create(api, app_body("patched", twin={"a": 1}))
    good = [
        {"op": "test", "path": "/spec/twin/a", "value": 1},
        {"op": "replace", "path": "/spec/twin/a", "value": 2},
    ]
    patched = api.patch(f"{APPS}/patched", json=good, headers=JSON_PATCH)
    assert patched.json()["spec"]["twin"] == {"a": 2}
    refused(api.patch(f"{APPS}/patched", json=good, headers=JSON_PATCH), 422, "Invalid")
    wrong = [{"op": "frobnicate", "path": "/spec"}]
    refused(api.patch(f"{APPS}/patched", json=wrong, headers=JSON_PATCH), 400, "BadRequest")
    assert api.get(f"{APPS}/patched").json()["spec"]["twin"] == {"a": 2}


@pytest.mark.parametrize(
    "media_type",
    ["application/apply-patch+yaml", "application/strategic-merge-patch+json", "text/plain"],
)
def test_other_patches_are_refused_with_what_to_use_instead(api, media_type):
    create(api, app_body(f"other-{len(media_type)}"))
    response = api.patch(
        f"{APPS}/other-{len(media_type)}", content=b"{}", headers={"content-type": media_type}
    )
    status = refused(response, 415, "UnsupportedMediaType")
    assert "application/merge-patch+json" in status["message"]


def test_the_main_endpoint_ignores_status_and_the_status_endpoint_all_else(api):
    create(api, node_body("two-faced", site="a"), NODES)
    body = {"status": {"board": "pi"}, "spec": {"unschedulable": True}}
    main = api.patch(f"{NODES}/two-faced", json=body, headers=MERGE).json()
    assert main["spec"]["unschedulable"] is True
    assert main["status"]["board"] == ""
    body = {"status": {"board": "pi"}, "spec": {"unschedulable": False}}
    status = api.patch(f"{NODES}/two-faced/status", json=body, headers=MERGE).json()
    assert status["status"]["board"] == "pi"
    assert status["spec"]["unschedulable"] is True
    assert status["metadata"]["generation"] == main["metadata"]["generation"]
    status["status"]["board"] = "zero"
    status["metadata"]["labels"] = {}
    put = api.put(f"{NODES}/two-faced/status", json=status).json()
    assert put["status"]["board"] == "zero"
    assert put["metadata"]["labels"] == {"site": "a"}


def test_a_delete_with_another_uid_or_version_is_a_conflict(api):
    made = create(api, app_body("careful"))["metadata"]
    for wrong in ({"uid": "other"}, {"resourceVersion": "1"}):
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": wrong}
        response = api.request("DELETE", f"{APPS}/careful", json=body)
        refused(response, 409, "Conflict")
    body = {"preconditions": {"uid": made["uid"]}}
    gone = api.request("DELETE", f"{APPS}/careful", json=body).json()
    assert (gone["status"], gone["details"]["uid"]) == ("Success", made["uid"])
    refused(api.get(f"{APPS}/careful"), 404, "NotFound")


def test_a_collection_is_deleted_by_selector(api):
    for index in range(3):
        create(api, node_body(f"bulk-{index}", bulk="yes" if index else "no"), NODES)
    gone = api.delete(NODES, params={"labelSelector": "bulk=yes"}).json()
    assert [item["metadata"]["name"] for item in gone["items"]] == ["bulk-1", "bulk-2"]
    left = api.get(NODES, params={"labelSelector": "bulk"}).json()["items"]
    assert [item["metadata"]["name"] for item in left] == ["bulk-0"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("sel=1", {"s1"}),
        ("sel==1", {"s1"}),
        ("sel!=1,sel", {"s2", "s3"}),
        ("sel in (1, 2)", {"s1", "s2"}),
        ("sel notin (1,2),sel", {"s3"}),
        ("sel,!odd", {"s2"}),
        ("sel=1,odd=no", set()),
    ],
)
def test_objects_are_listed_by_label(api, selector, found):
    for index in (1, 2, 3):
        labels = {"sel": str(index)} | ({"odd": "yes"} if index % 2 else {})
        api.post(NODES, json=node_body(f"s{index}", **labels))
    items = api.get(NODES, params={"labelSelector": selector}).json()["items"]
    assert {item["metadata"]["name"] for item in items} == found


def test_objects_are_listed_by_field(api):
    create(api, app_body("by-field"))
    create(api, app_body("by-field-too"))
    for path in (APPS, f"{ROOT}/apps"):
        items = api.get(path, params={"fieldSelector": "metadata.name=by-field"}).json()["items"]
        assert [item["metadata"]["name"] for item in items] == ["by-field"]
    status = refused(api.get(APPS, params={"fieldSelector": "spec.foo=1"}), 400, "BadRequest")
    assert "spec.foo" in status["message"]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"labelSelector": "a=="}, None),
        ({"labelSelector": "a=b=c"}, "labelSelector"),
        ({"labelSelector": "in (a)"}, "labelSelector"),
        ({"labelSelector": "-bad-"}, "labelSelector"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 40}, "limit"),
        ({"continue": "???"}, "continue"),
        ({"continue": "WzEsMl0="}, "continue"),
        ({"watch": "maybe"}, "watch"),
        ({"watch": "1", "timeoutSeconds": "1", "resourceVersion": "-5"}, "resourceVersion"),
    ],
)
def test_a_bad_query_names_the_parameter(api, params, named):
    response = api.get(APPS, params=params)
    if named is None:
        assert response.status_code == 200
    else:
        assert named in refused(response, 400, "BadRequest")["message"]


def test_pages_show_the_state_of_the_first_page(api):
    for index in range(5):
        create(
            api,
            app_body(f"paged-{index}")
            | {"metadata": {"name": f"paged-{index}", "labels": {"paged": "y"}}},
        )
    first = api.get(APPS, params={"limit": 2, "labelSelector": "paged=y"}).json()
    api.delete(f"{APPS}/paged-3")
    late = app_body()
    late["metadata"] = {"name": "paged-9", "labels": {"paged": "y"}}
    create(api, late)
    names = [item["metadata"]["name"] for item in first["items"]]
    page = first
    while token := page["metadata"].get("continue"):
        page = api.get(
            APPS, params={"limit": 2, "labelSelector": "paged=y", "continue": token}
        ).json()
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
    assert names == [f"paged-{index}" for index in range(5)]


def test_objects_of_other_namespaces_are_others(api):
    path = f"{ROOT}/namespaces/elsewhere/apps"
    create(api, app_body("apart"), path)
    refused(api.get(f"{APPS}/apart"), 404, "NotFound")
    items = api.get(f"{ROOT}/apps", params={"fieldSelector": "metadata.name=apart"}).json()[
        "items"
    ]
    assert [item["metadata"]["namespace"] for item in items] == ["elsewhere"]
    wrong = app_body("wrong")
    wrong["metadata"]["namespace"] = "default"
    refused(api.post(path, json=wrong), 400, "BadRequest")
    names = [item["metadata"]["name"] for item in api.get("/api/v1/namespaces").json()["items"]]
    assert {"default", "elsewhere"} <= set(names)


def test_a_table_has_the_columns_people_look_for(api):
    create(api, app_body("tabled"))
    table = api.get(f"{APPS}/tabled", headers={"accept": TABLE}).json()
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"] if not column["priority"]]
    assert names == ["Name", "Ready", "Version", "Status", "Age"]
    assert table["rows"][0]["cells"][0] == "tabled"
    assert table["rows"][0]["object"]["metadata"]["name"] == "tabled"
    bare = api.get(APPS, params={"includeObject": "None"}, headers={"accept": TABLE}).json()
    assert all("object" not in row for row in bare["rows"])
    refused(api.get(APPS, headers={"accept": "text/html"}), 406, "NotAcceptable")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"spec": {"artefact": {}}}, "spec.artefact"),
        ({"spec": {"artifact": {"repository": "a", "tag": "1"}}}, "spec.artifact.tag"),
        ({"spec": {"artifact": {"repository": "a"}}}, "spec.artifact"),
        (
            {
                "spec": {
                    "artifact": {
                        "repository": "a",
                        "reference": "1",
                        "digest": "sha256:" + "0" * 64,
                    }
                }
            },
            "spec.artifact",
        ),
        (
            {"spec": {"artifact": {"repository": "UPPER", "reference": "1"}}},
            "spec.artifact.repository",
        ),
        ({"spec": {}}, "spec.artifact"),
        (
            {"spec": {**app_body()["spec"], "rollout": {"concurrency": 0}}},
            "spec.rollout.concurrency",
        ),
        (
            {"spec": {**app_body()["spec"], "rollout": {"failureThreshold": "120%"}}},
            "spec.rollout.failureThreshold",
        ),
        ({"spec": {**app_body()["spec"], "limits": {"memroy": 1}}}, "spec.limits"),
        ({"spec": {**app_body()["spec"], "limits": {"memory": 1}}}, "spec.limits.memory"),
        (
            {"spec": {**app_body()["spec"], "restart": {"policy": "Sometimes"}}},
            "spec.restart.policy",
        ),
        ({"spec": {**app_body()["spec"], "twin": {"a": [1]}}}, "spec.twin"),
        (
            {
                "spec": {
                    **app_body()["spec"],
                    "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
                }
            },
            "spec.selector.matchExpressions[0].values",
        ),
        ({"metadata": {}}, "metadata.name"),
        ({"metadata": {"name": "UPPER"}}, "metadata.name"),
        ({"metadata": {"name": "x", "labels": {"a": "not ok!"}}}, "metadata.labels"),
        ({"metadata": {"name": "x", "finalizers": ["a"]}}, "metadata.finalizers"),
        ({"metadata": {"name": "x", "annotations": {"a": "b" * 300_000}}}, "metadata.annotations"),
    ],
)
def test_a_wrong_field_is_named(api, change, field):
    status = refused(api.post(APPS, json={**app_body("wrong"), **change}), 422, "Invalid")
    assert status["details"]["causes"][0]["field"].startswith(field)


def test_an_unknown_field_is_answered_with_the_known_ones(api):
    body = app_body("typo", rollout={"concurency": 2})
    status = refused(api.post(APPS, json=body), 422, "Invalid")
    assert "concurrency, failureThreshold" in status["details"]["causes"][0]["message"]


@pytest.mark.parametrize(
    ("content", "headers", "code", "reason"),
    [
        (b"{", {}, 400, "BadRequest"),
        (b"[]", {}, 400, "BadRequest"),
        (b"\xff", {}, 400, "BadRequest"),
        (b"{}", {}, 400, "BadRequest"),
        (b"[" * 100_000, {}, 400, "BadRequest"),
        (b"[" * 70 + b"]" * 70, {}, 400, "BadRequest"),
        (b'{"a":' + b"9" * 400 + b"}", {}, 400, "BadRequest"),
        (b" " * (1 << 20) + b" {}", {}, 413, "RequestEntityTooLarge"),
        (b"kind: App", {"content-type": "application/yaml"}, 415, "UnsupportedMediaType"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(api, content, headers, code, reason):
    response = api.post(
        APPS, content=content, headers={"content-type": "application/json", **headers}
    )
    refused(response, code, reason)


def test_a_dry_run_is_refused_rather_than_done(api):
    refused(api.post(APPS, params={"dryRun": "All"}, json=app_body("dry")), 400, "BadRequest")
    refused(api.get(f"{APPS}/dry"), 404, "NotFound")


def test_other_methods_are_refused(api):
    refused(api.put(APPS, json={}), 405, "MethodNotAllowed")
    refused(api.post("/version", json={}), 405, "MethodNotAllowed")


def test_discovery_leads_to_every_kind(api):
    assert api.get("/api").json()["versions"] == ["v1"]
    group = api.get("/apis").json()["groups"][0]
    version = group["preferredVersion"]["groupVersion"]
    resources = api.get(f"/apis/{version}").json()["resources"]
    assert {r["name"] for r in resources} >= {"apps", "apps/status", "nodes", "appinstances"}
    for resource in resources:
        if "list" in resource["verbs"]:
            assert api.get(f"/apis/{version}/{resource['name']}").status_code == 200
    assert api.get("/version").json()["gitVersion"].startswith("v1.")
    for path in ("/healthz", "/readyz", "/livez"):
        assert api.get(path).text == "ok"


def test_openapi_names_every_kind(api):
    for path in ("/openapi/v2", f"/openapi/v3{ROOT}"):
        document = api.get(path).json()
        schemas = document.get("definitions") or document["components"]["schemas"]
        kinds = [
            each["x-kubernetes-group-version-kind"][0]["kind"]
            for each in schemas.values()
            if "x-kubernetes-group-version-kind" in each
        ]
        apps, firmware = ["App", "AppInstance"], ["Firmware", "FirmwareInstance"]
        assert sorted(kinds) == [*apps, *firmware, "Node", "Role", "RoleBinding", "Secret"]
    index = api.get("/openapi/v3").json()["paths"]
    assert all(api.get(each["serverRelativeURL"]).status_code == 200 for each in index.values())
