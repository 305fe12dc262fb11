"""The first administrator, for the person who starts a cloud: no password to choose, none to leak.

Rules: made once, when no account exists. The token is written to a file that only its owner can
read before its hash is stored, so that a power cut in between leaves nothing half made: the next
start makes another. The command line finds the cloud's address in the same file.
"""

import json
import os
from pathlib import Path

from cloud.access.credentials import Credentials
from cloud.errors import AlreadyExists
from cloud.kinds.access import RoleBinding, RoleBindingSpec, Subject, SubjectKind
from cloud.kinds.meta import Metadata
from cloud.store.objects import Objects

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
        before=lambda text: write_context(directory / CONTEXT, {"user": ADMIN, "token": text}),
    )


def announce(directory: Path, url: str) -> None:
    """Write where this cloud listens beside its administrator's token, if that is still here."""
    path = directory / CONTEXT
    try:
        context = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return  # its owner took it away; it is not made again
    if context.get("cloud") != url:
        write_context(path, context | {"cloud": url})


def write_context(path: Path, context: dict[str, str]) -> None:
    """Write the file whole or not at all, readable by its owner alone."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, json.dumps(context, indent=2).encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    part.replace(path)
