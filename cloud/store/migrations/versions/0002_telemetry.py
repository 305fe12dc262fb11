"""Readings, what was lost or refused of them, and log lines."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", ID, primary_key=True, autoincrement=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    _create_readings()
    _create_faults()
    _create_logs()


def _create_readings() -> None:
    op.create_table(
        "telemetry_series",
        _id(),
        *(_text(name) for name in ("node", "app", "name", "unit")),
        sa.UniqueConstraint("node", "app", "name", "unit"),
    )
    op.create_table(
        "telemetry_readings",
        _id(),
        sa.Column("series_id", ID, sa.ForeignKey("telemetry_series.id"), nullable=False),
        _integer("time_ns"),
        sa.Column("number", sa.Double()),
        sa.Column("text", sa.Text()),
        sa.Column("flag", sa.Boolean()),
        sa.Column("data", sa.LargeBinary()),
        sa.Column("total", sa.Double()),
        sa.Column("update_s", sa.Double()),
        # Without it the last id could be given out again after retention: ids are cursors.
        sqlite_autoincrement=True,
    )
    op.create_index("telemetry_readings_time", "telemetry_readings", ["series_id", "time_ns"])
    op.create_table(
        "telemetry_marks",
        sa.Column("node", sa.Text(), primary_key=True),
        sa.Column("epoch", sa.BigInteger(), primary_key=True, autoincrement=False),
        _integer("seq"),
    )


def _create_faults() -> None:
    op.create_table(
        "telemetry_gaps",
        _id(),
        *(_text(name) for name in ("node", "app", "stream")),
        *(_integer(name) for name in ("records", "first_ns", "last_ns")),
    )
    op.create_index("telemetry_gaps_node", "telemetry_gaps", ["node", "id"])
    op.create_table(
        "telemetry_rejected",
        _id(),
        _text("node"),
        _integer("epoch"),
        _integer("seq"),
        _text("app"),
        _text("stream"),
        _integer("time_ns"),
        _text("reason"),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
    )
    op.create_index("telemetry_rejected_node", "telemetry_rejected", ["node", "id"])


def _create_logs() -> None:
    op.create_table(
        "logs",
        _id(),
        *(_text(name) for name in ("node", "app", "boot")),
        *(_integer(name) for name in ("seq", "level", "time_ns")),
        _text("text"),
        _integer("dropped"),
        sqlite_autoincrement=True,
    )
    op.create_index("logs_node", "logs", ["node", "app", "id"])
    op.create_index("logs_app", "logs", ["app", "id"])
    op.create_table(
        "log_marks",
        _id(),
        _text("node"),
        _text("boot"),
        _integer("seq"),
        sa.UniqueConstraint("node", "boot"),
    )
