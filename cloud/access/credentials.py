"""Users, services and their tokens: kept in the database by hash, looked up in memory.

Rules: a token's text is known only while it is made. Every change is in the database before it is
in memory, and in the audit log in the same transaction. When a token was last used is kept in
memory and written now and then: after a power cut it may be a minute too old.
"""

from collections.abc import Callable
from typing import Self

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Connection

from cloud.access.principal import Identity, Principal
from cloud.access.schema import PRINCIPALS, TOKENS
from cloud.access.tokens import Holder, hashed, identifier, make, well_formed
from cloud.errors import AlreadyExists, NotFound, TooLarge
from cloud.store.database import Database
from cloud.store.witness import Deed, witness_of_task

PRINCIPALS_LIMIT = 10_000
"""Users and services; all are in memory."""
TOKENS_LIMIT = 50_000
"""Tokens in all, about 20 MB of memory."""

PLURALS: dict[Holder, str] = {"user": "users", "service": "serviceaccounts"}


class Account(Struct, frozen=True):
    """A user or a service."""

    kind: Holder
    name: str
    created_ns: int


class Token(Struct, frozen=True):
    """What is known of a token, without its text."""

    id: str
    kind: Holder
    name: str
    description: str
    created_ns: int
    expires_ns: int | None = None
    used_ns: int | None = None


class Credentials:
    """All accounts and tokens of a service. Concurrency: tasks of the database's event loop."""

    def __init__(self, database: Database, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._random = random
        self._accounts: dict[tuple[Holder, str], Account] = {}
        self._tokens: dict[str, Token] = {}
        self._used: dict[str, int] = {}

    @classmethod
    async def open(cls, database: Database, random: Callable[[int], bytes]) -> Self:
        """What the database holds."""
        found = cls(database, random)
        accounts, tokens = await database.read(_load)
        found._accounts = {(each.kind, each.name): each for each in accounts}
        found._tokens = tokens
        return found

    @property
    def accounts(self) -> list[Account]:
        """Users and services by kind and name."""
        return [self._accounts[key] for key in sorted(self._accounts)]

    @property
    def tokens(self) -> list[Token]:
        """Tokens, oldest first."""
        return sorted(
            (self._with_use(digest, each) for digest, each in self._tokens.items()),
            key=lambda each: (each.created_ns, each.id),
        )

    def identify(self, text: str, now_ns: int) -> Identity | None:
        """Whose token this is; None for one that is unknown, expired or not well formed."""
        if not well_formed(text):
            return None
        digest = hashed(text)
        token = self._tokens.get(digest)
        if token is None or (token.expires_ns is not None and token.expires_ns <= now_ns):
            return None
        self._used[digest] = now_ns
        return Identity(Principal(token.kind, token.name), token.id)

    async def add_account(self, kind: Holder, name: str, now_ns: int) -> Account:
        """A new user or service; raises AlreadyExists."""
        if (kind, name) in self._accounts:
            raise AlreadyExists(f'{PLURALS[kind]} "{name}" already exists', name=name)
        if len(self._accounts) >= PRINCIPALS_LIMIT:
            raise TooLarge(f"users and services: at most {PRINCIPALS_LIMIT}; delete some")
        account, witness = Account(kind, name, now_ns), witness_of_task()

        def work(connection: Connection) -> None:
            row = {"kind": kind, "name": name, "created_ns": now_ns}
            connection.execute(sa.insert(PRINCIPALS), row)
            witness(connection, Deed(PLURALS[kind], "", name, None, account))

        def then(_: None) -> None:
            self._accounts[kind, name] = account

        await self._database.write(work, then)
        return account

    async def remove_account(self, kind: Holder, name: str) -> Account:
        """Delete it with all its tokens, which are invalid from then on; raises NotFound."""
        account = self._account(kind, name)
        witness = witness_of_task()

        def work(connection: Connection) -> None:
            for table in (PRINCIPALS, TOKENS):
                mine = (table.c.kind == kind, table.c.name == name)
                connection.execute(sa.delete(table).where(*mine))
            witness(connection, Deed(PLURALS[kind], "", name, account, None))

        def then(_: None) -> None:
            self._accounts.pop((kind, name), None)
            mine = [
                d for d, each in self._tokens.items() if (each.kind, each.name) == (kind, name)
            ]
            for digest in mine:
                self._forget(digest)

        await self._database.write(work, then)
        return account

    async def add_token(
        self,
        kind: Holder,
        name: str,
        now_ns: int,
        *,
        expires_ns: int | None,
        description: str,
        before: Callable[[str], object] = lambda _: None,
    ) -> tuple[Token, str]:
        """A new token of an account, and its text, which is not kept; raises NotFound.

        `before` gets the text first: what fails there leaves no token.
        """
        self._account(kind, name)
        if len(self._tokens) >= TOKENS_LIMIT:
            raise TooLarge(f"tokens: at most {TOKENS_LIMIT}; delete some")
        text = make(kind, self._random(32))
        before(text)
        digest = hashed(text)
        token = Token(identifier(digest), kind, name, description, now_ns, expires_ns)
        witness = witness_of_task()

        def work(connection: Connection) -> None:
            mine = (PRINCIPALS.c.kind == kind, PRINCIPALS.c.name == name)
            if connection.execute(sa.select(PRINCIPALS.c.name).where(*mine)).first() is None:
                raise NotFound(f'{PLURALS[kind]} "{name}" not found', name=name)
            row = {
                "digest": digest,
                "kind": kind,
                "name": name,
                "description": description,
                "created_ns": now_ns,
                "expires_ns": expires_ns,
            }
            connection.execute(sa.insert(TOKENS), row)
            witness(connection, Deed("tokens", "", token.id, None, token))

        def then(_: None) -> None:
            self._tokens[digest] = token

        await self._database.write(work, then)
        return token, text

    async def remove_token(self, token_id: str) -> Token:
        """Revoke one token; raises NotFound."""
        digest = next((d for d, each in self._tokens.items() if each.id == token_id), None)
        if digest is None:
            raise NotFound(f'tokens "{token_id}" not found', kind="tokens", name=token_id)
        token, witness = self._tokens[digest], witness_of_task()

        def work(connection: Connection) -> None:
            connection.execute(sa.delete(TOKENS).where(TOKENS.c.digest == digest))
            witness(connection, Deed("tokens", "", token.id, token, None))

        await self._database.write(work, lambda _: self._forget(digest))
        return token

    async def keep_use(self) -> None:
        """Write when tokens were last used."""
        used, self._used = self._used, {}
        for digest, at_ns in used.items():
            if token := self._tokens.get(digest):
                self._tokens[digest] = _used(token, at_ns)
        rows = [{"d": digest, "at": at_ns} for digest, at_ns in used.items()]
        if rows:
            mark = sa.update(TOKENS).where(TOKENS.c.digest == sa.bindparam("d"))
            statement = mark.values(used_ns=sa.bindparam("at"))
            await self._database.write(lambda connection: connection.execute(statement, rows))

    def _account(self, kind: Holder, name: str) -> Account:
        try:
            return self._accounts[kind, name]
        except KeyError:
            plural = PLURALS[kind]
            raise NotFound(f'{plural} "{name}" not found', kind=plural, name=name) from None

    def _with_use(self, digest: str, token: Token) -> Token:
        return _used(token, self._used[digest]) if digest in self._used else token

    def _forget(self, digest: str) -> None:
        self._tokens.pop(digest, None)
        self._used.pop(digest, None)


def _used(token: Token, at_ns: int) -> Token:
    return structs.replace(token, used_ns=at_ns)


def _load(connection: Connection) -> tuple[list[Account], dict[str, Token]]:
    accounts = [
        Account(row.kind, row.name, row.created_ns)
        for row in connection.execute(sa.select(PRINCIPALS))
    ]
    tokens = {
        row.digest: Token(
            identifier(row.digest),
            row.kind,
            row.name,
            row.description,
            row.created_ns,
            row.expires_ns,
            row.used_ns,
        )
        for row in connection.execute(sa.select(TOKENS))
    }
    return accounts, tokens
