"""Join tokens, and the certificates of nodes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "pki_tokens",
        _key("id"),
        _text("secret_hash"),
        _integer("uses_left"),
        _integer("expires_ns"),
        _text("pattern"),
        _text("labels"),
        _text("claims"),
        _integer("created_ns"),
    )
    # Who used a token: the same key may ask again when the answer was lost.
    op.create_table("pki_spent", _key("token"), _key("key_id"), _text("node"))
    op.create_table("pki_nodes", _key("name"), _text("labels"), _text("trusts"))
    op.create_table(
        "pki_certificates",
        _key("serial"),
        _text("node"),
        _text("key_id"),
        _text("ca"),
        _integer("issued_ns"),
        _integer("not_after_ns"),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
    )
    op.create_index("pki_certificates_node", "pki_certificates", ["node"])
    op.create_table(
        "pki_requests",
        _key("node"),
        _text("key_id"),
        _text("labels"),
        _text("address"),
        _integer("requested_ns"),
        sa.Column("approved", sa.Boolean(), nullable=False),
    )
