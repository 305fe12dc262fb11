"""What each node shall have, as names and numbers: enough to say what changed since a revision.

Pure. Revisions are the object store's. An instance of this index is fed every change of an
AppInstance in order; the specs themselves are read from the store when a step is sent.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cloud.kinds.appinstance import AppInstance

REMOVALS_LIMIT = 20_000
"""Removals remembered, about 3 MB; a node that missed older ones gets its whole set."""


class Step(NamedTuple):
    """The way to `revision` from `base`; None: from nothing, with everything in `put`."""

    revision: int
    base: int | None
    put: tuple[str, ...]
    """Names of AppInstances."""
    remove: tuple[str, ...]
    """Names of apps."""


@dataclass(slots=True)
class _Held:
    instance: str
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
        self._nodes: dict[str, dict[str, _Held]] = {}
        self._removals: deque[tuple[int, str, str]] = deque()
        self._removed: dict[str, dict[str, int]] = {}

    def put(self, instance: AppInstance, revision: int) -> bool:
        """Take in a state of an instance; True when its node's set changed.

        States may come again or late, as long as those of one name that are newer than what was
        taken in come in order.
        """
        self.reach(revision)
        spec, metadata = instance.spec, instance.metadata
        node = self._nodes.setdefault(spec.node, {})
        held = node.get(spec.app)
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
        node[spec.app] = _Held(
            metadata.name, metadata.uid, metadata.generation, revision, revision
        )
        return True

    def remove(self, instance: AppInstance, revision: int) -> bool:
        """Take in a deletion; True when the node's set changed."""
        self.reach(revision)
        spec = instance.spec
        node = self._nodes.get(spec.node, {})
        held = node.get(spec.app)
        if held is not None and held.seen > revision:
            return False
        if held is not None:
            del node[spec.app]
            if not node:
                del self._nodes[spec.node]
        self._removals.append((revision, spec.node, spec.app))
        self._removed.setdefault(spec.node, {})[spec.app] = revision
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
            return Step(self.revision, None, tuple(each.instance for each in held.values()), ())
        newer = [each for each in held.values() if each.since > base]
        removed = {
            app: revision
            for app, revision in self._removed.get(node, {}).items()
            if revision > base and app not in held
        }
        if not newer and not removed:
            return None
        revision = max([each.since for each in newer] + list(removed.values()))
        return Step(revision, base, tuple(each.instance for each in newer), tuple(removed))

    def _knows(self, base: int) -> bool:
        return self.floor <= base <= self.revision and not any(base in gap for gap in self._gaps)

    def _forget_oldest(self) -> None:
        revision, node, app = self._removals.popleft()
        self.floor = max(self.floor, revision)
        removed = self._removed[node]
        if removed.get(app) == revision:
            del removed[app]
        if not removed:
            del self._removed[node]
