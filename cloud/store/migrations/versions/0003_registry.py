"""What the registry knows of the blobs in its folder, and the manifests themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _repository() -> sa.Column[int]:
    return sa.Column(
        "repository_id", ID, sa.ForeignKey("registry_repositories.id"), primary_key=True
    )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "registry_repositories",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
    )
    op.create_table("registry_blobs", _key("digest"), _integer("size"), _integer("created_ns"))
    op.create_table("registry_links", _repository(), _key("digest"), _integer("created_ns"))
    op.create_index("registry_links_digest", "registry_links", ["digest"])
    op.create_table(
        "registry_manifests",
        _repository(),
        _key("digest"),
        _text("media_type"),
        _text("artifact_type"),
        _text("subject"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_index("registry_manifests_subject", "registry_manifests", ["subject"])
    # Which blobs and manifests a manifest names, for the collector.
    op.create_table("registry_references", _repository(), _key("manifest"), _key("digest"))
    op.create_index("registry_references_digest", "registry_references", ["digest"])
    op.create_table("registry_tags", _repository(), _key("name"), _text("digest"))
    op.create_table("registry_uploads", _key("id"), _text("repository"), _integer("started_ns"))
