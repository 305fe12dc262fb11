"""No two pointers in one 64-bit local while garbage is collected: proven of a built module.

The Python runtime keeps each pointer that lives across a call on its stack in memory, where the
collector looks; wasm-opt does that for locals of 32 bits. LLVM though copies a pair of pointers as
one value of 64 bits. Such a value is `packed` here when it comes from a load of 64 bits, from
joining two halves, or from a packed one; and it must not live across a call that could collect.

Read is the text of a module in flat form (`wasm-opt --flatten -S`, exceptions in their old form):
there operands are locals and constants, and calls are statements of their own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

COLLECTOR = "$gc_collect"
Node = list["Node | str"]

_FUNCTION = re.compile(r"^ \(func (\$\S+)", re.MULTILINE)
_CALL = re.compile(r"\(call (\$[^\s()]+)")
_TOKEN = re.compile(r'[()]|"(?:[^"\\]|\\.)*"|[^\s()"]+')
_SUSPECT = re.compile(r"\(i64\.(?:load(?!\d)|or)")
_ENDS = {"return", "unreachable", "throw", "rethrow"}
_JUMPS = {"br", "br_if", "br_table"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A function, and what it calls while a packed local lives."""

    function: str
    calls: str
    local: str

    def __str__(self) -> str:
        return f"{self.function} keeps 64-bit local {self.local} while it calls {self.calls}"


def findings(text: str) -> list[Finding]:
    """Every call that could collect while a packed local is alive, by function."""
    bodies = _functions(text)
    collecting = _collecting(bodies)
    found: dict[Finding, None] = {}
    for name, body in bodies.items():
        if _SUSPECT.search(body):
            for finding in _of(name, _parse(body), collecting):
                found[finding] = None
    return list(found)


def _functions(text: str) -> dict[str, str]:
    starts = [*_FUNCTION.finditer(text)]
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {start[1]: text[start.start() : end] for start, end in zip(starts, ends, strict=True)}


def _collecting(bodies: Mapping[str, str]) -> set[str]:
    """Functions from which the collector can be reached; a call by pointer could be of any."""
    callers: dict[str, set[str]] = {}
    reached = [COLLECTOR]
    for name, body in bodies.items():
        if "(call_indirect" in body:
            reached.append(name)
        for callee in _CALL.findall(body):
            callers.setdefault(callee, set()).add(name)
    collecting: set[str] = set()
    while reached:
        name = reached.pop()
        if name not in collecting:
            collecting.add(name)
            reached += callers.get(name, ())
    return collecting


def _parse(text: str) -> Node:
    stack: list[Node] = [[]]
    for word in _TOKEN.findall(text):
        if word == "(":
            stack.append([])
        elif word == ")":
            if len(stack) == 1:
                break
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word)
    function = stack[0][0]
    assert isinstance(function, list)  # noqa: S101  the text begins with a function
    return function


@dataclass(slots=True)
class _Step:
    """One statement: locals it reads and sets, what it calls, where it can go on."""

    reads: set[str] = field(default_factory=set[str])
    sets: str = ""
    calls: str = ""
    after: set[int] = field(default_factory=set[int])


class _Flow:
    """Statements of a function as a graph, made back to front: what follows is known first."""

    def __init__(self) -> None:
        self.steps: list[_Step] = [_Step()]

    def put(self, nodes: Node, after: int, labels: Mapping[str, int], handlers: set[int]) -> int:
        """The first of these statements, when `after` follows the last."""
        for node in reversed(nodes):
            if isinstance(node, list) and node:
                after = self._one(node, after, labels, handlers)
        return after

    def _step(self, node: Node, after: set[int]) -> int:
        calls, sets = "", ""
        for inner in _walk(node):
            if inner[0] == "call":
                calls = str(inner[1])
            elif inner[0] == "call_indirect":
                calls = "a pointer"
            elif inner[0] in ("local.set", "local.tee"):
                sets = str(inner[1])
        self.steps.append(_Step(_read_by(node), sets, calls, after))
        return len(self.steps) - 1

    def _one(self, node: Node, after: int, labels: Mapping[str, int], handlers: set[int]) -> int:
        kind = str(node[0])
        if kind in ("block", "loop", "try", "if"):
            return self._structure(kind, node, after, labels, handlers)
        if kind in _ENDS:
            return self._step(node, set(handlers))
        if kind in _JUMPS:
            goals = {labels[word] for word in node[1:] if isinstance(word, str)}
            return self._step(node, goals | ({after} if kind == "br_if" else set()))
        step = self._step(node, {after})
        if self.steps[step].calls:
            self.steps[step].after |= handlers
        return step

    def _structure(
        self, kind: str, node: Node, after: int, labels: Mapping[str, int], handlers: set[int]
    ) -> int:
        label = node[1] if len(node) > 1 and isinstance(node[1], str) else ""
        inner = dict(labels) | ({label: after} if label else {})
        if kind == "block":
            return self.put(node, after, inner, handlers)
        if kind == "loop":
            # Its beginning is known once it is made; until then this stands for it.
            self.steps.append(_Step())
            begin = len(self.steps) - 1
            first = self.put(node, after, inner | ({label: begin} if label else {}), handlers)
            self.steps[begin].after.add(first)
            return begin
        parts = {str(part[0]): part for part in node if isinstance(part, list) and part}
        if kind == "if":
            then = self.put(parts["then"], after, inner, handlers)
            other = self.put(parts.get("else", []), after, inner, handlers)
            condition = [
                part
                for part in node[1:]
                if isinstance(part, list) and part[0] not in ("then", "else")
            ]
            return self._step(["if", *condition], {then, other})
        catches = [
            part for part in node if isinstance(part, list) and part[0] in ("catch", "catch_all")
        ]
        caught = {self.put(part, after, inner, handlers) for part in catches}
        return self.put(parts["do"], after, inner, caught | handlers)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for inner in node:
        if isinstance(inner, list) and inner:
            yield from _walk(inner)


def _read_by(node: Node) -> set[str]:
    return {str(inner[1]) for inner in _walk(node) if inner[0] == "local.get"}


def _packed(function: Node) -> set[str]:
    """Locals of 64 bits that could hold two pointers, whatever else they hold."""
    wide = {
        str(node[1])
        for node in function
        if isinstance(node, list) and node[0] in ("local", "param") and node[-1] == "i64"
    }
    sets = [node for node in _walk(function) if node[0] in ("local.set", "local.tee")]
    packed: set[str] = set()
    while True:
        more = {
            str(node[1])
            for node in sets
            if node[1] in wide and (_makes_packed(node) or _read_by(node) & packed)
        }
        if more <= packed:
            return packed
        packed |= more


def _makes_packed(node: Node) -> bool:
    return any(inner[0] in ("i64.load", "i64.or") for inner in _walk(node))


def _of(name: str, function: Node, collecting: set[str]) -> Iterator[Finding]:
    packed = _packed(function)
    if not packed:
        return
    flow = _Flow()
    flow.put(function[2:], 0, {}, set())
    alive: list[set[str]] = [set() for _ in flow.steps]
    changed = True
    while changed:
        changed = False
        for at, step in enumerate(flow.steps):
            after = set().union(*(alive[goal] for goal in step.after))
            before = (after - {step.sets}) | (step.reads & packed)
            if before != alive[at]:
                alive[at] = before
                changed = True
    for step in flow.steps:
        if step.calls == "a pointer" or step.calls in collecting:
            across = set().union(*(alive[goal] for goal in step.after)) - {step.sets}
            for local in sorted(across):
                yield Finding(name.removeprefix("$"), step.calls.removeprefix("$"), local)
