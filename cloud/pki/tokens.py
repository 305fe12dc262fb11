"""Join tokens in SQL: statements on a connection. Secrets are kept as hashes.

A secret has 160 random bits, so one SHA-256 is as good as a slow hash.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select, update

from cloud.errors import Cause, Invalid, NotFound
from cloud.kinds.meta import LABEL_KEY, LABEL_VALUE
from cloud.pki.errors import JoinRefused, TooMany
from cloud.pki.schema import SPENT, TOKENS
from edge.wire.joining import JoinToken
from edge.wire.limits import LABELS_LIMIT

TOKENS_LIMIT = 10_000
"""Tokens kept, spent and expired ones among them: one for each board of a large batch."""
USES_LIMIT = 100_000
SECRET_BYTES = 20
KEEP_NS = 30 * 86_400 * 10**9
"""Spent and expired tokens are kept this long, so that a replay is told from a guess."""
_PATTERN = re.compile(r"[a-z0-9*?\[\]!-]{1,128}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class TokenSpec(Struct, frozen=True, rename="camel"):
    """What a token allows."""

    uses: int = 1
    expires_ns: int = 0
    """Nanoseconds since 1970."""
    pattern: str = "*"
    """Node names it may claim, as a shell would match them."""
    labels: Mapping[str, str] | None = None
    """Labels every node that joins with it gets."""
    claims: Sequence[str] = ()
    """Names of further labels a node may choose for itself; patterns."""


def check(spec: TokenSpec, now_ns: int) -> None:
    """Raises Invalid naming the field."""
    causes: list[Cause] = []
    if not 1 <= spec.uses <= USES_LIMIT:
        causes.append(Cause("uses", f"{spec.uses} is not from 1 to {USES_LIMIT}"))
    if spec.expires_ns <= now_ns:
        causes.append(Cause("expiresSeconds", "must be above 0"))
    if not _PATTERN.fullmatch(spec.pattern):
        causes.append(Cause("pattern", f"{spec.pattern!r}: use a-z, 0-9, '-', '*' and '?'"))
    labels = spec.labels or {}
    if len(labels) > LABELS_LIMIT or len(spec.claims) > LABELS_LIMIT:
        causes.append(Cause("labels", f"more than {LABELS_LIMIT}"))
    causes += [
        Cause(f"labels.{key}", "is no label")
        for key, value in labels.items()
        if not re.match(LABEL_KEY, key) or not re.match(LABEL_VALUE, value)
    ]
    if causes:
        text = "; ".join(f"{cause.field}: {cause.message}" for cause in causes)
        raise Invalid(text, causes=causes)


def create(connection: Connection, spec: TokenSpec, pin: str, now_ns: int) -> JoinToken:
    """A new token; its secret is in the answer and nowhere else."""
    connection.execute(delete(TOKENS).where(TOKENS.c.expires_ns < now_ns - KEEP_NS))
    if len(connection.execute(select(TOKENS.c.id).limit(TOKENS_LIMIT)).all()) >= TOKENS_LIMIT:
        raise TooMany(f"{TOKENS_LIMIT} tokens are kept; delete some: skerry token delete")
    token = JoinToken(
        id="".join(secrets.choice(_ALPHABET) for _ in range(8)),
        secret=base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode().lower(),
        pin=pin,
    )
    connection.execute(
        insert(TOKENS).values(
            id=token.id,
            secret_hash=_hash(token.secret),
            uses_left=spec.uses,
            expires_ns=spec.expires_ns,
            pattern=spec.pattern,
            labels=json.dumps(dict(spec.labels or {}), sort_keys=True),
            claims=json.dumps(list(spec.claims)),
            created_ns=now_ns,
        )
    )
    return token


def listed(connection: Connection) -> list[Row[Any]]:
    """Every token, newest first, without secrets."""
    shown = [column for column in TOKENS.c if column is not TOKENS.c.secret_hash]
    return list(connection.execute(select(*shown).order_by(TOKENS.c.created_ns.desc())))


def remove(connection: Connection, token: str) -> TokenSpec:
    """Make a token worthless; what it still allowed. Raises NotFound."""
    row = connection.execute(select(TOKENS).where(TOKENS.c.id == token)).first()
    if row is None:
        raise NotFound(f"there is no token {token}", name=token, kind="tokens")
    connection.execute(delete(SPENT).where(SPENT.c.token == token))
    connection.execute(delete(TOKENS).where(TOKENS.c.id == token))
    labels, claims = json.loads(row.labels), json.loads(row.claims)
    return TokenSpec(row.uses_left, row.expires_ns, row.pattern, labels, claims)


def spend(
    connection: Connection,
    token: JoinToken,
    node: str,
    key_id: str,
    labels: Mapping[str, str],
    now_ns: int,
) -> dict[str, str]:
    """Use a token once; the labels the node gets. Raises JoinRefused.

    The same key asking again for the same name costs nothing: its answer was lost on the way.
    """
    found = connection.execute(select(TOKENS).where(TOKENS.c.id == token.id)).first()
    if found is None or not hmac.compare_digest(found.secret_hash, _hash(token.secret)):
        raise JoinRefused("token: not one of this cloud's; make one: skerry token create")
    if found.expires_ns <= now_ns:
        raise JoinRefused(f"token {token.id}: expired; make another: skerry token create")
    if not fnmatchcase(node, found.pattern):
        raise JoinRefused(
            f"token {token.id}: may not be used for the name {node}, only for {found.pattern}"
        )
    given = _labels(token.id, json.loads(found.labels), json.loads(found.claims), labels)
    used = select(SPENT.c.node).where(SPENT.c.token == token.id, SPENT.c.key_id == key_id)
    if connection.scalar(used) == node:
        return given
    if found.uses_left < 1:
        raise JoinRefused(f"token {token.id}: spent; make another: skerry token create")
    connection.execute(
        update(TOKENS).where(TOKENS.c.id == token.id).values(uses_left=found.uses_left - 1)
    )
    connection.execute(insert(SPENT).values(token=token.id, key_id=key_id, node=node))
    return given


def _labels(
    token: str, fixed: dict[str, str], claims: list[str], wished: Mapping[str, str]
) -> dict[str, str]:
    given = dict(fixed)
    for key, value in wished.items():
        if fixed.get(key) == value:
            continue
        if key in fixed or not any(fnmatchcase(key, claim) for claim in claims):
            raise JoinRefused(
                f"labels.{key}: token {token} does not let the node choose it; make one that does: "
                f"skerry token create --label {key}=VALUE, or --claim {key}"
            )
        if not re.match(LABEL_KEY, key) or not re.match(LABEL_VALUE, value):
            raise JoinRefused(f"labels.{key:.80}: is no label")
        given[key] = value
    return given


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
