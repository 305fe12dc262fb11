"""Tables of principals, tokens and the audit log; made by `cloud.store.migrations`."""

import sqlalchemy as sa

METADATA = sa.MetaData()

PRINCIPALS = sa.Table(
    "access_principals",
    METADATA,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("created_ns", sa.BigInteger),
)
TOKENS = sa.Table(
    "access_tokens",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("created_ns", sa.BigInteger),
    sa.Column("expires_ns", sa.BigInteger),
    sa.Column("used_ns", sa.BigInteger),
)
AUDIT = sa.Table(
    "access_audit",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("time_ns", sa.BigInteger),
    sa.Column("actor_kind", sa.Text),
    sa.Column("actor", sa.Text),
    sa.Column("token", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("verb", sa.Text),
    sa.Column("kind", sa.Text),
    sa.Column("namespace", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("code", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
)
