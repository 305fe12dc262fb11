"""Which nodes a selector means. Pure."""

from cloud.kinds.meta import LABEL_NODE
from cloud.kinds.node import Node
from cloud.kinds.work import LabelSelector, Operator
from cloud.store.selectors import Match, Requirement, Selector

_MATCH = {
    Operator.IN: Match.IN,
    Operator.NOT_IN: Match.NOT_IN,
    Operator.EXISTS: Match.PRESENT,
    Operator.DOES_NOT_EXIST: Match.ABSENT,
}


def selects(selector: LabelSelector, node: Node) -> bool:
    """Whether the node's labels satisfy the selector; its name is one of them, of our making."""
    labels = {**node.metadata.labels, LABEL_NODE: node.metadata.name}
    return to_selector(selector).matches(labels)


def to_selector(selector: LabelSelector) -> Selector:
    """The same requirements in the store's terms."""
    exact = [
        Requirement(key, Match.IN, frozenset({value}))
        for key, value in selector.match_labels.items()
    ]
    sets = [
        Requirement(each.key, _MATCH[each.operator], frozenset(each.values))
        for each in selector.match_expressions
    ]
    return Selector((*exact, *sets))
