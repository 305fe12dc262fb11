"""What each node shall have, as names and numbers: enough to say what changed since a revision.

Pure. Revisions are the object store's. An instance of this index is fed every change of every
instance (of Apps and of Firmwares) in one order; the specs themselves are read from the store when
a step is sent.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cloud.kinds.work import Instance

REMOVALS_LIMIT = 20_000
"""Removals remembered, about 3 MB; a node that missed older ones gets its whole set."""


class Object(NamedTuple):
    """What a node knows it as: a kind of the wire and a name."""

    kind: str
    name: str


class Step(NamedTuple):
    """The way to `revision` from `base`; None: from nothing, with everything in `put`."""

    revision: int
    base: int | None
    put: tuple[Object, ...]
    remove: tuple[Object, ...]


@dataclass(slots=True)
class _Held:
    uid: str
    generation: int
    since: int
    """Revision that brought this generation, or a later one when that is not known."""
    seen: int
    """Newest revision taken in."""


class DesiredIndex:
    """All nodes' sets. `floor`: removals after this revision are known.

    `gaps` are numbers of another history, from which no difference can be said.
    """

    def __init__(self, floor: int, gaps: Sequence[range] = ()) -> None:
        self.revision = floor
        self.floor = floor
        self._gaps = gaps
        self._nodes: dict[str, dict[Object, _Held]] = {}
        self._removals: deque[tuple[int, str, Object]] = deque()
        self._removed: dict[str, dict[Object, int]] = {}

    def put(self, instance: Instance, revision: int) -> bool:
        """Take in a state of an instance; True when its node's set changed.

        States may come again or late, as long as those of one name that are newer than what was
        taken in come in order.
        """
        self.reach(revision)
        spec, metadata = instance.spec, instance.metadata
        node = self._nodes.setdefault(spec.node, {})
        what = _object(instance)
        held = node.get(what)
        same = held is not None and (held.uid, held.generation) == (
            metadata.uid,
            metadata.generation,
        )
        if held is not None and same:
            held.since = min(held.since, revision)
            held.seen = max(held.seen, revision)
            return False
        if held is not None and revision <= held.seen:
            return False
        node[what] = _Held(metadata.uid, metadata.generation, revision, revision)
        return True

    def remove(self, instance: Instance, revision: int) -> bool:
        """Take in a deletion; True when the node's set changed."""
        self.reach(revision)
        name, what = instance.spec.node, _object(instance)
        node = self._nodes.get(name, {})
        held = node.get(what)
        if held is not None and held.seen > revision:
            return False
        if held is not None:
            del node[what]
            if not node:
                del self._nodes[name]
        self._removals.append((revision, name, what))
        self._removed.setdefault(name, {})[what] = revision
        if len(self._removals) > REMOVALS_LIMIT:
            self._forget_oldest()
        return True

    def reach(self, revision: int) -> None:
        """All changes up to `revision` are taken in."""
        self.revision = max(self.revision, revision)

    def step(self, node: str, base: int | None) -> Step | None:
        """What a node that holds `base` lacks; None when it lacks nothing."""
        held = self._nodes.get(node, {})
        if base is None or not self._knows(base):
            return Step(self.revision, None, tuple(held), ())
        newer = {what: each.since for what, each in held.items() if each.since > base}
        removed = {
            what: revision
            for what, revision in self._removed.get(node, {}).items()
            if revision > base and what not in held
        }
        if not newer and not removed:
            return None
        revision = max([*newer.values(), *removed.values()])
        return Step(revision, base, tuple(newer), tuple(removed))

    def _knows(self, base: int) -> bool:
        return self.floor <= base <= self.revision and not any(base in gap for gap in self._gaps)

    def _forget_oldest(self) -> None:
        revision, node, what = self._removals.popleft()
        self.floor = max(self.floor, revision)
        removed = self._removed[node]
        if removed.get(what) == revision:
            del removed[what]
        if not removed:
            del self._removed[node]


def _object(instance: Instance) -> Object:
    return Object(instance.wire_kind, instance.spec.owner)
