"""Whatever changes and whenever a node asks, steps lead it to what is wanted now."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.hub import desired
from cloud.hub.desired import DesiredIndex, Object
from cloud.kinds.appinstance import AppInstance, AppInstanceSpec
from cloud.kinds.firmwareinstance import FirmwareInstance, FirmwareInstanceSpec
from cloud.kinds.meta import Metadata
from cloud.kinds.work import Instance, instance_name
from tests.support.specs import desired_app, desired_firmware

SPEC = desired_app()
WORKS = (Object("app", "a"), Object("app", "b"), Object("firmware", "a"))
NODES = ("n1", "n2")
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "touch", "remove"]), st.sampled_from(WORKS), st.sampled_from(NODES)
    ),
    max_size=30,
)


def made(work: Object, node: str, metadata: Metadata) -> Instance:
    if work.kind == "app":
        spec = AppInstanceSpec(app=work.name, node=node, desired=SPEC)
        return AppInstance(metadata=metadata, spec=spec)
    firmware = FirmwareInstanceSpec(firmware=work.name, node=node, desired=desired_firmware())
    return FirmwareInstance(metadata=metadata, spec=firmware)


class Log:
    """The object store as the index sees it: every revision, and the state it ends in."""

    def __init__(self) -> None:
        self.history: list[tuple[int, bool, Instance]] = []
        self.present: dict[tuple[Object, str], Instance] = {}
        self.revision = 0

    def change(self, verb: str, work: Object, node: str) -> None:
        old = self.present.get((work, node))
        if old is None and verb != "put":
            return
        self.revision += 1
        uid, generation = str(self.revision), 1
        if old is not None:
            uid, generation = old.metadata.uid, old.metadata.generation + (verb == "put")
        metadata = Metadata(
            name=instance_name(work.name, node),
            uid=uid,
            generation=generation,
            resource_version=str(self.revision),
        )
        instance = made(work, node, metadata)
        self.history.append((self.revision, verb == "remove", instance))
        if verb == "remove":
            del self.present[work, node]
        else:
            self.present[work, node] = instance

    def wanted(self, node: str) -> dict[Object, tuple[str, int]]:
        return {
            work: (each.metadata.uid, each.metadata.generation)
            for (work, at), each in self.present.items()
            if at == node
        }

    def feed(self, index: DesiredIndex, after: int) -> None:
        for revision, removed, instance in self.history:
            if revision > after:
                (index.remove if removed else index.put)(instance, revision)

    def rebuilt(self, floor: int) -> DesiredIndex:
        """As the hub does at its start: the present state first, then the history again."""
        index = DesiredIndex(floor)
        for instance in self.present.values():
            index.put(instance, int(instance.metadata.resource_version))
        index.reach(self.revision)
        self.feed(index, floor)
        return index


class Board:
    """What a node holds after the steps it was sent."""

    def __init__(self) -> None:
        self.held: dict[Object, tuple[str, int]] = {}
        self.base = 0

    def follow(self, index: DesiredIndex, log: Log, node: str) -> None:
        step = index.step(node, self.base)
        if step is None:
            return
        if step.base is None:
            self.held = {}
        assert step.base in {None, self.base}
        for work in step.remove:
            self.held.pop(work, None)
        for work in step.put:
            metadata = log.present[work, node].metadata
            self.held[work] = (metadata.uid, metadata.generation)
        self.base = step.revision


@given(st.lists(CHANGES, max_size=6), st.booleans())
def test_a_node_that_asks_now_and_then_ends_with_what_is_wanted(rounds, restarts):
    log, index, boards = Log(), DesiredIndex(0), {node: Board() for node in NODES}
    for number, changes in enumerate(rounds):
        seen = log.revision
        for change in changes:
            log.change(*change)
        log.feed(index, seen)
        if restarts:
            index = log.rebuilt(floor=seen // 2)
        asking = NODES[: 1 + number % 2]
        for node in asking:
            boards[node].follow(index, log, node)
            assert boards[node].held == log.wanted(node)


@given(CHANGES)
def test_one_who_has_everything_gets_nothing(changes):
    log, index, board = Log(), DesiredIndex(0), Board()
    for change in changes:
        log.change(*change)
    log.feed(index, 0)
    board.follow(index, log, "n1")
    assert index.step("n1", board.base) is None


def test_a_status_wakes_nobody():
    log, index = Log(), DesiredIndex(0)
    log.change("put", WORKS[0], "n1")
    log.feed(index, 0)
    log.change("touch", WORKS[0], "n1")
    (_, _, instance) = log.history[-1]
    assert index.put(instance, log.revision) is False


def test_one_who_missed_a_forgotten_removal_gets_the_whole_set(monkeypatch):
    monkeypatch.setattr(desired, "REMOVALS_LIMIT", 1)
    log, index = Log(), DesiredIndex(0)
    for work in WORKS:
        log.change("put", work, "n1")
    for work in WORKS[:2]:
        log.change("remove", work, "n1")
    log.feed(index, 0)
    step = index.step("n1", 3)
    assert (step.base, step.put) == (None, (WORKS[2],))
    assert index.step("n1", 4).remove == (WORKS[1],)
