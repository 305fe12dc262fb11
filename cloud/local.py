"""What a running service tells its owner's own commands: its CA, a token, a join token for agents.

Whoever can read the file can read the CA's key and the database, so it adds no power; it makes the
first command and the first agent on the same machine work without a word.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from cloud.access.bootstrap import first_admin
from cloud.access.credentials import Credentials
from cloud.clock import Clock
from cloud.errors import NotFound
from cloud.pki.enrolment import Enrolment
from cloud.pki.tokens import TokenSpec
from edge.wire.errors import DecodeError
from edge.wire.joining import CloudContext, JoinToken

USES = 16
LIFE = timedelta(hours=24)
REFRESH_SECONDS = 12 * 3600.0
"""A context read at any time has a join token for half a day."""

Tell = Callable[[str, CloudContext | None], Awaitable[CloudContext]]
"""From a service's URL and what its owner's commands know of it to what they shall know."""


def teller(
    data_dir: Path, credentials: Credentials, enrolment: Enrolment | None, clock: Clock
) -> Tell:
    """For one service; without `enrolment` there is neither CA nor join token."""

    async def tell(url: str, old: CloudContext | None) -> CloudContext:
        known = structs.replace(old or CloudContext(), url=url)
        now_ns = int(clock().timestamp() * 1e9)
        if credentials.identify(known.token, now_ns) is None:
            first = first_admin(data_dir)
            known = structs.replace(known, user=first.user, token=first.token)
        return known if enrolment is None else await _joining(enrolment, known, clock)

    return tell


async def _joining(enrolment: Enrolment, known: CloudContext, clock: Clock) -> CloudContext:
    """With the CA and a fresh join token; the one before becomes worthless."""
    if known.join_token:
        with suppress(NotFound, DecodeError):  # of another cloud, or gone
            await enrolment.delete_token(JoinToken.parse(known.join_token).id)
    expires_ns = int((clock() + LIFE).timestamp()) * 10**9
    spec = TokenSpec(uses=USES, expires_ns=expires_ns, claims=("*",))
    made = await enrolment.create_token(spec)
    ca = "".join(enrolment.authority.trust_text())
    return structs.replace(known, ca=ca, join_token=made.text())
