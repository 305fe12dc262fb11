"""May this be done? Rules, the roles that are always there, and the decision. Pure.

Rules only allow; what no rule allows is denied. A rule that is limited to nodes by their labels
allows no more than what concerns such nodes: the decision then carries the labels, and whoever
asked must check the node. What makes or changes rights needs a rule without any limit, so that
nobody can give themselves more than they have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ANY = "*"
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
PRIVILEGED = frozenset({"roles", "rolebindings", "users", "serviceaccounts", "tokens"})
"""Kinds whose writing changes what somebody may do."""
OWN = frozenset({"discovery", "whoami", "selfsubjectaccessreviews"})
"""What everybody with a name may ask: about the API, and about themselves."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that is asked for."""

    verb: str
    kind: str
    """Plural, with `/status` for the subresource; `unknown` for a path that is none of ours."""
    namespace: str | None = ""
    """None across all namespaces; empty for what has none."""
    name: str = ""
    node: str = ""
    """The node it is about, when the request names one."""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.kind}{f' {self.name!r}' if self.name else ''}{where}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows verbs on kinds in namespaces, perhaps only for nodes with all these labels."""

    verbs: tuple[str, ...]
    kinds: tuple[str, ...]
    namespaces: tuple[str, ...] = (ANY,)
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def unlimited(self) -> bool:
        """Whether it allows everything."""
        return (
            ANY in self.verbs
            and ANY in self.kinds
            and ANY in self.namespaces
            and not self.node_labels
        )

    def covers(self, action: Action) -> bool:
        """Whether it allows the action, its limit to nodes aside.

        What has no namespace, or means all, is covered only by a rule for all namespaces.
        """
        return (
            (ANY in self.verbs or action.verb in self.verbs)
            and (ANY in self.kinds or action.kind in self.kinds)
            and (ANY in self.namespaces or action.namespace in self.namespaces)
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not; `nodes` are alternatives of labels the node must have, empty for any node."""

    allowed: bool
    nodes: tuple[Mapping[str, str], ...] = ()


DENIED = Decision(allowed=False)
ALLOWED = Decision(allowed=True)


def decide(rules: Iterable[Rule], action: Action) -> Decision:
    """What the rules say of the action."""
    if action.kind in OWN:
        return ALLOWED
    covering = [rule for rule in rules if rule.covers(action)]
    if action.kind in PRIVILEGED and action.verb not in READ:
        covering = [rule for rule in covering if rule.unlimited]
    if not covering:
        return DENIED
    if any(not rule.node_labels for rule in covering):
        return ALLOWED
    return Decision(allowed=True, nodes=tuple(rule.node_labels for rule in covering))


_SEEN = (
    "nodes",
    "apps",
    "appinstances",
    "firmwares",
    "firmwareinstances",
    "namespaces",
    "artifacts",
    "telemetry",
    "logs",
    "metrics",
    "secrets",
    "jointokens",
    "joinrequests",
    "authority",
)

BUILT_IN: Mapping[str, tuple[Rule, ...]] = {
    "viewer": (Rule(READ, _SEEN),),
    "operator": (
        Rule(READ, (*_SEEN, "roles", "rolebindings", "users", "serviceaccounts")),
        Rule(WRITE, ("apps", "firmwares", "artifacts", "secrets")),
        Rule(("update", "patch", "delete"), ("nodes",)),
        Rule(("create", "delete"), ("jointokens", "joinrequests", "identities")),
    ),
    "repl": (Rule(("create", "update", "patch"), ("repls",)),),
    "admin": (Rule((ANY,), (ANY,)),),
}
"""Always there and never changed; a stored Role cannot take one of these names.

`repls` are no objects: what writes an App that is a REPL needs the verb on both (check_repl). So an
operator deploys what was signed, and types into a sandbox only with the role `repl` as well.
"""
