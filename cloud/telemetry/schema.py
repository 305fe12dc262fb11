"""Tables of readings and logs, as the statements of this folder see them.

The schema itself is made by `cloud.store.migrations`. Row ids only ever rise and one writer commits
them in order: that makes an id a cursor.
"""

import sqlalchemy as sa

METADATA = sa.MetaData()


SERIES = sa.Table(
    "telemetry_series",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("unit", sa.Text),
)
READINGS = sa.Table(
    "telemetry_readings",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("series_id", sa.BigInteger),
    sa.Column("time_ns", sa.BigInteger),
    sa.Column("number", sa.Double),
    sa.Column("text", sa.Text),
    sa.Column("flag", sa.Boolean),
    sa.Column("data", sa.LargeBinary),
    sa.Column("total", sa.Double),
    sa.Column("update_s", sa.Double),
)
MARKS = sa.Table(
    "telemetry_marks",
    METADATA,
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger),
)
GAPS = sa.Table(
    "telemetry_gaps",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("stream", sa.Text),
    sa.Column("records", sa.BigInteger),
    sa.Column("first_ns", sa.BigInteger),
    sa.Column("last_ns", sa.BigInteger),
)
REJECTED = sa.Table(
    "telemetry_rejected",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("seq", sa.BigInteger),
    sa.Column("app", sa.Text),
    sa.Column("stream", sa.Text),
    sa.Column("time_ns", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("payload", sa.LargeBinary),
)
LOGS = sa.Table(
    "logs",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("boot", sa.Text),
    sa.Column("seq", sa.BigInteger),
    sa.Column("level", sa.Integer),
    sa.Column("time_ns", sa.BigInteger),
    sa.Column("text", sa.Text),
    sa.Column("dropped", sa.BigInteger),
)
LOG_MARKS = sa.Table(
    "log_marks",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("boot", sa.Text),
    sa.Column("seq", sa.BigInteger),
)
