"""Users, services, their tokens, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "access_principals",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "access_tokens",
        sa.Column("digest", sa.Text(), primary_key=True),
        _text("kind"),
        _text("name"),
        _text("description"),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.Column("used_ns", sa.BigInteger()),
    )
    op.create_table(
        "access_audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        _text("actor_kind"),
        _text("actor"),
        _text("token"),
        _text("address"),
        _text("verb"),
        _text("kind"),
        _text("namespace"),
        _text("name"),
        sa.Column("code", sa.Integer(), nullable=False),
        _text("reason"),
        _text("before", nullable=True),
        _text("after", nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("access_audit_time", "access_audit", ["time_ns"])
