"""What the stored roles and bindings say of a request, always as of the newest commit.

Rules: the policy is read again when a Role or RoleBinding was committed since; so a binding that is
taken away counts from the next request on.
"""

from collections.abc import Mapping

from cloud.access.policy import BUILT_IN, DENIED, Action, Decision, Rule, decide
from cloud.access.principal import Principal
from cloud.errors import Forbidden, NotFound
from cloud.kinds.access import Role, RoleBinding, SubjectKind, rules_of
from cloud.kinds.app import REPL, App
from cloud.kinds.node import Node
from cloud.store.objects import Objects


class Authorizer:
    """Decides for one service. Concurrency: one event loop."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._seen = -1
        self._rules: dict[tuple[str, str], list[Rule]] = {}

    async def decide(self, principal: Principal, action: Action) -> Decision:
        """Whether this one may do it."""
        if principal.kind not in {"user", "service"}:
            return DENIED  # nodes have rules of their own, at the gate
        changes = self._objects.changes(Role, RoleBinding)
        if changes != self._seen:
            self._rules = await self._read()
            self._seen = changes
        return decide(self._rules.get((principal.kind, principal.name), ()), action)

    async def check_node(self, decision: Decision, action: Action) -> None:
        """Raises Forbidden unless the node or App of the action is one the decision allows."""
        if action.kind == "apps" and action.name:
            try:
                app = await self._objects.get(App, action.name, action.namespace)
            except NotFound:
                return  # there is nothing to see; what is made is checked when it is written
            check_app(decision, app)
            return
        if action.kind == "apps" and action.verb == "create":
            return  # checked when it is written
        labels: Mapping[str, str] | None = None
        if action.node:
            try:
                labels = (await self._objects.get(Node, action.node)).metadata.labels
            except NotFound:
                labels = {}
        if labels is None or not any(_within(labels, wanted) for wanted in decision.nodes):
            raise Forbidden(_limited(decision, "name a node that has them"))

    async def _read(self) -> dict[tuple[str, str], list[Rule]]:
        roles = dict(BUILT_IN)
        for role in (await self._objects.list(Role)).items:
            roles.setdefault(role.metadata.name, rules_of(role))
        found: dict[tuple[str, str], list[Rule]] = {}
        for binding in (await self._objects.list(RoleBinding)).items:
            rules = [rule for name in binding.spec.roles for rule in roles.get(name, ())]
            for subject in binding.spec.subjects:
                kind = "user" if subject.kind is SubjectKind.USER else "service"
                found.setdefault((kind, subject.name), []).extend(rules)
        return found


def check_app(decision: Decision, app: App) -> None:
    """Raises Forbidden unless the App can only ever select nodes the decision allows."""
    labels = app.spec.selector.match_labels
    if not any(_within(labels, wanted) for wanted in decision.nodes):
        raise Forbidden(
            _limited(decision, "have spec.selector.matchLabels of the App name them"),
            kind="apps",
            name=app.metadata.name,
        )


def check_repl(decision: Decision, app: App) -> None:
    """Raises Forbidden for an App that executes what is typed, unless `decision` on repls allows it."""
    if REPL not in app.spec.twin:
        return
    if not decision.allowed:
        raise Forbidden(
            f"spec.twin.{REPL}: you may not open a REPL or write to one; "
            "an administrator can bind a role that allows it: the built-in `repl`",
            kind="apps",
            name=app.metadata.name,
        )
    if decision.nodes:
        check_app(decision, app)


def _within(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()


def _limited(decision: Decision, remedy: str) -> str:
    sets = " or ".join(",".join(f"{k}={v}" for k, v in each.items()) for each in decision.nodes)
    return f"your role is limited to nodes with {sets}: {remedy}"
