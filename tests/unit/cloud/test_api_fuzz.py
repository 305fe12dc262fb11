"""Whatever a client sends, the answer is never the service's own failure."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.api.admission import admit
from cloud.api.patch import apply_patch, merge_patch
from cloud.errors import StatusError
from cloud.kinds.app import APP
from tests.support.api import APPS, JSON_PATCH, MERGE, NODES, TABLE, app_body, node_body

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = [
    "spec", "metadata", "status", "kind", "apiVersion", "name", "labels", "annotations", "artifact",
    "repository", "reference", "twin", "limits", "memory", "restart", "rollout", "concurrency",
    "failureThreshold", "selector", "matchLabels", "matchExpressions", "key", "operator", "values",
    "grants", "conditions", "resourceVersion", "generation", "creationTimestamp", "ownerReferences",
    "namespace", "uid", "unschedulable", "resources", "generateName",
]  # fmt: skip
likely = st.recursive(
    json_values,
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
pointers = st.lists(st.sampled_from([*FIELDS, "-", "0", "~", "~1", "", "x" * 50]), max_size=4).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "?"])},
    optional={"path": pointers | json_values, "from": pointers | json_values, "value": likely},
)
quick = settings(max_examples=80)


def base() -> dict:
    return {**app_body("fuzzed"), "metadata": {"name": "fuzzed", "namespace": "default"}}


@given(likely)
@settings(max_examples=300, deadline=None)
def test_any_merge_of_an_app_is_admitted_or_refused(patch):
    body = merge_patch(base(), patch)
    if isinstance(body, dict):
        with suppress(StatusError):
            assert admit(APP, body, "default").metadata.namespace == "default"


@given(st.lists(operations, max_size=5) | json_values)
@settings(max_examples=300, deadline=None)
def test_any_json_patch_is_applied_or_refused(patch):
    with suppress(StatusError):
        assert isinstance(apply_patch("application/json-patch+json", base(), patch), dict)


@given(json_values, json_values)
def test_a_merge_patch_applied_twice_changes_nothing_more(target, patch):
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(json_values)
def test_a_merge_patch_leaves_what_it_is_given_alone(target):
    before = json.dumps(target)
    merge_patch(target, {"a": None, "b": {"c": 1}})
    assert json.dumps(target) == before


def test_merge_patch_does_what_the_rfc_shows():
    """RFC 7396 appendix A, those rows that differ in kind."""
    rows = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, result in rows:
        assert merge_patch(target, patch) == result


@quick
@given(st.binary(max_size=60) | likely.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_service(api, body):
    api.post(NODES, json=node_body("fuzzed"))
    json_type = {"content-type": "application/json"}
    answers = [
        api.post(APPS, content=body, headers=json_type),
        api.put(f"{NODES}/fuzzed", content=body, headers=json_type),
        api.patch(f"{NODES}/fuzzed", content=body, headers=MERGE),
        api.patch(f"{NODES}/fuzzed/status", content=body, headers=MERGE),
        api.patch(f"{NODES}/fuzzed", content=body, headers=JSON_PATCH),
        api.request("DELETE", f"{APPS}/none", content=body, headers=json_type),
        api.get(f"{NODES}/fuzzed", headers={"accept": TABLE}),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []


@quick
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "labelSelector",
                "fieldSelector",
                "limit",
                "continue",
                "resourceVersion",
                "includeObject",
                "timeoutSeconds",
                "dryRun",
            ]
        ),
        st.text(max_size=20),
        max_size=4,
    ),
    st.text(max_size=20),
)
def test_no_query_breaks_the_service(api, params, name):
    answers = [
        api.get(APPS, params=params),
        api.get(APPS, params=params, headers={"accept": TABLE}),
        api.get(NODES, params={**params, "watch": "true", "timeoutSeconds": "0"}),
        api.get(f"{APPS}/{name.encode().hex()}", params=params),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
