"""The first administrator, for the person who starts a cloud: no password to choose, none to leak.

Rules: made once, when no account exists. The token is written to a file that only its owner can
read before its hash is stored, so that a power cut in between leaves nothing half made: the next
start makes another. `cloud.local` hands the token on to the owner's own commands.
"""

from pathlib import Path

import msgspec

from cloud.access.credentials import Credentials
from cloud.errors import AlreadyExists
from cloud.kinds.access import RoleBinding, RoleBindingSpec, Subject, SubjectKind
from cloud.kinds.meta import Metadata
from cloud.store.objects import Objects
from edge.private import write_private
from edge.wire.joining import CloudContext

ADMIN = "admin"
CONTEXT = "context"
"""Name of the file in the data directory."""


async def make_admin(
    credentials: Credentials, objects: Objects, directory: Path, now_ns: int
) -> None:
    """Make the first administrator unless there is any account."""
    if credentials.tokens or any(each.name != ADMIN for each in credentials.accounts):
        return
    binding = RoleBinding(
        metadata=Metadata(name=ADMIN),
        spec=RoleBindingSpec(roles=[ADMIN], subjects=[Subject(kind=SubjectKind.USER, name=ADMIN)]),
    )
    for step in (
        objects.create(binding),
        credentials.add_account("user", ADMIN, now_ns),
    ):
        try:
            await step
        except AlreadyExists:
            continue  # an earlier start got as far as this
    await credentials.add_token(
        "user",
        ADMIN,
        now_ns,
        expires_ns=None,
        description="made at the first start",
        before=lambda text: write_private(
            directory / CONTEXT, msgspec.json.encode(CloudContext(user=ADMIN, token=text))
        ),
    )


def first_admin(directory: Path) -> CloudContext:
    """Who `make_admin` made; nobody once the owner took the file away: it is not made again."""
    try:
        return msgspec.json.decode((directory / CONTEXT).read_bytes(), type=CloudContext)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return CloudContext()
