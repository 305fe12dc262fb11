"""The parts of identity joined for the service: CA, enrolment, TLS, rules, routes."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute

from cloud.clock import Clock
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.firmwareinstance import FirmwareInstance
from cloud.pki.authority import Authority
from cloud.pki.enrolment import Enrolment, Policy
from cloud.pki.peer import load_identity, server_context
from cloud.pki.routes import node_routes, operator_routes
from cloud.pki.rules import NodeRules
from cloud.store.database import Database
from cloud.store.objects import Objects, Query
from cloud.store.selectors import parse_fields
from edge.wire.messages import Files, Module

ALWAYS = ("localhost", "127.0.0.1", "::1")
"""Names in every certificate of the service."""


class Identities:
    """What `service.running` holds. Concurrency: one event loop."""

    def __init__(self, enrolment: Enrolment, names: Sequence[str], clock: Clock) -> None:
        self.enrolment = enrolment
        self.context: ssl.SSLContext = server_context()
        self._names = names
        self._clock = clock
        enrolment.trust_changed = self._load
        self._load()

    @classmethod
    async def open(
        cls,
        directory: Path,
        names: Sequence[str],
        database: Database,
        clock: Clock,
        policy: Policy,
    ) -> "Identities":
        """Open the CA in `directory`, or make it. Raises PkiError, OSError."""
        authority = Authority(directory, clock())
        enrolment = Enrolment(database, authority, clock, policy)
        await enrolment.start()
        return cls(enrolment, names, clock)

    async def renew(self) -> None:
        """What is to be done now and then."""
        self._load()
        await self.enrolment.forget_expired()

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [*node_routes(self.enrolment), *operator_routes(self.enrolment, self._clock)]

    def rules(self, objects: Objects) -> NodeRules:
        """For the gate."""

        async def needs(node: str, repository: str, digest: str) -> bool:
            query = Query(fields=parse_fields(f"spec.node={node}", ("spec.node",)))
            apps = (await objects.list(AppInstance, query)).items
            images = (await objects.list(FirmwareInstance, query)).items
            blobs: list[Module | Files] = [each.spec.desired.module for each in apps]
            blobs += [each.spec.desired.files for each in apps if each.spec.desired.files]
            blobs += [each.spec.desired.image for each in images]
            wanted = [each.spec.desired for each in images]
            blobs += [spec.blob(patch) for spec in wanted for patch in spec.patches]
            return any((each.repository, each.digest) == (repository, digest) for each in blobs)

        return NodeRules(self.enrolment, needs, self._clock)

    def _load(self) -> None:
        authority = self.enrolment.authority
        file = authority.server_file(self._names, self._clock())
        load_identity(self.context, file, authority.trust_text())


def names_of(host: str, further: Sequence[str]) -> list[str]:
    """Every name and address the service goes by, in a fixed order."""
    own = socket.gethostname().lower()
    listening = [] if host in {"0.0.0.0", "::", ""} else [host]  # noqa: S104 - compared, not bound
    return sorted({*ALWAYS, own, *listening, *further})
