"""Tables of the registry, as its statements see them; `cloud.store.migrations` makes them."""

import sqlalchemy as sa

METADATA = sa.MetaData()

REPOSITORIES = sa.Table(
    "registry_repositories",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text),
)
BLOBS = sa.Table(
    "registry_blobs",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger),
    sa.Column("created_ns", sa.BigInteger),
)
LINKS = sa.Table(
    "registry_links",
    METADATA,
    sa.Column("repository_id", sa.BigInteger, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("created_ns", sa.BigInteger),
)
MANIFESTS = sa.Table(
    "registry_manifests",
    METADATA,
    sa.Column("repository_id", sa.BigInteger, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("media_type", sa.Text),
    sa.Column("artifact_type", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("content", sa.LargeBinary),
)
REFERENCES = sa.Table(
    "registry_references",
    METADATA,
    sa.Column("repository_id", sa.BigInteger, primary_key=True),
    sa.Column("manifest", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
)
TAGS = sa.Table(
    "registry_tags",
    METADATA,
    sa.Column("repository_id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text),
)
UPLOADS = sa.Table(
    "registry_uploads",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("repository", sa.Text),
    sa.Column("started_ns", sa.BigInteger),
)
