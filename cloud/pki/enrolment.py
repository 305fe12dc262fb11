"""Who gets a certificate: joining, renewing, coming back after expiry, being sent away.

Rules: a name belongs to the key that took it until it is revoked. A certificate is in the ledger
before it is handed out, and one that is not in the ledger counts for nothing, whoever signed it.
Everything asked and refused is audited.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row

from cloud.clock import Clock
from cloud.errors import StatusError
from cloud.pki import certificates, ledger, tokens
from cloud.pki.authority import Authority
from cloud.pki.errors import JoinRefused, NotProven, PkiError
from cloud.pki.journal import Journal
from cloud.store.database import Database
from cloud.store.witness import Deed, witness_of_task
from edge.wire.errors import DecodeError
from edge.wire.joining import (
    CHALLENGE_BYTES,
    Challenge,
    Issued,
    JoinRequest,
    JoinToken,
    Pending,
    ReenrolRequest,
    proof,
)

CHALLENGES_LIMIT = 1024
"""Challenges not yet answered; the oldest gives way."""
CHALLENGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows."""

    node_life: timedelta = timedelta(days=90)
    """How long a node's certificate is valid."""
    reenrol: timedelta = timedelta(days=365)
    """How long after its end it still proves who the node is; 0: never."""


class Standing(Struct, frozen=True):
    """The CAs of a cloud by their pins, for operators and the audit log."""

    signer: str
    incoming: str
    """None yet: empty."""
    outgoing: Sequence[str]


class Enrolment:
    """Belongs to one event loop. Each method returns after the commit."""

    def __init__(
        self, database: Database, authority: Authority, clock: Clock, policy: Policy
    ) -> None:
        self.authority = authority
        self.send_away: Callable[[str, str], None] = lambda _node, _reason: None
        """Ends a node's live connections; the hub's, once there is one."""
        self.trust_changed: Callable[[], None] = lambda: None
        """The set of CAs changed; the listener's, once there is one."""
        self._journal = Journal(database, clock)
        self._database = database
        self._clock = clock
        self._policy = policy
        self._valid: dict[str, str] = {}
        self._challenges: OrderedDict[str, float] = OrderedDict()

    async def start(self) -> None:
        """Learn which certificates count."""
        self._valid = await self._database.read(ledger.valid)

    def node_of(self, serial: str) -> str | None:
        """The node whose certificate has this serial number, unless it was revoked."""
        return self._valid.get(serial)

    # --- nodes -----------------------------------------------------------------------------------

    async def join(self, request: JoinRequest, address: str) -> Issued | Pending:
        """A certificate for a token or an approved request. Raises JoinRefused, NameTaken."""
        key = await asyncio.to_thread(certificates.read_csr, request.csr)
        key_id, now_ns = certificates.key_id(key), self._now_ns()

        def admit(connection: Connection) -> bool:
            ledger.claim(connection, request.node, key_id)
            if request.token:
                token = _token(request.token)
                given = tokens.spend(
                    connection, token, request.node, key_id, request.labels, now_ns
                )
            else:
                given = dict(request.labels)
                if not ledger.ask(connection, request.node, key_id, given, address, now_ns):
                    self._journal.done(connection, "join-asked", request.node, address, key_id)
                    return False
            ledger.register(connection, request.node, given)
            self._journal.done(connection, "join", request.node, address, key_id)
            return True

        try:
            issued = await self._issue(request.node, key, admit)
        except StatusError as error:
            await self._journal.refused("join", request.node, address, error)
            raise
        if issued is None:
            return Pending(message=f"a person must approve: skerry node approve {request.node}")
        return issued

    async def renew(self, node: str, serial: str, csr: str, address: str) -> Issued:
        """A further certificate for a node that has shown a valid one. Raises JoinRefused."""
        key = await asyncio.to_thread(certificates.read_csr, csr)
        return await self._succeed(node, serial, key, "renew", address)

    def challenge(self) -> Challenge:
        """A nonce, good for one proof within a minute."""
        nonce = secrets.token_hex(CHALLENGE_BYTES)
        self._challenges[nonce] = self._clock().timestamp() + CHALLENGE_SECONDS
        while len(self._challenges) > CHALLENGES_LIMIT:
            self._challenges.popitem(last=False)
        return Challenge(nonce=nonce, time_ns=self._now_ns())

    async def reenrol(self, request: ReenrolRequest, address: str) -> Issued:
        """A certificate for a node whose last one ended, proven by its key.

        Raises NotProven, JoinRefused.
        """
        node = "unknown"
        try:
            until = self._challenges.pop(request.nonce, 0.0)
            if until < self._clock().timestamp():
                raise NotProven("nonce: not one that was given here within the last minute")
            old = certificates.read_certificate(request.certificate)
            node = self._proven(old, request)
            key = await asyncio.to_thread(certificates.read_csr, request.csr)
            serial = certificates.serial_of(old)
            return await self._succeed(node, serial, key, "reenrol", address)
        except StatusError as error:
            await self._journal.refused("reenrol", node, address, error)
            raise

    async def heard_trust(self, node: str) -> None:
        """A node fetched the CAs it shall trust."""
        pins = list(map(certificates.pin, self.authority.trusted))
        await self._database.write(lambda connection: ledger.trusts(connection, node, pins))

    async def labels(self, node: str) -> dict[str, str]:
        """What a node was given when it joined; not what it says of itself."""
        return await self._database.read(lambda connection: ledger.labels(connection, node))

    # --- operators -------------------------------------------------------------------------------

    async def create_token(self, spec: tokens.TokenSpec) -> JoinToken:
        """A new token. Raises Invalid, TooMany."""
        now_ns = self._now_ns()
        tokens.check(spec, now_ns)
        pin = certificates.pin(self.authority.signer.certificate)
        witness = witness_of_task()

        def work(connection: Connection) -> JoinToken:
            made = tokens.create(connection, spec, pin, now_ns)
            witness(connection, Deed("jointokens", "", made.id, None, spec))
            return made

        return await self._database.write(work)

    async def tokens(self) -> Sequence[Row[Any]]:
        """Every token without its secret."""
        return await self._database.read(tokens.listed)

    async def delete_token(self, token: str) -> None:
        """Make a token worthless. Raises NotFound."""
        witness = witness_of_task()

        def work(connection: Connection) -> None:
            left = tokens.remove(connection, token)
            witness(connection, Deed("jointokens", "", token, left, None))

        await self._database.write(work)

    async def requests(self) -> Sequence[Row[Any]]:
        """Nodes that wait for a person."""
        return await self._database.read(ledger.requests)

    async def approve(self, node: str) -> None:
        """Let a waiting node in; it gets its certificate when it asks again. Raises NotFound."""
        witness = witness_of_task()

        def work(connection: Connection) -> None:
            before, after = ledger.approve(connection, node)
            witness(connection, Deed("joinrequests", "", node, before, after))

        await self._database.write(work)

    async def refuse(self, node: str) -> None:
        """Forget a waiting node's request. Raises NotFound."""
        witness = witness_of_task()

        def work(connection: Connection) -> None:
            before = ledger.answer(connection, node)
            witness(connection, Deed("joinrequests", "", node, before, None))

        await self._database.write(work)

    async def revoke(self, node: str) -> int:
        """End a node's identity and its connections now; how many certificates it had."""
        witness, now_ns = witness_of_task(), self._now_ns()

        def work(connection: Connection) -> list[str]:
            serials = ledger.revoke(connection, node, now_ns)
            had = ledger.Certificates(serials)
            witness(connection, Deed("identities", "", node, had, ledger.Certificates([])))
            return serials

        gone = await self._database.write(work)
        self._forget(gone)
        self.send_away(node, f"node {node} was revoked")
        return len(gone)

    # --- the CA ----------------------------------------------------------------------------------

    def rotate(self) -> str:
        """Make the next CA; its pin. Raises PkiError."""
        made = self.authority.rotate(self._clock())
        self.trust_changed()
        return certificates.pin(made)

    async def lagging(self) -> list[str]:
        """Nodes that would be surprised by the next step of a rotation."""
        incoming, now_ns = self.authority.incoming, self._now_ns()
        if incoming is not None:
            pin = certificates.pin(incoming)
            return await self._database.read(
                lambda connection: ledger.not_trusting(connection, pin, now_ns)
            )
        pin = certificates.pin(self.authority.signer.certificate)
        return await self._database.read(
            lambda connection: ledger.not_from(connection, pin, now_ns)
        )

    async def activate(self, *, force: bool) -> None:
        """Sign with the next CA. Raises PkiError while nodes do not trust it, unless forced."""
        if self.authority.incoming is not None and not force:
            await self._nobody_lags("have not learnt of the next CA")
        self.authority.activate()
        self.trust_changed()

    async def retire(self, *, force: bool) -> None:
        """Distrust the older CA and what it issued. Raises PkiError while it is in use."""
        if self.authority.outgoing and not force:
            await self._nobody_lags("have no certificate of the new CA yet")
        now_ns = self._now_ns()
        for old in self.authority.retire():
            pin = certificates.pin(old)
            gone = await self._database.write(
                lambda connection, pin=pin: ledger.revoke_of(connection, pin, now_ns)  # type: ignore[misc]
            )
            left = set(self._valid.values())
            nodes = {self._valid[serial] for serial in gone if serial in self._valid}
            self._forget(gone)
            for node in nodes & (left - set(self._valid.values())):
                self.send_away(node, "its CA was retired")
        self.trust_changed()

    def standing(self) -> Standing:
        """Which CAs there are now, by their pins."""
        known = self.authority
        return Standing(
            signer=certificates.pin(known.signer.certificate),
            incoming=certificates.pin(known.incoming) if known.incoming else "",
            outgoing=list(map(certificates.pin, known.outgoing)),
        )

    async def tell_turn(self, before: Standing) -> None:
        """Have a step of a rotation witnessed; the CA is in files, so not in one transaction."""
        witness, turned = witness_of_task(), Deed("ca", "", "", before, self.standing())
        await self._database.write(lambda connection: witness(connection, turned))

    async def forget_expired(self) -> None:
        """Drop what can prove nothing any more; now and then."""
        before = self._clock() - self._policy.reenrol
        before_ns = int(before.timestamp()) * 10**9
        await self._database.write(lambda connection: ledger.forget(connection, before_ns))
        await self.start()

    # --- helpers ---------------------------------------------------------------------------------

    async def _succeed(
        self, node: str, serial: str, key: certificates.PublicKey, verb: str, address: str
    ) -> Issued:
        """A certificate in place of another, unless that is revoked by the time of the commit."""

        def admit(connection: Connection) -> bool:
            if not ledger.stands(connection, serial):
                return False
            self._journal.done(connection, verb, node, address, certificates.key_id(key))
            return True

        issued = await self._issue(node, key, admit)
        if issued is None:
            raise JoinRefused(f"node {node} was revoked; join with a token")
        return issued

    async def _issue(
        self, node: str, key: certificates.PublicKey, admit: Callable[[Connection], bool]
    ) -> Issued | None:
        """Sign, and record in the transaction that admits; None when it does not."""
        now, signer = self._clock(), self.authority.signer
        made = await asyncio.to_thread(
            certificates.make_node, key, node, signer, now, self._policy.node_life
        )
        entry = ledger.Entry(
            serial=certificates.serial_of(made),
            node=node,
            key_id=certificates.key_id(key),
            ca=certificates.pin(signer.certificate),
            issued_ns=int(now.timestamp() * 1e9),
            not_after_ns=int(made.not_valid_after_utc.timestamp()) * 10**9,
        )

        def record(connection: Connection) -> bool:
            if not admit(connection):
                return False
            ledger.add(connection, entry)
            return True

        def learn(recorded: bool) -> None:  # noqa: FBT001 - what `record` returned
            if recorded:
                self._valid[entry.serial] = node

        if not await self._database.write(record, learn):
            return None
        return Issued(
            certificate=certificates.to_pem(made),
            trust=self.authority.trust_text(),
            time_ns=self._now_ns(),
        )

    def _proven(self, old: certificates.Certificate, request: ReenrolRequest) -> str:
        """The node that the request proves."""
        node = self.node_of(certificates.serial_of(old))
        if node is None or not certificates.issued_by(old, self.authority.trusted):
            raise JoinRefused("certificate: revoked, or not of this cloud; join with a token")
        signed = proof(request.nonce, request.csr)
        if not certificates.proves(old, bytes.fromhex(request.signature), signed):
            raise NotProven("signature: not by the key of the certificate")
        if old.not_valid_after_utc + self._policy.reenrol < self._clock():
            raise JoinRefused(
                f"certificate: ended more than {self._policy.reenrol.days} days ago; "
                f"skerry node revoke {node}, then join with a token"
            )
        return node

    async def _nobody_lags(self, what: str) -> None:
        nodes = await self.lagging()
        if nodes:
            some = ", ".join(nodes[:5]) + (", …" if len(nodes) > 5 else "")  # noqa: PLR2004
            raise PkiError(f"{len(nodes)} nodes {what}: {some}; wait, or say --force")

    def _forget(self, serials: Sequence[str]) -> None:
        for serial in serials:
            self._valid.pop(serial, None)

    def _now_ns(self) -> int:
        return int(self._clock().timestamp() * 1e9)


def _token(text: str) -> JoinToken:
    try:
        return JoinToken.parse(text)
    except DecodeError as error:
        raise JoinRefused(str(error)) from error
