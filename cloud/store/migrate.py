"""Brings the schema up to date when the database is opened; only ever forward.

Each step is a file in `migrations/versions`; all missing steps happen in one transaction.
"""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from cloud.errors import NewerDatabase

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Apply the missing steps; raises NewerDatabase when the file is ahead of this program."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
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
