"""Hollow nodes against a real cloud service: what they send arrives, what they are told they take."""

import asyncio
import json
import random
import sqlite3
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.client.api import Client
from cloud.client.registry import Reference, app_artifact, push
from edge import hollownode, hollowtally
from edge.hollow import Fleet, Load, LoadError, bench
from edge.hollownode import HollowOutbox
from edge.hollowtally import Reservoir
from tests.support.cloud import CloudService, cloud_service

EMPTY_MODULE = b"\0asm\x01\0\0\0"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudService]:
    with cloud_service(tmp_path / "cloud") as service:
        yield service


def load(url: str = "http://127.0.0.1:1", **fields) -> Load:
    return Load(**({"cloud": url, "count": 5, "seconds": 1.5, "rate": 40, "ramp": 1000} | fields))


def run(load: Load) -> dict:
    fleet = Fleet(load, seed=1)
    asyncio.run(fleet.run())
    return fleet.summary()


def stored_readings(directory: Path) -> int:
    database = sqlite3.connect(directory / "cloud" / "cloud.db")
    (found,) = database.execute("SELECT count(*) FROM telemetry_readings").fetchone()
    database.close()
    return found


def deploy(cloud: CloudService) -> None:
    with Client(cloud.url) as client:
        manifest = json.dumps({"name": "noop", "version": "1.2.3"}).encode()
        digest = push(client, Reference("noop", "1.2.3"), app_artifact(manifest, EMPTY_MODULE))
        client.apply(
            {
                "apiVersion": "skerry.dev/v1alpha1",
                "kind": "App",
                "metadata": {"name": "noop"},
                "spec": {
                    "artifact": {"repository": "noop", "digest": digest},
                    "selector": {"matchLabels": {"trade": "climate"}},
                },
            }
        )


def test_every_node_connects_and_each_record_is_stored_once(cloud: CloudService, tmp_path: Path):
    found = run(load(cloud.url))
    assert (found["connects"], found["reconnects"], found["online"]) == (5, 0, 5)
    assert found["records_made"] == found["records_acked"] > 0
    assert stored_readings(tmp_path) == found["records_made"]
    assert 0 < found["ack_p50"] <= found["ack_p99"]
    assert found["ends"] == {}


def test_records_survive_connections_that_are_cut(cloud: CloudService, tmp_path: Path):
    found = run(load(cloud.url, seconds=3.5, faults=0.9))
    assert found["cuts"] > 0
    assert found["reconnects"] > 0
    assert found["records_acked"] <= stored_readings(tmp_path) <= found["records_made"]


def test_nodes_say_that_what_they_were_told_to_run_runs(cloud: CloudService):
    deploy(cloud)
    found = run(load(cloud.url, seconds=2.5))
    with Client(cloud.url) as client:
        instances = client.list("appinstances")["items"]
    states = {item["spec"]["node"]: item["status"]["state"] for item in instances}
    assert states == {"hollow-00000": "Running", "hollow-00004": "Running"}  # every fourth
    assert {item["status"]["version"] for item in instances} == {"1.2.3"}
    assert (found["desired_nodes"], found["desired_apps"]) == (2, 2)
    assert found["desired_steps"] >= 2


def test_a_cloud_that_is_not_there_is_told_by_its_reason(capsys: pytest.CaptureFixture[str]):
    args = Namespace(
        cloud="http://127.0.0.1:1", count=2, seconds=1.0, rate=1.0, ramp=100.0, faults=0.0,
        output="json",
    )  # fmt: skip
    assert bench(args) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["connects"] == 0
    assert all("127.0.0.1:1" in reason for reason in found["ends"])


def test_the_verb_tells_a_person_what_happened(
    cloud: CloudService, capsys: pytest.CaptureFixture[str]
):
    args = Namespace(
        cloud=cloud.url, count=2, seconds=1.0, rate=20.0, ramp=100.0, faults=0.0, output="table"
    )
    assert bench(args) == 0
    assert "2 of 2 connected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", 0), ("seconds", 1e6), ("rate", 0), ("ramp", 0), ("faults", 1.5)],
)
def test_a_load_out_of_bounds_names_its_option(field: str, value: float):
    with pytest.raises(LoadError, match=f"--{field}"):
        load(**{field: value})


@pytest.mark.parametrize("host", ["cloud.example", "192.0.2.1", "[2001:db8::1]"])
def test_only_this_machine_is_loaded(host: str):
    with pytest.raises(LoadError, match="not this machine"):
        load(f"http://{host}:8480")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.7", "[::1]"])
def test_every_name_of_this_machine_is_good(host: str):
    load(f"http://{host}:8480")


def outbox(packs: int) -> tuple[HollowOutbox, list[tuple[int, list[float]]]]:
    told: list[tuple[int, list[float]]] = []
    made = HollowOutbox(7, lambda records, times: told.append((records, list(times))))
    for index in range(packs):
        made.append("s", bytes(100), 3, float(index))
    return made, told


def test_an_outbox_gives_what_fits_but_at_least_one():
    made, _ = outbox(5)
    assert [entry.seq for entry in made.read(0, 250, 100)] == [1, 2]
    assert [entry.seq for entry in made.read(2, 1, 100)] == [3]
    assert [entry.seq for entry in made.read(0, 10_000, 4)] == [1, 2, 3, 4]
    assert made.read(5, 10_000, 100) == []


def test_an_outbox_tells_records_and_times_of_what_is_acknowledged():
    made, told = outbox(3)
    made.trim(7, 2)
    assert told == [(6, [0.0, 1.0])]
    assert made.packs == 1


def test_an_acknowledgement_of_another_epoch_frees_nothing():
    made, told = outbox(3)
    made.trim(8, 3)
    assert (made.packs, told) == (3, [])


def test_a_full_outbox_refuses():
    made, _ = outbox(hollownode.OUTBOX_PACKS)
    assert not made.append("s", b"", 1, 0.0)


def test_a_reservoir_stays_small_and_even():
    kept = Reservoir(random.Random(1))
    for value in range(5 * hollowtally.SAMPLES):
        kept.add(value)
    middle = kept.percentile(0.5)
    assert middle is not None
    assert 0.45 < middle / kept.seen < 0.55
    assert len(kept._kept) == hollowtally.SAMPLES


def test_a_reservoir_without_numbers_has_no_percentile():
    assert Reservoir(random.Random(1)).percentile(0.5) is None
