"""Brings the schema up to date when the database is opened; only ever forward.

Each step is a file in `migrations/versions`; all missing steps happen in one transaction.
"""

import logging
from pathlib import Path

from sqlalchemy import Engine

from cloud.errors import NewerDatabase

MIGRATIONS = Path(__file__).parent / "migrations"

# Before alembic is imported: it tells of its plugins while it is.
logging.getLogger("alembic").setLevel(logging.WARNING)


def migrate(engine: Engine) -> None:
    """Apply the missing steps; raises NewerDatabase when the file is ahead of this program."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    with engine.begin() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found == head:
            return
        known = {revision.revision for revision in script.walk_revisions()}
        if found is not None and found not in known:
            raise NewerDatabase(
                f"the database has schema {found}, this program knows up to {head}: "
                "run the newer Skerry that wrote it, or restore a backup"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
