"""Decisions, actions, tokens and buckets by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.access.actions import action_of
from cloud.access.policy import BUILT_IN, Action, Rule, decide
from cloud.access.ratelimit import Limiter, Rate
from cloud.access.tokens import make, well_formed

words = st.sampled_from(["get", "list", "create", "*", "apps", "nodes", "tokens"])
rules = st.builds(
    Rule,
    st.lists(words, min_size=1, max_size=2).map(tuple),
    st.lists(words, min_size=1, max_size=2).map(tuple),
    st.sampled_from([("*",), ("default",), ("lab",)]),
    st.sampled_from([{}, {"site": "barn"}]),
)
actions = st.builds(
    Action,
    st.sampled_from(["get", "list", "create", "delete"]),
    st.sampled_from(["apps", "nodes", "tokens", "unknown", "apps/status"]),
    st.sampled_from([None, "", "default", "lab"]),
)


@given(actions)
def test_without_a_rule_nothing_is_allowed(action):
    assert not decide((), action).allowed


@given(st.lists(rules, max_size=4), rules, actions)
def test_another_rule_never_takes_anything_away(held, more, action):
    before, after = decide(held, action), decide([*held, more], action)
    assert after.allowed or not before.allowed
    assert not (before.allowed and not before.nodes and after.nodes)


@given(st.lists(rules, max_size=4), actions)
def test_what_is_unknown_needs_a_rule_for_everything(held, action):
    if action.kind == "unknown" and not any("*" in rule.kinds for rule in held):
        assert not decide(held, action).allowed


def test_only_an_administrator_turns_the_authority():
    operator = BUILT_IN["operator"]
    assert decide(operator, Action("create", "jointokens")).allowed
    assert not decide(operator, Action("create", "authority", "", "retire")).allowed
    assert not decide(BUILT_IN["viewer"], Action("create", "jointokens")).allowed


def test_an_operator_does_not_write_what_only_nodes_report():
    for kind in ("apps/status", "nodes/status", "appinstances", "appinstances/status"):
        assert not decide(BUILT_IN["operator"], Action("patch", kind, "default")).allowed


@pytest.mark.parametrize(
    ("method", "path", "query", "wanted"),
    [
        (
            *("POST", "/apis/identity.skerry.dev/v1alpha1/nodes/a/revoke", b""),
            Action("create", "identities", "", "a", "a"),
        ),
        (
            *("POST", "/apis/identity.skerry.dev/v1alpha1/tokens", b""),
            Action("create", "jointokens"),
        ),
        ("GET", "/apis/skerry.dev/v1alpha1/apps", b"", Action("list", "apps", None)),
        ("GET", "/apis/skerry.dev/v1alpha1/nodes/a", b"", Action("get", "nodes", "", "a", "a")),
        (
            "GET",
            "/apis/skerry.dev/v1alpha1/namespaces/x/apps",
            b"watch=false&watch=1",
            Action("watch", "apps", "x"),
        ),
        (
            "PATCH",
            "/apis/skerry.dev/v1alpha1/namespaces/x/apps/a/status",
            b"",
            Action("patch", "apps/status", "x", "a"),
        ),
        (
            "GET",
            "/apis/skerry.dev/v1alpha1/namespaces/default/appinstances/app.barn",
            b"",
            Action("get", "appinstances", "default", "app.barn", "barn"),
        ),
        (
            "DELETE",
            "/apis/skerry.dev/v1alpha1/nodes",
            b"",
            Action("deletecollection", "nodes", ""),
        ),
        ("PUT", "/v2/a/b/manifests/1", b"", Action("create", "artifacts", "", "a/b")),
        ("DELETE", "/v2/a/b/manifests/1", b"", Action("delete", "artifacts", "", "a/b")),
        (
            "GET",
            "/apis/telemetry.skerry.dev/v1alpha1/readings",
            b"node=a&node=b",
            Action("list", "telemetry", "", "", "b"),
        ),
        (
            "GET",
            "/apis/new.group/v1/things",
            b"",
            Action("get", "unknown", "", "/apis/new.group/v1/things"),
        ),
    ],
)
def test_a_request_line_says_what_it_asks_for(method, path, query, wanted):
    assert action_of(method, path, query) == wanted


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.characters(codec="ascii"))
def test_one_wrong_character_is_noticed(random, place, other):
    token = make("service", random)
    assert well_formed(token)
    changed = token[:place] + other + token[place + 1 :]
    assert changed == token or not well_formed(changed)


def test_a_bucket_fills_with_time_and_no_further():
    limiter = Limiter(Rate(per_second=2, burst=3))
    assert [limiter.take("a", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.take("b", 10.0) == 0
    assert limiter.take("a", 10.5) == 0
    assert [limiter.take("a", 1000.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.take("a", 5.0) > 0, "a clock that goes back gives nothing"


def test_the_number_of_buckets_is_bounded():
    limiter = Limiter(Rate(per_second=1, burst=1), buckets=100)
    for each in range(1000):
        limiter.take(str(each), 0.0)
    assert len(limiter) == 100
    assert limiter.take("999", 0.0) > 0, "the latest are remembered"
