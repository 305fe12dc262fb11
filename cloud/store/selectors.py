"""Which objects a request means: label selectors, field selectors. Pure.

Grammar and meaning are Kubernetes': `a=b,c!=d,e in (f,g),h notin (i),j,!k`. A requirement that
excludes (`!=`, `notin`, `!`) also holds for an object without the label.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from cloud.errors import BadRequest
from cloud.kinds.meta import LABEL_KEY, LABEL_VALUE

SELECTOR_LIMIT = 4096
"""Characters of a selector; a URL is not much longer anyway."""

_TERM = re.compile(
    r"\s*(?:"
    r"(?P<absent>!)?\s*(?P<alone>[^\s=!,()]+)"
    r"|(?P<key>[^\s=!,()]+)\s*(?P<equality>==|=|!=)\s*(?P<value>[^\s=!,()]*)"
    r"|(?P<set_key>[^\s=!,()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)"
    r")\s*(?:,|$)"
)
_FIELD = re.compile(
    r"\s*(?P<path>[A-Za-z.]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^,=!]*?)\s*(?:,|$)"
)


class Match(Enum):
    """How a requirement looks at one label."""

    IN = "in"
    NOT_IN = "notin"
    PRESENT = "exists"
    ABSENT = "!"


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    match: Match
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy it."""
        value = labels.get(self.key)
        match self.match:
            case Match.IN:
                return value in self.values
            case Match.NOT_IN:
                return value not in self.values
            case Match.PRESENT:
                return value is not None
            case Match.ABSENT:
                return value is None


@dataclass(frozen=True)
class Selector:
    """All requirements must hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy all."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    @property
    def exact(self) -> tuple[str, str] | None:
        """A label and the one value it must have, if there is such a requirement."""
        for requirement in self.requirements:
            if requirement.match is Match.IN and len(requirement.values) == 1:
                return requirement.key, next(iter(requirement.values))
        return None


EVERYTHING = Selector()


@dataclass(frozen=True)
class FieldRequirement:
    """A field that must, or must not, have a value."""

    path: str
    value: str
    equal: bool = True


def label_equals(key: str, value: str) -> Selector:
    """Objects whose label `key` is `value`."""
    return Selector((Requirement(key, Match.IN, frozenset({value})),))


def parse_labels(text: str) -> Selector:
    """The selector a client wrote; raises BadRequest."""
    found: list[Requirement] = []
    for term in _terms(_TERM, "labelSelector", text):
        if term["alone"]:
            match = Match.ABSENT if term["absent"] else Match.PRESENT
            requirement = Requirement(term["alone"], match)
        elif term["key"]:
            match = Match.NOT_IN if term["equality"] == "!=" else Match.IN
            requirement = Requirement(term["key"], match, frozenset({term["value"]}))
        else:
            match = Match.IN if term["set"] == "in" else Match.NOT_IN
            values = frozenset(value.strip() for value in term["values"].split(","))
            requirement = Requirement(term["set_key"], match, values)
        _check(requirement)
        found.append(requirement)
    return Selector(tuple(found))


def parse_fields(text: str, known: Sequence[str]) -> tuple[FieldRequirement, ...]:
    """The field selector a client wrote; raises BadRequest, also for a field not in `known`."""
    found: list[FieldRequirement] = []
    for term in _terms(_FIELD, "fieldSelector", text):
        if term["path"] not in known:
            raise BadRequest(
                f"fieldSelector: {term['path']!r} cannot be selected by; "
                f"these can: {', '.join(sorted(known))}"
            )
        found.append(FieldRequirement(term["path"], term["value"], term["operator"] != "!="))
    return tuple(found)


def fields_match(requirements: Sequence[FieldRequirement], value_of: Callable[[str], str]) -> bool:
    """Whether all requirements hold for the object whose fields `value_of` gives."""
    return all((value_of(each.path) == each.value) == each.equal for each in requirements)


def _terms(pattern: re.Pattern[str], parameter: str, text: str) -> list[dict[str, str]]:
    if len(text) > SELECTOR_LIMIT:
        raise BadRequest(f"{parameter}: longer than {SELECTOR_LIMIT} characters")
    found: list[dict[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        term = pattern.match(text, position)
        if term is None:
            raise BadRequest(f"{parameter}: cannot read {text[position:]!r}")
        found.append(term.groupdict())
        position = term.end()
    return found


def _check(requirement: Requirement) -> None:
    if not re.match(LABEL_KEY, requirement.key):
        raise BadRequest(f"labelSelector: {requirement.key!r} is not a label's name")
    for value in requirement.values:
        if not re.match(LABEL_VALUE, value):
            raise BadRequest(f"labelSelector: {value!r} is not a label's value")
