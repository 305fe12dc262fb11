"""The agent's identity: joins, renews in time, comes back after expiry, tells TLS what to use.

Rules: a new certificate is tried on the cloud before the old one is dropped. A failure here never
stops an app, and never costs an identity that still works. Time is what the cloud has proven.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from edge.identity import enrol
from edge.identity.child import work
from edge.identity.errors import IdentityError, WorkerError
from edge.identity.lifetime import Facts, Step, draw, next_step, renew_at
from edge.identity.local import local_token
from edge.identity.slots import Slots, facts_of
from edge.net.errors import ConnectError, LinkLostError, NetError, StatusError
from edge.net.stream import Tls
from edge.wire.errors import DecodeError
from edge.wire.joining import (
    ROOT,
    Challenge,
    ChallengeRequest,
    Issued,
    JoinRequest,
    JoinToken,
    ReenrolRequest,
    RenewRequest,
    Trust,
)

LOOK = 3600.0
"""Seconds between looks at the certificate, and tries to renew it: a quarter of its life is left."""
REFUSED = frozenset({401, 403})

_log = logging.getLogger(__name__)


class Time(Protocol):
    """What the agent knows of the time: `Timekeeper`."""

    def proven_ns(self) -> int:
        """A time that an authenticated cloud has said, and what has passed since."""
        ...

    def proved(self, cloud_ns: int) -> None:
        """An authenticated cloud said its time."""
        ...


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How this node gets its first certificate."""

    node: str
    cloud: str
    token: str | None = field(default=None, repr=False)
    ca_pin: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


class Keeper:
    """Belongs to the loop."""

    def __init__(
        self,
        settings: JoinSettings,
        directory: Path,
        time: Time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """What is wrong with a token, pin or address is said when they are needed: apps run anyway."""
        self._settings = settings
        self._cloud = settings.cloud.rstrip("/")
        self._time = time
        self._slots = Slots(directory)
        self._uniform = uniform
        self._share = draw(uniform)
        self._turn = asyncio.Lock()
        self._suspect = False
        self._wake = asyncio.Event()
        self._encrypted = self._cloud.startswith("https://")
        self._tls: Tls | None = None
        if self._encrypted and self._slots.active() is not None:
            self._use(self._slots.active())

    @property
    def facts(self) -> Facts | None:
        """The certificate in use."""
        active = self._slots.active()
        return facts_of(active) if active is not None else None

    def tls(self) -> Tls:
        """For a connection as this node; raises ConnectError before it has joined."""
        if self._tls is None:
            raise ConnectError(f"{self._cloud}: this node has not joined yet")
        return self._tls

    async def prepare(self) -> Tls:
        """As `tls`, after whatever is due: join, renew, prove. Raises NetError, IdentityError."""
        if not self._encrypted:
            raise IdentityError(f"--cloud: {self._cloud} is not encrypted; use https://")
        async with self._turn:
            if self._slots.candidate() is not None:
                await self._try_candidate()
            if self._slots.active() is None:
                await self._join()
            if self._suspect:
                await self._learn_time()
            await self._follow()
            return self.tls()

    def failed(self, error: Exception) -> None:
        """A connection as this node broke early: perhaps its certificate has ended."""
        self._suspect = self._suspect or isinstance(error, LinkLostError)

    def heard(self, cloud_ns: int) -> None:
        """The cloud said its time, on a connection as this node."""
        self._suspect = False
        self._time.proved(cloud_ns)
        self._wake.set()

    async def run(self) -> None:
        """Renew in time while the link is up, for ever, and learn of new CAs."""
        while True:
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._tls is None:
                continue
            try:
                async with self._turn:
                    await self._follow()
                    await self._learn_trust(self.tls())
            except (NetError, IdentityError, OSError) as error:
                _log.warning("the identity is not renewed, and waits for the next try: %s", error)

    # --- steps -----------------------------------------------------------------------------------

    async def _join(self) -> None:
        settings = self._settings
        token, pin = await self._introduction()
        trust = self._slots.trust()
        if not trust:
            if pin is None:
                raise ConnectError(
                    f"{self._cloud}: this node has no identity there; give it a join token "
                    "(skerry token create), or the CA's pin and let a person approve it"
                )
            trust = await enrol.meet(self._cloud, pin, self._time.proven_ns)
            await asyncio.to_thread(self._slots.set_trust, [trust])
        wish = JoinRequest(
            node=settings.node,
            csr=await self._request(),
            token=token.text() if token else "",
            labels=dict(settings.labels),
        )
        await self._take(await self._post("join", wish, self._stranger()))
        _log.info("joined %s as %s", self._cloud, settings.node)

    async def _introduction(self) -> tuple[JoinToken | None, str | None]:
        """Token and pin: as set, else as a cloud of this person on this machine left them.

        Read at each try, since that cloud may start later than we do.
        """
        if self._settings.token or self._settings.ca_pin:
            return _join_with(self._settings)
        nearby = await asyncio.to_thread(local_token, self._cloud)
        return _join_with(replace(self._settings, token=nearby))

    async def _follow(self) -> None:
        """Renew or prove, if it is time; a failed renewal leaves what there is."""
        facts = self.facts
        if facts is None:
            return
        step = next_step(facts, self._share, self._time.proven_ns())
        if step is Step.REENROL:
            await self._reenrol()
        elif step is Step.RENEW:
            try:
                wish = RenewRequest(csr=await self._request())
                await self._take(await self._post("renew", wish, self.tls()))
                _log.info("certificate renewed")
            except (NetError, WorkerError) as error:
                _log.warning("certificate not renewed yet: %s", error)

    async def _reenrol(self) -> None:
        active = self._slots.active()
        if active is None:
            return
        stranger = self._stranger()
        challenge = await self._challenge(stranger)
        csr = await self._request()
        proven = await work("prove", active, said={"nonce": challenge.nonce, "csr": csr})
        wish = ReenrolRequest(
            certificate=proven["certificate"],
            csr=csr,
            nonce=challenge.nonce,
            signature=proven["signature"],
        )
        await self._take(await self._post("reenrol", wish, stranger))
        _log.info("came back with a new certificate after the old one had ended")

    async def _learn_time(self) -> None:
        """Ask for the time without a certificate, since ours may have ended without our clock."""
        challenge = await self._challenge(self._stranger())
        self._suspect = False
        self._time.proved(challenge.time_ns)

    async def _learn_trust(self, tls: Tls) -> None:
        found = await enrol.ask(f"{self._cloud}{ROOT}/trust", Trust, tls)
        if "".join(found.trust) != self._slots.trust():
            await asyncio.to_thread(self._slots.set_trust, found.trust)
            self._use(self._slots.active())
            _log.info("the cloud's CAs changed: %d are trusted now", len(found.trust))

    async def _take(self, issued: Issued) -> None:
        """Write a new certificate as candidate, try it, then use it."""
        said = {
            "node": self._settings.node,
            "certificate": issued.certificate,
            "trust": "".join(issued.trust),
        }
        await work("keep", self._slots.pending, self._slots.next_slot(), said=said)
        await asyncio.to_thread(self._slots.set_trust, issued.trust)
        self._time.proved(issued.time_ns)
        await self._try_candidate()

    async def _try_candidate(self) -> None:
        """Promote a candidate that the cloud takes; drop one that it refuses or that is damaged."""
        candidate = self._slots.candidate()
        if candidate is None:
            return
        try:
            facts_of(candidate)
            tls = Tls(enrol.context(self._slots.trust(), candidate), self._time.proven_ns)
        except (IdentityError, ssl.SSLError) as error:
            _log.error("the new certificate is unusable and dropped: %s", error)
            await asyncio.to_thread(self._slots.drop_candidate)
            return
        try:
            await self._learn_trust(tls)
        except StatusError as error:
            if error.status in REFUSED:
                await asyncio.to_thread(self._slots.drop_candidate)
            raise
        await asyncio.to_thread(self._slots.promote)
        self._share = draw(self._uniform)
        self._use(self._slots.active())

    # --- helpers ---------------------------------------------------------------------------------

    async def _request(self) -> str:
        found = await work("request", self._slots.pending, self._settings.node)
        return str(found["csr"])

    async def _challenge(self, tls: Tls) -> Challenge:
        return await enrol.ask(
            f"{self._cloud}{ROOT}/challenge", Challenge, tls, ChallengeRequest()
        )

    async def _post(
        self, what: str, said: JoinRequest | RenewRequest | ReenrolRequest, tls: Tls
    ) -> Issued:
        return await enrol.ask(f"{self._cloud}{ROOT}/{what}", Issued, tls, said)

    def _stranger(self) -> Tls:
        """Verifies the cloud, shows nothing."""
        return Tls(enrol.context(self._slots.trust()), self._time.proven_ns)

    def _use(self, slot: Path | None) -> None:
        self._tls = Tls(enrol.context(self._slots.trust(), slot), self._time.proven_ns)

    def _pause(self) -> float:
        facts = self.facts
        if facts is None:
            return LOOK
        left = (renew_at(facts, self._share) - self._time.proven_ns()) / 1e9
        return min(left, LOOK) if left > 0 else LOOK


def _join_with(settings: JoinSettings) -> tuple[JoinToken | None, str | None]:
    """The token and the pin; raises IdentityError."""
    pin = settings.ca_pin.removeprefix("sha256:").lower() if settings.ca_pin else None
    if not settings.token:
        return None, pin
    try:
        token = JoinToken.parse(settings.token)
    except DecodeError as error:
        raise IdentityError(str(error)) from None
    if pin not in {None, token.pin}:
        raise IdentityError("ca-pin: the token is of a cloud with another CA; give one of the two")
    return token, token.pin
