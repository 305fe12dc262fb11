"""What a running service tells its owner's own commands: its CA, and a join token for agents here.

Whoever can read the file can read the CA's key beside it, so it adds no power; it makes the first
agent on the same machine join without a word.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from cloud.clock import Clock
from cloud.errors import NotFound
from cloud.pki.enrolment import Enrolment
from cloud.pki.tokens import TokenSpec
from edge.wire.errors import DecodeError
from edge.wire.joining import CloudContext, JoinToken

USES = 16
LIFE = timedelta(hours=24)
REFRESH_SECONDS = 12 * 3600.0
"""A context read at any time has a token for half a day."""

Load = Callable[[str], CloudContext | None]


async def make_context(enrolment: Enrolment, url: str, load: Load, clock: Clock) -> CloudContext:
    """A context with a fresh token; the one of the last context becomes worthless."""
    old = load(url)
    if old is not None and old.join_token:
        with suppress(NotFound, DecodeError):  # of another cloud, or gone
            await enrolment.delete_token(JoinToken.parse(old.join_token).id)
    expires_ns = int((clock() + LIFE).timestamp()) * 10**9
    spec = TokenSpec(uses=USES, expires_ns=expires_ns, claims=("*",))
    token = await enrolment.create_token(spec)
    return CloudContext(
        url=url, ca="".join(enrolment.authority.trust_text()), join_token=token.text()
    )
