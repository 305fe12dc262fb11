"""What the registry knows, in SQL: pure statements on a connection, called by `registry`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, and_, delete, exists, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cloud.registry.schema import (
    BLOBS,
    LINKS,
    MANIFESTS,
    REFERENCES,
    REPOSITORIES,
    TAGS,
    UPLOADS,
)


class Manifest(NamedTuple):
    """A stored manifest."""

    digest: str
    media_type: str
    artifact_type: str
    content: bytes


def repository_id(connection: Connection, name: str) -> int | None:
    """The repository's id, None when there is none."""
    return connection.scalar(select(REPOSITORIES.c.id).where(REPOSITORIES.c.name == name))


def ensure_repository(connection: Connection, name: str) -> int:
    """The repository's id; it is made when there is none."""
    found = repository_id(connection, name)
    if found is None:
        statement = insert(REPOSITORIES).values(name=name).returning(REPOSITORIES.c.id)
        found = int(connection.execute(statement).scalar_one())
    return found


def repositories(connection: Connection, after: str, limit: int) -> list[str]:
    """Names in order, those after `after`."""
    query = select(REPOSITORIES.c.name).where(REPOSITORIES.c.name > after)
    return list(connection.scalars(query.order_by(REPOSITORIES.c.name).limit(limit)))


def blob_size(connection: Connection, repository: str, digest: str) -> int | None:
    """Size of a blob linked to the repository."""
    query = (
        select(BLOBS.c.size)
        .join(LINKS, LINKS.c.digest == BLOBS.c.digest)
        .join(REPOSITORIES, REPOSITORIES.c.id == LINKS.c.repository_id)
        .where(REPOSITORIES.c.name == repository, BLOBS.c.digest == digest)
    )
    return connection.scalar(query)


def link(connection: Connection, repository: str, digest: str, size: int, now_ns: int) -> None:
    """Record a blob and link it; what is there becomes as young as `now_ns`."""
    for table, values in (
        (BLOBS, {"digest": digest, "size": size}),
        (LINKS, {"repository_id": ensure_repository(connection, repository), "digest": digest}),
    ):
        statement = upsert(table).values(**values, created_ns=now_ns)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(table.primary_key.columns), set_={"created_ns": now_ns}
            )
        )


def unlink(connection: Connection, repository: str, digest: str) -> bool:
    """Take a blob out of a repository; False when it was not in it."""
    result = connection.execute(
        delete(LINKS).where(
            LINKS.c.repository_id == repository_id(connection, repository),
            LINKS.c.digest == digest,
        )
    )
    return result.rowcount > 0


def manifest(
    connection: Connection, repository: str, reference: str, *, by_digest: bool
) -> Manifest | None:
    """A manifest by digest or tag."""
    query = (
        select(
            MANIFESTS.c.digest,
            MANIFESTS.c.media_type,
            MANIFESTS.c.artifact_type,
            MANIFESTS.c.content,
        )
        .join(REPOSITORIES, REPOSITORIES.c.id == MANIFESTS.c.repository_id)
        .where(REPOSITORIES.c.name == repository)
    )
    if by_digest:
        query = query.where(MANIFESTS.c.digest == reference)
    else:
        tag = and_(
            TAGS.c.repository_id == MANIFESTS.c.repository_id,
            TAGS.c.digest == MANIFESTS.c.digest,
        )
        query = query.join(TAGS, tag).where(TAGS.c.name == reference)
    row = connection.execute(query).first()
    return None if row is None else Manifest(*row)


def put_manifest(
    connection: Connection,
    repository: int,
    stored: Manifest,
    subject: str,
    references: Sequence[str],
) -> None:
    """Keep a manifest and what it names; the same one again changes nothing."""
    connection.execute(
        upsert(MANIFESTS)
        .values(repository_id=repository, subject=subject, **stored._asdict())
        .on_conflict_do_nothing()
    )
    rows = [
        {"repository_id": repository, "manifest": stored.digest, "digest": digest}
        for digest in references
    ]
    if rows:
        connection.execute(upsert(REFERENCES).on_conflict_do_nothing(), rows)


def put_tag(connection: Connection, repository: int, tag: str, digest: str) -> None:
    """Let the tag name this manifest from now on."""
    statement = upsert(TAGS).values(repository_id=repository, name=tag, digest=digest)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[TAGS.c.repository_id, TAGS.c.name], set_={"digest": digest}
        )
    )


def delete_tag(connection: Connection, repository: str, tag: str) -> bool:
    """Forget a tag; False when there was none."""
    found = repository_id(connection, repository)
    result = connection.execute(
        delete(TAGS).where(TAGS.c.repository_id == found, TAGS.c.name == tag)
    )
    return result.rowcount > 0


def delete_manifest(connection: Connection, repository: str, digest: str) -> bool:
    """Forget a manifest and its tags; False when there was none."""
    found = repository_id(connection, repository)
    for table, column in ((TAGS, TAGS.c.digest), (REFERENCES, REFERENCES.c.manifest)):
        connection.execute(delete(table).where(table.c.repository_id == found, column == digest))
    result = connection.execute(
        delete(MANIFESTS).where(MANIFESTS.c.repository_id == found, MANIFESTS.c.digest == digest)
    )
    return result.rowcount > 0


def tags(connection: Connection, repository: int, after: str, limit: int) -> list[str]:
    """Tags in order, those after `after`."""
    query = select(TAGS.c.name).where(TAGS.c.repository_id == repository, TAGS.c.name > after)
    return list(connection.scalars(query.order_by(TAGS.c.name).limit(limit)))


def referrers(
    connection: Connection, repository: str, subject: str, artifact_type: str | None, limit: int
) -> list[Manifest]:
    """Manifests whose subject is `subject`."""
    query = (
        select(
            MANIFESTS.c.digest,
            MANIFESTS.c.media_type,
            MANIFESTS.c.artifact_type,
            MANIFESTS.c.content,
        )
        .join(REPOSITORIES, REPOSITORIES.c.id == MANIFESTS.c.repository_id)
        .where(REPOSITORIES.c.name == repository, MANIFESTS.c.subject == subject)
        .order_by(MANIFESTS.c.digest)
        .limit(limit)
    )
    if artifact_type is not None:
        query = query.where(MANIFESTS.c.artifact_type == artifact_type)
    return [Manifest(*row) for row in connection.execute(query)]


def missing(
    connection: Connection, repository: int, table: sa.Table, digests: set[str]
) -> set[str]:
    """Those of `digests` that the repository has no row for in `table`."""
    query = select(table.c.digest).where(
        table.c.repository_id == repository, table.c.digest.in_(digests)
    )
    return digests - set(connection.scalars(query))


def take_garbage(connection: Connection, before_ns: int) -> list[str]:
    """Forget blobs older than `before_ns` that no manifest names; their files are to be removed."""
    named = exists().where(
        REFERENCES.c.repository_id == LINKS.c.repository_id,
        REFERENCES.c.digest == LINKS.c.digest,
    )
    connection.execute(delete(LINKS).where(LINKS.c.created_ns < before_ns, ~named))
    linked = exists().where(LINKS.c.digest == BLOBS.c.digest)
    statement = delete(BLOBS).where(BLOBS.c.created_ns < before_ns, ~linked)
    return list(connection.scalars(statement.returning(BLOBS.c.digest)))


def known_blobs(connection: Connection) -> set[str]:
    """Digests of all blobs."""
    return set(connection.scalars(select(BLOBS.c.digest)))


def begin_upload(connection: Connection, upload: str, repository: str, now_ns: int) -> None:
    """Remember an upload."""
    values: dict[str, Any] = {"id": upload, "repository": repository, "started_ns": now_ns}
    connection.execute(insert(UPLOADS).values(values))


def has_upload(connection: Connection, upload: str, repository: str) -> bool:
    """The upload belongs to the repository."""
    query = select(UPLOADS.c.id).where(UPLOADS.c.id == upload, UPLOADS.c.repository == repository)
    return connection.scalar(query) is not None


def end_upload(connection: Connection, upload: str) -> None:
    """Forget an upload."""
    connection.execute(delete(UPLOADS).where(UPLOADS.c.id == upload))


def fresh_uploads(connection: Connection, before_ns: int) -> set[str]:
    """Forget uploads begun before `before_ns`; the ids of the others."""
    connection.execute(delete(UPLOADS).where(UPLOADS.c.started_ns < before_ns))
    return set(connection.scalars(select(UPLOADS.c.id)))
