"""A process that stores batches for ever and prints each new mark, until it is killed."""

import asyncio
import sys
from pathlib import Path

from cloud.metrics import Metrics
from cloud.telemetry.store import TelemetryStore
from tests.support.data import database_at, senml_entry

BATCH = 20


async def store(path: Path, start: int) -> None:
    async with database_at(path) as database:
        telemetry = TelemetryStore(database, Metrics())
        first = start + 1
        while True:
            entries = [senml_entry(seq) for seq in range(first, first + BATCH)]
            mark = await telemetry.ingest("n1", 1, entries)
            sys.stdout.write(f"{mark}\n")
            sys.stdout.flush()
            first += BATCH


if __name__ == "__main__":
    asyncio.run(store(Path(sys.argv[1]), int(sys.argv[2])))
