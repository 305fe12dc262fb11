"""A step of the desired set, split into frames and put together again, within bounds."""

from collections.abc import Iterator, Sequence

from edge.wire import limits
from edge.wire.errors import ProtocolViolationError
from edge.wire.events import DesiredStep
from edge.wire.messages import Desired, DesiredItem


def check_step(put: Sequence[DesiredItem], remove: Sequence[tuple[str, str]]) -> str | None:
    """The bound that the step breaks, in words; None when it may travel."""
    for field, size in (("put", len(put)), ("remove", len(remove))):
        if size > limits.DESIRED_LIMIT:
            return f"{field}: {size} objects exceed {limits.DESIRED_LIMIT}"
    for item in put:
        if len(item.spec) > limits.SPEC_LIMIT:
            return f"put: {item.kind} {item.name}: {len(item.spec)} bytes exceed a spec"
    total = sum(len(item.spec) for item in put)
    if total > limits.DESIRED_BYTES:
        return f"put: {total} bytes exceed {limits.DESIRED_BYTES}"
    return None


def split(
    revision: int,
    base: int | None,
    put: Sequence[DesiredItem],
    remove: Sequence[tuple[str, str]],
) -> Iterator[Desired]:
    """The messages of one step: each but the last has `more`; removals travel in the last."""
    part: list[DesiredItem] = []
    size = 0
    for item in put:
        if size + len(item.spec) > limits.DESIRED_CHUNK:
            yield Desired(revision=revision, base=base, put=part, more=True)
            part, size = [], 0
        part.append(item)
        size += len(item.spec)
    yield Desired(revision=revision, base=base, put=part, remove=list(remove))


class Assembly:
    """Collects the parts of one step at a time."""

    def __init__(self) -> None:
        self._first: Desired | None = None
        self._put: list[DesiredItem] = []
        self._remove: list[tuple[str, str]] = []

    def add(self, part: Desired) -> DesiredStep | None:
        """The whole step after its last part; ProtocolViolationError when the parts disagree."""
        first = self._first or part
        if (part.revision, part.base) != (first.revision, first.base):
            raise ProtocolViolationError(
                f"desired.revision: {part.revision} amid the step to {first.revision}"
            )
        if part.more and not part.put and not part.remove:
            raise ProtocolViolationError("desired.more: a part of nothing that is not the last")
        self._first = part
        self._put += part.put
        self._remove += part.remove
        fault = check_step(self._put, self._remove)
        if fault is not None:
            raise ProtocolViolationError(f"desired.{fault}")
        if part.more:
            return None
        step = DesiredStep(part.revision, part.base, tuple(self._put), tuple(self._remove))
        self._first, self._put, self._remove = None, [], []
        return step
