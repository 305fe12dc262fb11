"""The API's objects, typed: create, get, list, modify, delete, watch, compact.

Rules: the store owns uid, creationTimestamp, generation and resourceVersion. A change is a pure
function applied inside the one writer, so that nothing can come between reading and writing.
A write that changes nothing makes no revision.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self

import msgspec
from sqlalchemy import Connection

from cloud.clock import Clock, utc_now
from cloud.errors import AlreadyExists, BadRequest, Conflict, Expired, NotFound, TooLarge
from cloud.kinds.meta import O, Object, with_metadata
from cloud.kinds.scheme import Kind, Scheme
from cloud.store import log
from cloud.store.database import Database
from cloud.store.paging import decode_token, encode_token
from cloud.store.selectors import EVERYTHING, FieldRequirement, Selector, fields_match
from cloud.store.watch import Change, Filter, Watch, Watchers
from cloud.store.witness import WITNESS, Deed, Witness

LIST_LIMIT = 50_000
"""Objects in one answer; a client that wants more pages with `limit` and `continue`."""
HISTORY_CHUNK = 500
"""Changes read at a time for a watch that starts in the past: about 1 MB."""
COMPACT_CHUNK = 2000
"""Rows deleted in one write, so that compaction never holds up the others for long."""

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Query:
    """Which objects; `namespace` None means all."""

    namespace: str | None = None
    labels: Selector = EVERYTHING
    fields: tuple[FieldRequirement, ...] = ()
    limit: int = 0
    token: str = ""


@dataclass(frozen=True)
class Page(Generic[O]):
    """Objects as of `revision`; `token` continues the list in the same state, or is empty."""

    items: list[O]
    revision: int
    token: str = ""


@dataclass(frozen=True)
class Preconditions:
    """What must be true of an object that shall be deleted; empty does not matter."""

    uid: str = ""
    resource_version: str = ""


class Objects:
    """All objects of a service. Concurrency: any task of the database's event loop."""

    def __init__(self, database: Database, scheme: Scheme, clock: Clock, head: int) -> None:
        self.scheme = scheme
        self.head = head
        """The newest revision that all watches have been offered."""
        self._database = database
        self._clock = clock
        self._watchers = Watchers()
        self._changes: Counter[type] = Counter()

    @classmethod
    async def open(
        cls, database: Database, scheme: Scheme, clock: Clock = utc_now, *, leap: int = 0
    ) -> Self:
        """The objects in a database, `leap` revisions on if that is not 0.

        A database may be a restored copy: what it numbers next was another change for those who
        saw the original go on. After a random leap the numbers they hold are in the gap, so they
        are told to read anew (410, the whole desired set) instead of being told nothing.
        """
        if leap:
            await database.write(lambda connection: log.leap(connection, leap))
        return cls(database, scheme, clock, await database.read(log.head))

    async def create(self, obj: O) -> O:
        """The object as stored; raises AlreadyExists. Without a name, generateName makes one."""
        kind = self.scheme.of(type(obj))
        given = obj.metadata
        suffix = "" if given.name else uuid.uuid4().hex[:5]
        made = with_metadata(
            obj,
            name=given.name or given.generate_name + suffix,
            namespace=given.namespace or kind.default_namespace,
            uid=str(uuid.uuid4()),
            generation=1,
            creation_timestamp=self._clock().replace(microsecond=0),
        )
        witness = WITNESS.get()

        def work(connection: Connection) -> Change[O]:
            key = _key(kind, made)
            if log.newest(connection, key) is not None:
                raise AlreadyExists(
                    f'{kind.plural} "{key.name}" already exists', kind=kind.plural, name=key.name
                )
            return _append(connection, kind, None, made, witness)

        return (await self._database.write(work, self._publish)).last

    async def get(self, type_: type[O], name: str, namespace: str | None = None) -> O:
        """The object as it is; raises NotFound."""
        kind = self.scheme.of(type_)
        key = _named(kind, name, namespace)
        return await self._database.read(lambda connection: _find(connection, kind, key))

    async def list(self, type_: type[O], query: Query = Query()) -> Page[O]:
        """Objects in the order of namespace and name; raises Expired for too old a token."""
        kind = self.scheme.of(type_)
        return await self._database.read(lambda connection: _list(connection, kind, query))

    async def modify(
        self, type_: type[O], name: str, change: Callable[[O], O], namespace: str | None = None
    ) -> O:
        """The object after `change`, which runs in the writer's thread and must be pure.

        Raises NotFound, what `change` raises, and Conflict when it returns another
        resourceVersion (an empty one fits any) or uid than it was given.
        """
        kind = self.scheme.of(type_)
        key = _named(kind, name, namespace)
        witness = WITNESS.get()

        def work(connection: Connection) -> Change[O] | O:
            old = _find(connection, kind, key)
            new = _succeed(kind, old, change(old))
            if _encode(new) == _encode(old):
                return old
            return _append(connection, kind, old, new, witness)

        result = await self._database.write(work, self._publish)
        return result.last if isinstance(result, Change) else result

    async def delete(
        self,
        type_: type[O],
        name: str,
        namespace: str | None = None,
        preconditions: Preconditions = Preconditions(),
    ) -> O:
        """The object as it was deleted; raises NotFound, and Conflict for a precondition."""
        kind = self.scheme.of(type_)
        key = _named(kind, name, namespace)
        witness = WITNESS.get()

        def work(connection: Connection) -> Change[O]:
            old = _find(connection, kind, key)
            _check_preconditions(kind, old, preconditions)
            return _append(connection, kind, old, None, witness)

        return (await self._database.write(work, self._publish)).last

    async def delete_all(self, type_: type[O], query: Query) -> Sequence[O]:
        """Delete what matches, all or nothing, and return it."""
        kind = self.scheme.of(type_)
        witness = WITNESS.get()

        def work(connection: Connection) -> list[Change[O]]:
            page = _list(connection, kind, query)
            return [_append(connection, kind, old, None, witness) for old in page.items]

        def publish(changes: list[Change[O]]) -> None:
            for change in changes:
                self._publish(change)

        return [change.last for change in await self._database.write(work, publish)]

    async def watch(self, type_: type[O], query: Query, since: int) -> Watch[O]:
        """Events after revision `since`; end it with `stop`. Raises Expired, BadRequest."""
        return await self.watch_all((type_,), query, since)

    async def watch_all(self, types: Sequence[type[O]], query: Query, since: int) -> Watch[O]:
        """Events of several kinds in the order of their revisions; as `watch`."""
        kinds = [self.scheme.of(type_) for type_ in types]
        if since > self.head:
            raise BadRequest(
                f"resourceVersion: {since} is newer than the newest, {self.head}; list again"
            )

        async def more(after: int) -> list[Change[O]]:
            return await self._database.read(lambda found: _histories(found, kinds, after))

        wants = {kind.type: _filter(kind, query) for kind in kinds}
        watch = Watch(since, lambda obj: wants[type(obj)](obj), more)
        for type_ in types:
            self._watchers.add(type_, watch)
        floor = await self._database.read(log.floor)
        if since < floor:
            self.stop(watch)
            raise Expired(
                f"resourceVersion {since} is compacted, {floor} is the oldest; list again"
            )
        return watch

    def stop(self, watch: Watch[Any]) -> None:
        """End a watch and forget it."""
        watch.close()
        self._watchers.remove(watch)

    async def namespaces(self) -> Sequence[str]:
        """Namespaces in use."""
        return await self._database.read(log.namespaces)

    async def compact(self, floor: int) -> int:
        """Forget what was superseded at or before revision `floor`; returns the rows deleted."""
        await self._database.write(
            lambda connection: log.raise_floor(connection, min(floor, self.head))
        )
        total = 0
        while gone := await self._database.write(
            lambda connection: log.drop_below_floor(connection, COMPACT_CHUNK)
        ):
            total += gone
        return total

    def changes(self, *types: type[Object]) -> int:
        """How many changes of these kinds were committed since this was opened."""
        return sum(self._changes[type_] for type_ in types)

    def close(self) -> None:
        """End all watches."""
        self._watchers.close()

    def _publish(self, change: "Change[Any] | Object") -> None:
        if isinstance(change, Change):
            self.head = max(self.head, change.revision)
            self._changes[type(change.last)] += 1
            self._watchers.publish(change)


def _key(kind: Kind[Any], obj: Object) -> log.Key:
    return log.Key(kind.plural, obj.metadata.namespace, obj.metadata.name)


def _named(kind: Kind[Any], name: str, namespace: str | None) -> log.Key:
    return log.Key(kind.plural, kind.default_namespace if namespace is None else namespace, name)


def _decode(kind: Kind[O], revision: int, value: bytes) -> O:
    return with_metadata(kind.decoder.decode(value), resource_version=str(revision))


def _find(connection: Connection, kind: Kind[O], key: log.Key) -> O:
    found = log.newest(connection, key)
    if found is None:
        raise NotFound(f'{kind.plural} "{key.name}" not found', kind=kind.plural, name=key.name)
    return _decode(kind, *found)


def _append(
    connection: Connection, kind: Kind[O], old: O | None, new: O | None, witness: Witness | None
) -> Change[O]:
    """Write a revision; one of `old` and `new` may be None, not both."""
    last = new if new is not None else old
    assert last is not None  # noqa: S101 - for the type checker
    key = _key(kind, last)
    if witness is not None:
        shown = [kind.outgoing(each) if each is not None else None for each in (old, new)]
        witness(connection, Deed(*key, *shown))
    value = _encode(with_metadata(last, resource_version=""))
    revision = log.append(connection, key, value, deleted=new is None)
    labels = new.metadata.labels if new is not None else {}
    if labels != (old.metadata.labels if old is not None else {}):
        log.set_labels(connection, key, labels)
    last = with_metadata(last, resource_version=str(revision))
    return Change(revision, old, last if new is not None else None, last)


def _succeed(kind: Kind[O], old: O, new: O) -> O:
    """`new` with what the store owns taken from `old`; raises Conflict."""
    wanted = Preconditions(new.metadata.uid, new.metadata.resource_version)
    _check_preconditions(kind, old, wanted)
    changed = _encode(new.spec) != _encode(old.spec)
    return with_metadata(
        new,
        name=old.metadata.name,
        generate_name=old.metadata.generate_name,
        namespace=old.metadata.namespace,
        uid=old.metadata.uid,
        resource_version=old.metadata.resource_version,
        creation_timestamp=old.metadata.creation_timestamp,
        generation=old.metadata.generation + changed,
    )


def _check_preconditions(kind: Kind[Any], old: Object, wanted: Preconditions) -> None:
    name = old.metadata.name
    if wanted.uid not in {"", old.metadata.uid}:
        raise Conflict(
            f'{kind.plural} "{name}": uid is {old.metadata.uid}, not {wanted.uid}: '
            "it was deleted and created again",
            kind=kind.plural,
            name=name,
        )
    if wanted.resource_version not in {"", old.metadata.resource_version}:
        raise Conflict(
            f'{kind.plural} "{name}": it has been modified (resourceVersion is '
            f"{old.metadata.resource_version}, not {wanted.resource_version}): "
            "read it again and apply your change to that",
            kind=kind.plural,
            name=name,
        )


def _filter(kind: Kind[O], query: Query) -> Filter:
    def wants(obj: O) -> bool:
        metadata = obj.metadata

        def field(path: str) -> str:
            if path == "metadata.name":
                return metadata.name
            if path == "metadata.namespace":
                return metadata.namespace
            return kind.fields[path](obj)

        return (
            query.namespace in {None, metadata.namespace}
            and query.labels.matches(metadata.labels)
            and fields_match(query.fields, field)
        )

    return wants


def _list(connection: Connection, kind: Kind[O], query: Query) -> Page[O]:
    at, after = decode_token(query.token) if query.token else (None, None)
    if at is not None and at < (floor := log.floor(connection)):
        raise Expired(f"continue: the list's state {at} is compacted ({floor}); list anew")
    if at is not None and _is_foreign(connection, at):
        raise Expired(f"continue: no state of this database had revision {at}; list anew")
    names = [each.value for each in query.fields if each.path == "metadata.name" and each.equal]
    wanted = log.Range(
        kind.plural,
        query.namespace,
        name=names[0] if names else None,
        after=after,
        at=at,
        label=query.labels.exact,
    )
    revision = at if at is not None else log.head(connection)
    wants = _filter(kind, query)
    items: list[O] = []
    for stored in log.scan(connection, wanted):
        obj = _decode(kind, *stored)
        if not wants(obj):
            continue
        if query.limit and len(items) == query.limit:
            return Page(items, revision, encode_token(revision, items[-1].metadata))
        if len(items) == LIST_LIMIT:
            raise TooLarge(f"more than {LIST_LIMIT} objects: use limit and continue")
        items.append(obj)
    return Page(items, revision)


def _history(connection: Connection, kind: Kind[O], since: int) -> list[Change[O]]:
    if since < (floor := log.floor(connection)):
        raise Expired(f"resourceVersion {since} is compacted, {floor} is the oldest; list again")
    if _is_foreign(connection, since):
        raise Expired(f"no state of this database had resourceVersion {since}; list again")
    changes: list[Change[O]] = []
    for step in log.history(connection, kind.plural, since, HISTORY_CHUNK):
        now = _decode(kind, step.revision, step.value)
        before = kind.decoder.decode(step.before) if step.before is not None else None
        changes.append(Change(step.revision, before, None if step.deleted else now, now))
    return changes


def _histories(connection: Connection, kinds: Sequence[Kind[O]], since: int) -> list[Change[O]]:
    """The next changes of all kinds, up to where each of them was read."""
    found = [_history(connection, kind, since) for kind in kinds]
    read = [each[-1].revision for each in found if len(each) == HISTORY_CHUNK]
    changes = [change for each in found for change in each]
    return sorted(
        (each for each in changes if not read or each.revision <= min(read)),
        key=lambda change: change.revision,
    )


def _is_foreign(connection: Connection, revision: int) -> bool:
    return any(revision in gap for gap in log.gaps(connection))
