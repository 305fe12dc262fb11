"""Tables of identities, as their statements see them; `cloud.store.migrations` makes them."""

import sqlalchemy as sa

METADATA = sa.MetaData()

TOKENS = sa.Table(
    "pki_tokens",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("secret_hash", sa.Text),
    sa.Column("uses_left", sa.BigInteger),
    sa.Column("expires_ns", sa.BigInteger),
    sa.Column("pattern", sa.Text),
    sa.Column("labels", sa.Text),
    sa.Column("claims", sa.Text),
    sa.Column("created_ns", sa.BigInteger),
)
SPENT = sa.Table(
    "pki_spent",
    METADATA,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("node", sa.Text),
)
NODES = sa.Table(
    "pki_nodes",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", sa.Text),
    sa.Column("trusts", sa.Text),
)
CERTIFICATES = sa.Table(
    "pki_certificates",
    METADATA,
    sa.Column("serial", sa.Text, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("key_id", sa.Text),
    sa.Column("ca", sa.Text),
    sa.Column("issued_ns", sa.BigInteger),
    sa.Column("not_after_ns", sa.BigInteger),
    sa.Column("revoked_ns", sa.BigInteger),
)
REQUESTS = sa.Table(
    "pki_requests",
    METADATA,
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text),
    sa.Column("labels", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("requested_ns", sa.BigInteger),
    sa.Column("approved", sa.Boolean),
)
