"""A board that starts without knowing the time, and without a network."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.store import Store
from tests.support.system import ROOT, Agent, Cloud, readings, skerry, until

pytestmark = pytest.mark.slow

YEAR_2200_NS = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 10**9
"""Known to have passed, so that this machine's clock counts as not set."""
THERMOMETER = str(ROOT / "wasm_apps" / "thermometer")


def test_what_was_measured_before_the_time_was_known_arrives_with_the_right_time(tmp_path: Path):
    state, started = tmp_path / "barn", datetime.now(UTC)
    skerry("app", "build", THERMOMETER)
    with Cloud(tmp_path / "cloud") as cloud, Agent("barn", cloud.url, state, labels=["a=b"]):
        deploy = ["app", "deploy", THERMOMETER, "-l", "a=b", "--grant", "probe=i2c-1:0x48"]
        skerry(*deploy, "--twin", "interval=0.4", "--twin", "silence=1", cloud=cloud.url)
        until(lambda: readings(cloud), "a first reading is stored")
    store = Store.open(state / "store")
    store.meta.set("time", YEAR_2200_NS.to_bytes(8))
    store.close()
    with Agent("barn", cloud.url, state) as agent:
        until(lambda: agent.status()["outbox"]["entries"] > 1, "readings wait")
        with Cloud(tmp_path / "cloud", cloud.port) as cloud:
            agent.until_drained()
            times = [datetime.fromisoformat(each["time"]) for each in readings(cloud)]
    now = datetime.now(UTC)
    assert all(started < each < now for each in times), times
