"""Nodes' names, their certificates, and requests that wait: statements on a connection."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cloud.errors import NotFound
from cloud.pki.errors import NameTaken, TooMany
from cloud.pki.schema import CERTIFICATES, NODES, REQUESTS

REQUESTS_LIMIT = 256
"""Requests that wait for a person: a flood must not bury the honest ones, nor the disk."""
REQUEST_NS = 7 * 86_400 * 10**9
"""A request nobody answered is forgotten after this."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An issued certificate."""

    serial: str
    node: str
    key_id: str
    ca: str
    issued_ns: int
    not_after_ns: int


class Waiting(Struct, frozen=True):
    """A request to join, for the audit log."""

    key: str
    labels: Mapping[str, str]
    address: str
    approved: bool


class Certificates(Struct, frozen=True):
    """What a node may show, for the audit log."""

    serials: Sequence[str]


def claim(connection: Connection, node: str, key_id: str) -> None:
    """Raises NameTaken when the name belongs to another key."""
    keys = connection.scalars(
        select(CERTIFICATES.c.key_id).where(
            CERTIFICATES.c.node == node, CERTIFICATES.c.revoked_ns.is_(None)
        )
    ).all()
    if keys and key_id not in keys:
        raise NameTaken(
            f"node {node} has joined with another key. If the board was replaced or flashed anew: "
            f"skerry node revoke {node}, then join again",
            name=node,
            kind="nodes",
        )


def register(connection: Connection, node: str, labels: Mapping[str, str]) -> None:
    """Record a node that joins."""
    text = json.dumps(dict(labels), sort_keys=True)
    statement = upsert(NODES).values(name=node, labels=text, trusts="")
    connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"labels": text})
    )


def labels(connection: Connection, node: str) -> dict[str, str]:
    """What the node was given when it joined."""
    text = connection.scalar(select(NODES.c.labels).where(NODES.c.name == node))
    found: dict[str, str] = json.loads(text or "{}")
    return found


def add(connection: Connection, entry: Entry) -> None:
    """Record a certificate before it is handed out."""
    connection.execute(
        insert(CERTIFICATES).values(
            serial=entry.serial,
            node=entry.node,
            key_id=entry.key_id,
            ca=entry.ca,
            issued_ns=entry.issued_ns,
            not_after_ns=entry.not_after_ns,
            revoked_ns=None,
        )
    )


def stands(connection: Connection, serial: str) -> bool:
    """Whether a certificate is known and was not revoked."""
    query = select(CERTIFICATES.c.serial).where(
        CERTIFICATES.c.serial == serial, CERTIFICATES.c.revoked_ns.is_(None)
    )
    return connection.scalar(query) is not None


def valid(connection: Connection) -> dict[str, str]:
    """Serial to node of every certificate that was not revoked."""
    query = select(CERTIFICATES.c.serial, CERTIFICATES.c.node)
    found = connection.execute(query.where(CERTIFICATES.c.revoked_ns.is_(None)))
    return {row.serial: row.node for row in found}


def revoke(connection: Connection, node: str, now_ns: int) -> list[str]:
    """Revoke all of a node's certificates; their serials. Raises NotFound when it has none."""
    chosen = (CERTIFICATES.c.node == node, CERTIFICATES.c.revoked_ns.is_(None))
    serials = list(connection.scalars(select(CERTIFICATES.c.serial).where(*chosen)))
    if not serials:
        raise NotFound(f"node {node} has no certificate to revoke", name=node, kind="nodes")
    connection.execute(update(CERTIFICATES).where(*chosen).values(revoked_ns=now_ns))
    connection.execute(delete(REQUESTS).where(REQUESTS.c.node == node))
    return serials


def revoke_of(connection: Connection, ca: str, now_ns: int) -> list[str]:
    """Revoke what a CA issued; the serials."""
    chosen = (CERTIFICATES.c.ca == ca, CERTIFICATES.c.revoked_ns.is_(None))
    serials = list(connection.scalars(select(CERTIFICATES.c.serial).where(*chosen)))
    connection.execute(update(CERTIFICATES).where(*chosen).values(revoked_ns=now_ns))
    return serials


def trusts(connection: Connection, node: str, pins: Sequence[str]) -> None:
    """Record which CAs a node has said to trust."""
    connection.execute(
        update(NODES).where(NODES.c.name == node).values(trusts=",".join(sorted(pins)))
    )


def not_trusting(connection: Connection, pin: str, now_ns: int) -> list[str]:
    """Nodes with a certificate that lives, and without that CA."""
    query = (
        select(NODES.c.name)
        .join(CERTIFICATES, CERTIFICATES.c.node == NODES.c.name)
        .where(
            CERTIFICATES.c.revoked_ns.is_(None),
            CERTIFICATES.c.not_after_ns > now_ns,
            ~NODES.c.trusts.contains(pin),
        )
    )
    return list(connection.scalars(query.distinct().order_by(NODES.c.name)))


def not_from(connection: Connection, ca: str, now_ns: int) -> list[str]:
    """Nodes whose newest living certificate comes from another CA than `ca`."""
    newest = (
        select(CERTIFICATES.c.node, func.max(CERTIFICATES.c.issued_ns).label("issued_ns"))
        .where(CERTIFICATES.c.revoked_ns.is_(None), CERTIFICATES.c.not_after_ns > now_ns)
        .group_by(CERTIFICATES.c.node)
        .subquery()
    )
    query = (
        select(CERTIFICATES.c.node)
        .join(
            newest,
            (newest.c.node == CERTIFICATES.c.node)
            & (newest.c.issued_ns == CERTIFICATES.c.issued_ns),
        )
        .where(CERTIFICATES.c.ca != ca)
    )
    return list(connection.scalars(query.distinct().order_by(CERTIFICATES.c.node)))


def forget(connection: Connection, before_ns: int) -> int:
    """Drop certificates that ended before a time and can prove nothing any more."""
    return connection.execute(
        delete(CERTIFICATES).where(CERTIFICATES.c.not_after_ns < before_ns)
    ).rowcount


# --- requests that wait for a person -------------------------------------------------------------


def ask(
    connection: Connection,
    node: str,
    key_id: str,
    wished: Mapping[str, str],
    address: str,
    now_ns: int,
) -> bool:
    """Keep a request; True once it is approved. Raises NameTaken, TooMany."""
    connection.execute(delete(REQUESTS).where(REQUESTS.c.requested_ns < now_ns - REQUEST_NS))
    found = connection.execute(select(REQUESTS).where(REQUESTS.c.node == node)).first()
    if found is not None and found.key_id != key_id:
        raise NameTaken(
            f"another key has asked to be node {node}; approve or refuse that one first: "
            "skerry node requests",
            name=node,
            kind="nodes",
        )
    if found is not None:
        return bool(found.approved)
    if (connection.scalar(select(func.count()).select_from(REQUESTS)) or 0) >= REQUESTS_LIMIT:
        raise TooMany(f"{REQUESTS_LIMIT} nodes wait for approval; try again later")
    connection.execute(
        insert(REQUESTS).values(
            node=node,
            key_id=key_id,
            labels=json.dumps(dict(wished), sort_keys=True),
            address=address,
            requested_ns=now_ns,
            approved=False,
        )
    )
    return False


def requests(connection: Connection) -> list[Row[Any]]:
    """What waits, oldest first."""
    query = select(REQUESTS).where(REQUESTS.c.approved.is_(False))
    return list(connection.execute(query.order_by(REQUESTS.c.requested_ns)))


def approve(connection: Connection, node: str) -> tuple[Waiting, Waiting]:
    """Let a request through; it before and after. Raises NotFound."""
    before = _waiting(connection, node)
    connection.execute(update(REQUESTS).where(REQUESTS.c.node == node).values(approved=True))
    return before, _waiting(connection, node)


def answer(connection: Connection, node: str) -> Waiting:
    """Drop a request that was refused; it as it was. Raises NotFound."""
    before = _waiting(connection, node)
    connection.execute(delete(REQUESTS).where(REQUESTS.c.node == node))
    return before


def _waiting(connection: Connection, node: str) -> Waiting:
    found = connection.execute(select(REQUESTS).where(REQUESTS.c.node == node)).first()
    if found is None:
        raise NotFound(f"no node {node} asks to join", name=node, kind="nodes")
    labels = json.loads(found.labels)
    return Waiting(key=found.key_id, labels=labels, address=found.address, approved=found.approved)
