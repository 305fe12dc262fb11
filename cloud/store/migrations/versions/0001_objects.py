"""The revision log of API objects."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    # Two writers that both supersede the same revision cannot both succeed.
    op.create_index(
        "objects_chain", "objects", ["kind", "namespace", "name", "previous"], unique=True
    )
    op.create_index(
        "objects_current",
        "objects",
        ["kind", "namespace", "name"],
        sqlite_where=sa.text("next IS NULL"),
        postgresql_where=sa.text("next IS NULL"),
    )
    op.create_index("objects_keys", "objects", ["kind", "namespace", "name", "revision"])
    op.create_index("objects_history", "objects", ["kind", "revision"])
    op.create_index("objects_superseded", "objects", ["next"])
    op.create_table(
        "object_labels",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), primary_key=True),
        sa.Column("namespace", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
    )
    op.create_index("object_labels_of", "object_labels", ["kind", "namespace", "name"])
    floor = op.create_table(
        "object_floor",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(floor, [{"id": 1, "revision": 0}])
