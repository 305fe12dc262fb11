"""Every route of a running cloud, asked by nobody, by somebody with little, and by the owner."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.routing import BaseRoute, Route, WebSocketRoute

from cloud.access.gate import PUBLIC, WITHOUT_TLS, Limits
from cloud.access.ratelimit import Rate
from cloud.kinds.app import REPL
from cloud.service import Config, running
from tests.support.api import APPS, MERGE, NODES, ROOT, app_body, node_body
from tests.support.cloud import CloudService, cloud_service

ACCESS = "/apis/access.skerry.dev/v1alpha1"
TELEMETRY = "/apis/telemetry.skerry.dev/v1alpha1"
CLOSED = {401, 429}
"""429: the tests before this one had no credential either, from the same address."""
PUBLIC_ROUTES = {"/healthz", "/livez", "/readyz"} | {
    f"/join/v1alpha1/{word}" for word in ("trust", "join", "challenge", "reenrol")
}
"""Of a service with identities."""


def person(service: CloudService, api: httpx.Client, name: str, *roles: str) -> httpx.Client:
    """A client of a new user with these roles."""
    made = api.post(f"{ACCESS}/users", json={"name": name, "roles": list(roles)})
    assert made.status_code == 201, made.text
    return bearer(service, made.json()["token"])


def bearer(service: CloudService, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=service.url, headers={"authorization": f"Bearer {token}"}, timeout=20
    )


def role(api: httpx.Client, name: str, *rules: dict[str, Any]) -> None:
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Role",
        "metadata": {"name": name},
        "spec": {"rules": list(rules)},
    }
    made = api.post(f"{ROOT}/roles", json=body)
    assert made.status_code == 201, made.text


def audit(api: httpx.Client, **which: Any) -> list[dict[str, Any]]:
    return api.get(f"{ACCESS}/audit", params=which).json()["items"]


@pytest.fixture
def nobody(service: CloudService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=20) as client:
        yield client


def every_route(tmp_path: Path) -> list[BaseRoute]:
    async def look() -> list[BaseRoute]:
        async with running(Config(data_dir=tmp_path)) as app:
            return list(app.routes)

    return anyio.run(look)


def test_every_route_is_closed_to_who_has_no_credential(tmp_path, nobody):
    routes = every_route(tmp_path)
    open_paths, asked = set(), 0
    for route in routes:
        assert isinstance(route, Route | WebSocketRoute), f"{route}: say here how to ask it"
        path = re.sub(r"\{rest:path\}", "apps/thermo/manifests/v1", route.path)
        path = re.sub(r"\{[a-z_]+\}", "x", path)
        methods = route.methods if isinstance(route, Route) else {"WEBSOCKET"}
        for method in methods or {"GET"}:
            asked += 1
            if any(each.fullmatch(f"{method} {path}") for each in WITHOUT_TLS):
                continue  # the nodes of this loopback; test_trust_nodes closes them
            if any(each.fullmatch(f"{method} {path}") for each in PUBLIC):
                open_paths.add(route.path)
            else:
                assert nobody.request(method, path).status_code in CLOSED, (method, path)
    assert open_paths == PUBLIC_ROUTES
    assert asked > 50


@pytest.mark.parametrize(
    "path", ["/", "/no/such/path", "/apis/skerry.dev/v1alpha1/namespaces/x/apps/y/z", "/metrics/"]
)
def test_what_is_no_route_is_closed_too(nobody, path):
    assert nobody.get(path).status_code in CLOSED


@pytest.mark.parametrize(
    "header",
    [
        "Bearer skru_" + "A" * 43 + "00000000",
        "Bearer",
        "Basic !!!",
        "Basic " + "QTpi" * 500,
        "Digest x",
        "Bearer " + "x" * 5000,
    ],
)
def test_a_credential_that_is_none_opens_nothing(nobody, header):
    answer = nobody.get(NODES, headers={"authorization": header})
    assert answer.status_code in CLOSED
    assert answer.json()["kind"] == "Status"


def test_a_viewer_sees_and_changes_nothing(service, api):
    with person(service, api, "vera", "viewer") as vera:
        assert vera.get(APPS).status_code == 200
        assert vera.get(f"{TELEMETRY}/readings").status_code == 200
        assert vera.get("/metrics").status_code == 200
        assert vera.post(APPS, json=app_body("by-vera")).status_code == 403
        assert vera.delete(f"{NODES}/any").status_code == 403
        assert vera.get(f"{ACCESS}/audit").status_code == 403
        assert vera.get(f"{ACCESS}/users").status_code == 403
        assert (
            vera.put("/v2/x/manifests/v1", content=b"{}").json()["errors"][0]["code"] == "DENIED"
        )


def test_an_operator_deploys_but_gives_nobody_rights(service, api):
    with person(service, api, "olga", "operator") as olga:
        assert olga.post(APPS, json=app_body("by-olga")).status_code == 201
        assert olga.delete(f"{APPS}/by-olga").status_code == 200
        assert olga.post(f"{ACCESS}/users", json={"name": "eve"}).status_code == 403
        assert olga.patch(f"{APPS}/by-olga/status", json={}, headers=MERGE).status_code == 403


LINE = {"twin": {REPL: "s.1:print(1)"}}


def test_an_operator_opens_no_repl_and_types_into_none_without_the_role(service, api):
    with person(service, api, "ophelia", "operator") as ophelia:
        refused = ophelia.post(APPS, json=app_body("mine", **LINE))
        assert refused.status_code == 403
        assert "bind a role that allows it: the built-in `repl`" in refused.json()["message"]
        assert ophelia.post(APPS, json=app_body("plain")).status_code == 201
        line = {"spec": LINE}
        assert ophelia.patch(f"{APPS}/plain", json=line, headers=MERGE).status_code == 403
        assert api.post(APPS, json=app_body("theirs", **LINE)).status_code == 201
        other = {"spec": {"twin": {REPL: "s.2:evil()"}}}
        assert ophelia.patch(f"{APPS}/theirs", json=other, headers=MERGE).status_code == 403
        again = app_body("theirs", **other["spec"])
        assert ophelia.put(f"{APPS}/theirs", json=again).status_code == 403
        assert api.get(f"{APPS}/theirs").json()["spec"]["twin"] == LINE["twin"]
        # To end one is to take power away from it.
        assert ophelia.delete(f"{APPS}/theirs").status_code == 200


def test_the_role_repl_beside_operator_opens_one_and_alone_does_nothing(service, api):
    with person(service, api, "odin", "operator", "repl") as odin:
        assert odin.post(APPS, json=app_body("mine", **LINE)).status_code == 201
        other = {"spec": {"twin": {REPL: "s.2:1 + 1"}}}
        assert odin.patch(f"{APPS}/mine", json=other, headers=MERGE).status_code == 200
    [*_, written] = audit(api, actor="odin", kind="apps", verb="patch")
    assert "s.1:print(1)" in written["before"]
    assert "s.2:1 + 1" in written["after"]
    with person(service, api, "rhea", "repl") as rhea:
        assert rhea.post(APPS, json=app_body("hers", **LINE)).status_code == 403


def test_a_repl_on_some_nodes_is_one_on_no_others(service, api):
    pigs = {"verbs": ["create"], "kinds": ["repls"], "nodeLabels": {"site": "pigs"}}
    role(api, "pig-repl", pigs)
    with person(service, api, "petra", "operator", "pig-repl") as petra:
        there = {"selector": {"matchLabels": {"site": "pigs"}}}
        assert petra.post(APPS, json=app_body("anywhere", **LINE)).status_code == 403
        assert petra.post(APPS, json=app_body("pigs", **there, **LINE)).status_code == 201


def test_a_role_for_all_of_rolebindings_still_cannot_give_more_than_it_has(service, api):
    role(api, "binder", {"verbs": ["*"], "kinds": ["rolebindings", "roles", "tokens"]})
    with person(service, api, "bert", "binder") as bert:
        assert bert.get(f"{ROOT}/rolebindings").status_code == 200
        body = {
            "apiVersion": "skerry.dev/v1alpha1",
            "kind": "RoleBinding",
            "metadata": {"name": "all-for-bert"},
            "spec": {"roles": ["admin"], "subjects": [{"kind": "User", "name": "bert"}]},
        }
        assert bert.post(f"{ROOT}/rolebindings", json=body).status_code == 403
        wish = {"kind": "user", "name": "admin"}
        assert bert.post(f"{ACCESS}/tokens", json=wish).status_code == 403


def test_a_built_in_role_cannot_be_redefined(api):
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Role",
        "metadata": {"name": "viewer"},
        "spec": {"rules": [{"verbs": ["*"], "kinds": ["*"]}]},
    }
    assert api.post(f"{ROOT}/roles", json=body).status_code == 422


def test_a_role_in_one_namespace_stays_there(service, api):
    role(api, "lab", {"verbs": ["*"], "kinds": ["apps"], "namespaces": ["lab"]})
    with person(service, api, "lars", "lab") as lars:
        there = f"{ROOT}/namespaces/lab/apps"
        assert lars.post(there, json=app_body("mine")).status_code == 201
        assert lars.get(there).status_code == 200
        assert lars.get(APPS).status_code == 403
        assert lars.get(f"{ROOT}/apps").status_code == 403, "all namespaces are not its own"
        assert lars.get(NODES).status_code == 403


def test_a_role_for_some_nodes_reaches_no_others(service, api):
    for name, site in (("pig-1", "pigs"), ("cow-1", "cows")):
        assert api.post(NODES, json=node_body(name, site=site)).status_code == 201
    pigs = {"site": "pigs"}
    role(api, "pigs", {"verbs": ["*"], "kinds": ["*"], "nodeLabels": pigs})
    with person(service, api, "paul", "pigs") as paul:
        assert [each["metadata"]["name"] for each in paul.get(NODES).json()["items"]] == ["pig-1"]
        sneaky = paul.get(f"{NODES}?%6cabelSelector=site%3Dcows&labelSelector=site%3Dcows")
        assert sneaky.json()["items"] == []
        assert paul.get(f"{NODES}/pig-1").status_code == 200
        assert paul.get(f"{NODES}/cow-1").status_code == 403
        assert paul.get(f"{TELEMETRY}/latest", params={"node": "pig-1"}).status_code == 200
        assert paul.get(f"{TELEMETRY}/latest", params={"node": "cow-1"}).status_code == 403
        assert paul.get(f"{TELEMETRY}/latest").status_code == 403
        assert paul.get(f"{ROOT}/appinstances").status_code == 403
        assert paul.delete(NODES).status_code == 403
        assert paul.post(APPS, json=app_body("all")).status_code == 403
        mine = app_body("mine-1", selector={"matchLabels": {**pigs, "row": "2"}})
        assert paul.post(APPS, json=mine).status_code == 201
        wider = {"spec": {"selector": {"matchLabels": {"site": None}}}}
        assert paul.patch(f"{APPS}/mine-1", json=wider, headers=MERGE).status_code == 403
        assert paul.get(f"{APPS}/mine-1").json()["spec"]["selector"]["matchLabels"] == {
            **pigs,
            "row": "2",
        }
        assert paul.post(f"{ACCESS}/users", json={"name": "eve"}).status_code == 403


def test_a_binding_taken_away_counts_from_the_next_request_on(service, api):
    with person(service, api, "tom", "viewer") as tom:
        assert tom.get(NODES).status_code == 200
        bindings = api.get(f"{ROOT}/rolebindings").json()["items"]
        mine = next(each for each in bindings if each["metadata"]["name"].startswith("user-tom"))
        api.delete(f"{ROOT}/rolebindings/{mine['metadata']['name']}")
        assert tom.get(NODES).status_code == 403


def test_a_revoked_token_and_a_deleted_user_are_out_at_once(service, api):
    with person(service, api, "rita", "viewer") as rita:
        who = rita.get(f"{ACCESS}/whoami").json()
        assert who["name"] == "rita"
        assert who["roles"] == ["viewer"]
        assert api.delete(f"{ACCESS}/tokens/{who['token']}").status_code == 200
        assert rita.get(NODES).status_code in CLOSED
        again = api.post(f"{ACCESS}/tokens", json={"kind": "user", "name": "rita"}).json()["token"]
        with bearer(service, again) as back:
            assert back.get(NODES).status_code == 200
            api.delete(f"{ACCESS}/users/rita")
            assert back.get(NODES).status_code in CLOSED


def test_a_service_uses_its_token_as_a_password_too(service, api):
    body = {"name": "ci", "roles": ["operator"]}
    token = api.post(f"{ACCESS}/serviceaccounts", json=body).json()["token"]
    assert token.startswith("skrs_")
    with httpx.Client(base_url=service.url, auth=("ci", token)) as ci:
        assert ci.get("/v2/").status_code == 200
        assert ci.get(f"{ACCESS}/whoami").json()["kind"] == "service"


def test_who_may_is_answered_as_kubectl_asks(service, api):
    def may(client: httpx.Client, verb: str, resource: str) -> bool:
        wish = {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": "default"}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return client.post(path, json={"spec": wish}).json()["status"]["allowed"]

    with person(service, api, "mia", "viewer") as mia:
        assert may(mia, "list", "apps")
        assert not may(mia, "create", "apps")
        assert may(api, "create", "apps")


def test_a_write_is_in_the_audit_log_with_before_and_after(service, api):
    with person(service, api, "ada", "operator") as ada:
        ada.post(APPS, json=app_body("audited"))
        change = {"spec": {"twin": {"interval": 5}}}
        ada.patch(f"{APPS}/audited", json=change, headers=MERGE)
        ada.delete(f"{APPS}/audited")
        ada.post(f"{ROOT}/rolebindings", json={})
        ada.get(APPS)
    made, changed, deleted = audit(api, actor="ada", kind="apps")
    assert (made["verb"], made["actor"], made["address"]) == ("create", "ada", "127.0.0.1")
    assert "before" not in made
    assert '"interval":5' not in changed["before"]
    assert '"interval":5' in changed["after"]
    assert "after" not in deleted
    (refused,) = audit(api, actor="ada", kind="rolebindings")
    assert refused["code"] == 403


def test_a_write_that_fails_leaves_its_outcome_and_no_deed(api):
    api.patch(f"{APPS}/not-there", json={"spec": {}}, headers=MERGE)
    (record,) = audit(api, name="not-there")
    assert record["code"] == 404
    assert "after" not in record


def test_no_token_is_ever_in_the_audit_log_or_the_database(tmp_path):
    with cloud_service(tmp_path) as service, service.client() as api:
        made = api.post(f"{ACCESS}/users", json={"name": "kim", "roles": ["viewer"]}).json()
        first = api.headers["authorization"].removeprefix("Bearer ")
        logged = api.get(f"{ACCESS}/audit").text + api.get(f"{ACCESS}/tokens").text
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("cloud.db*"))
    for token in (made["token"], first):
        assert token not in logged
        assert token.encode() not in kept
    assert made["id"] in logged


def test_guessing_tokens_is_slowed_down_and_noticed(tmp_path):
    limits = Limits(failures=Rate(per_second=0.001, burst=12))
    with cloud_service(tmp_path, access=limits) as service:
        with httpx.Client(base_url=service.url) as guesser:
            codes = [guesser.get(NODES).status_code for _ in range(15)]
            late = guesser.get(NODES)
        assert codes == [401] * 12 + [429] * 3
        assert int(late.headers["retry-after"]) > 60
        with service.client() as api:
            assert api.get(NODES).status_code == 200, "who has a token is not locked out"
            noticed = [each["reason"] for each in audit(api, kind="nodes") if each["code"] == 401]
    assert [each.split("; ")[1].split()[1] for each in noticed] == ["1", "10"]


def test_one_identity_cannot_take_the_whole_service(tmp_path):
    limits = Limits(api=Rate(per_second=0.001, burst=5))
    with cloud_service(tmp_path, access=limits) as service, service.client() as api:
        codes = [api.get(NODES).status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2


def test_the_first_administrator_is_made_once_in_a_file_of_its_owner(tmp_path):
    with cloud_service(tmp_path):
        context = tmp_path / "context"
        assert context.stat().st_mode & 0o777 == 0o600
        first = context.read_text()
    context.unlink()
    with cloud_service(tmp_path):
        assert not context.exists(), "who takes it away does not get another by a restart"
    assert "skru_" in first
