"""What nodes asked of identities, in the audit log; what operators do there the gate writes down."""

from sqlalchemy import Connection

from cloud.access.audit import Origin, record_outcome
from cloud.access.policy import Action
from cloud.access.principal import ANONYMOUS, Identity, Principal
from cloud.access.ratelimit import Limiter, Rate
from cloud.clock import Clock
from cloud.errors import StatusError
from cloud.store.database import Database

REFUSALS = Rate(per_second=1 / 60, burst=60)
"""Refusals from one address that are written down: who guesses on must not fill the log."""
DONE = 200


class Journal:
    """Of one service. Concurrency: `done` in the writer's thread, the rest in the loop's."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._refusals = Limiter(REFUSALS)

    def done(
        self, connection: Connection, verb: str, node: str, address: str, detail: str
    ) -> None:
        """Add what a node got, inside its transaction. Never give it a secret."""
        origin = Origin(
            Identity(Principal("node", node)), Action(verb, "nodes", "", node), address
        )
        record_outcome(connection, origin, self._now_ns(), code=DONE, reason=detail)

    async def refused(self, verb: str, node: str, address: str, error: StatusError) -> None:
        """Add what was refused to one who claimed to be this node."""
        if self._refusals.take(address, self._clock().timestamp()):
            return
        origin, now_ns = (
            Origin(ANONYMOUS, Action(verb, "nodes", "", node), address),
            self._now_ns(),
        )

        def work(connection: Connection) -> None:
            record_outcome(connection, origin, now_ns, code=error.code, reason=error.message)

        await self._database.write(work)

    def _now_ns(self) -> int:
        return int(self._clock().timestamp() * 1e9)
