"""From a desk to a sandboxed app on a board and its readings back, with real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guests import wat
from tests.support.proxy import Link
from tests.support.system import ROOT, Agent, Cloud, readings, skerry, skerry_json, until

GUESTS = ROOT / "tests/system/guests"
APPS = ROOT / "wasm_apps"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    for directory in (*GUESTS.iterdir(), APPS / "thermometer", APPS / "thermostat", APPS / "nmea"):
        skerry("app", "build", str(directory))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with Cloud(tmp_path / "cloud") as cloud:
        yield cloud


@pytest.fixture
def link(cloud: Cloud) -> Iterator[Link]:
    with Link(cloud.port) as link:
        yield link


@pytest.fixture
def barn(link: Link, tmp_path: Path) -> Iterator[Agent]:
    url = f"http://127.0.0.1:{link.port}"
    with Agent("barn", url, tmp_path / "barn", labels=["site=barn"]) as agent:
        yield agent


def deploy(cloud: Cloud, directory: Path, *options: str) -> None:
    skerry("app", "deploy", str(directory), "-l", "site=barn", *options, cloud=cloud.url)


def test_an_app_deployed_by_label_runs_and_its_readings_arrive(cloud: Cloud, barn: Agent):
    deploy(cloud, APPS / "thermometer", "--grant", "probe=i2c-1:0x48", "--twin", "interval=0.4")
    barn.until_app("thermometer", "Running")
    barn.ask("drive", target="i2c-1:0x48", values={"temperature": 31.5})
    found = until(
        lambda: [r for r in readings(cloud, name="temperature") if r["value"] > 30],
        "the new temperature is in the cloud",
    )
    assert (found[0]["node"], found[0]["app"], found[0]["unit"]) == ("barn", "thermometer", "Cel")


def test_a_node_with_other_labels_does_not_run_it(cloud: Cloud, barn: Agent, tmp_path: Path):
    with Agent("train", cloud.url, tmp_path / "train", labels=["site=train"]) as train:
        until(lambda: len(skerry_json("get", "nodes", cloud=cloud.url)["items"]) == 2, "both join")
        deploy(cloud, GUESTS / "beeper-1")
        barn.until_app("beeper", "Running")
        assert train.app("beeper") is None


def test_a_setpoint_changed_in_the_cloud_switches_the_heater_without_a_restart(
    cloud: Cloud, barn: Agent
):
    grants = ("--grant", "probe=i2c-1:0x48", "--grant", "heater=GPIO17")
    twin = ("--twin", "interval=0.4", "--twin", "min-on=0", "--twin", "min-off=0")
    barn.ask("drive", target="i2c-1:0x48", values={"temperature": 21.0})
    deploy(cloud, APPS / "thermostat", *grants, *twin, "--twin", "setpoint=15")
    barn.until_app("thermostat", "Running")

    def heater() -> str:
        return next(p["state"] for p in barn.ask("board") if p["resource"] == "GPIO17")

    until(lambda: "level=False direction=out" in heater(), "the heater is off")
    deploy(cloud, APPS / "thermostat", "--twin", "setpoint=30")
    until(lambda: "level=True" in heater(), "the heater is on")
    app = barn.app("thermostat")
    assert app is not None
    assert app["restarts"] == 0

    def confirmed() -> bool:
        instance = skerry_json("get", "appinstance", "thermostat.barn", cloud=cloud.url)
        return instance["status"]["twin"].get("setpoint") == 30

    until(confirmed, "the app's confirmation is in the cloud")


def test_with_the_link_cut_apps_run_on_and_after_it_heals_nothing_is_missing(
    cloud: Cloud, link: Link, barn: Agent
):
    deploy(cloud, GUESTS / "beeper-1")
    until(lambda: readings(cloud, name="beep"), "the first beep arrives")
    link.cut()
    until(lambda: barn.status()["outbox"]["entries"] >= 20, "beeps pile up on the node")
    assert barn.app("beeper")["state"] == "Running"
    skerry("agent", "hold", "beeper", "--state", str(barn.state))
    barn.until_app("beeper", "Held")
    link.heal()
    barn.until_drained()
    values = sorted(r["value"] for r in readings(cloud, name="beep"))
    assert values == list(range(len(values)))
    assert len(values) > 20


def test_a_held_app_stays_held_over_a_restart_of_the_agent(cloud: Cloud, barn: Agent):
    deploy(cloud, GUESTS / "beeper-1")
    barn.until_app("beeper", "Running")
    barn.ask("hold", app="beeper")
    barn.until_app("beeper", "Held")
    barn.kill()
    with Agent("barn", cloud.url, barn.state, labels=["site=barn"]) as again:
        again.until_app("beeper", "Held")
        again.ask("unhold", app="beeper")
        again.until_app("beeper", "Running")


def test_an_agent_started_without_a_network_runs_its_apps_from_its_store(
    cloud: Cloud, barn: Agent
):
    deploy(cloud, GUESTS / "beeper-1")
    barn.until_app("beeper", "Running")
    cloud.kill()
    barn.kill()
    with Agent("barn", cloud.url, barn.state) as again:
        again.until_app("beeper", "Running")
        assert again.status()["link"]["state"] != "Online"


def test_a_broken_version_stops_at_its_threshold_and_the_old_one_keeps_running(
    cloud: Cloud, barn: Agent, tmp_path: Path
):
    names = ("barn", "shed", "mill")
    others = [Agent(name, cloud.url, tmp_path / name, labels=["site=barn"]) for name in names[1:]]
    try:
        deploy(cloud, GUESTS / "beeper-1", "--wait")
        app = skerry_json("get", "app", "beeper", cloud=cloud.url)
        assert app["status"]["ready"] == 3
        patch = tmp_path / "rollout.yaml"
        patch.write_text(
            "kind: App\nmetadata: {name: beeper}\n"
            "spec: {rollout: {concurrency: 1, failureThreshold: 1}}\n"
        )
        skerry("apply", "-f", str(patch), cloud=cloud.url)
        refused = skerry(
            *("app", "deploy", str(GUESTS / "beeper-2"), "--wait"), cloud=cloud.url, check=False
        )
        assert refused.returncode == 1
        assert "FailureThresholdReached" in refused.stderr
        described = skerry("describe", "app", "beeper", cloud=cloud.url).stdout
        assert "Trapped" in described or "unreachable" in described
        for agent in (barn, *others):
            until(
                lambda agent=agent: (
                    (agent.app("beeper") or {}).get("version") == "1.0.0"
                    and agent.app("beeper")["state"] == "Running"
                ),
                f"{agent.name} runs the old version",
            )
    finally:
        for agent in others:
            agent.terminate()


def test_deleting_an_app_stops_it_and_keeps_its_readings(cloud: Cloud, barn: Agent):
    deploy(cloud, GUESTS / "beeper-1")
    until(lambda: readings(cloud, name="beep"), "the first beep arrives")
    skerry("delete", "app", "beeper", cloud=cloud.url)
    until(lambda: barn.app("beeper") is None, "the app is gone from the node")
    assert readings(cloud, name="beep")
    assert not (barn.state / "data" / "beeper").exists()


def test_an_apps_log_lines_are_seen_in_the_cloud(cloud: Cloud, barn: Agent):
    deploy(cloud, APPS / "thermometer", "--grant", "probe=i2c-1:0x48")
    until(
        lambda: "found a TMP105" in skerry("logs", "thermometer", cloud=cloud.url).stdout,
        "the app's line is in the cloud",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grant", "probe=i2c-9:0x48"), "grants.probe: this board has no 'i2c-9'"),
        (("--grant", "probe=i2c-1:0x48", "--twin", "interval=fast"), "interval"),
        ((), "grants.probe"),
    ],
)
def test_a_wrong_deployment_says_what_is_wrong(
    cloud: Cloud, barn: Agent, options: tuple[str, ...], message: str
):
    done = skerry(
        *("app", "deploy", str(APPS / "thermometer"), "-l", "site=barn", "--wait", *options),
        cloud=cloud.url,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr


STRANGER = """(module
  (import "env" "open_the_door" (func $open))
  (memory (export "memory") 1)
  (func (export "_start") (call $open)))"""


def stranger(directory: Path, name: str, version: str) -> Path:
    """A built app that asks for a function which no node has."""
    app = directory / name
    (app / "build").mkdir(parents=True)
    (app / "app.toml").write_text(f'name = "{name}"\nversion = "{version}"\n')
    (app / f"build/{name}.wasm").write_bytes(wat(STRANGER))
    return app


def test_an_app_that_asks_for_what_no_node_has_fails_with_the_name_of_it(
    cloud: Cloud, barn: Agent, tmp_path: Path
):
    app = stranger(tmp_path, "stranger", "1.0.0")
    done = skerry(
        *("app", "deploy", str(app), "-l", "site=barn", "--wait"), cloud=cloud.url, check=False
    )
    assert done.returncode == 1
    assert "open_the_door" in done.stderr
    assert barn.until_app("stranger", "Failed")["restarts"] == 0
    assert "Failed" in skerry("describe", "node", "barn", cloud=cloud.url).stdout


def test_a_version_that_cannot_be_used_leaves_the_old_one_running(
    cloud: Cloud, barn: Agent, tmp_path: Path
):
    deploy(cloud, GUESTS / "beeper-1", "--wait")
    newer = stranger(tmp_path, "beeper", "3.0.0")
    refused = skerry("app", "deploy", str(newer), "--wait", cloud=cloud.url, check=False)
    assert "open_the_door" in refused.stderr

    def runs_on() -> bool:
        app = barn.app("beeper")
        return app is not None and (app["version"], app["state"]) == ("1.0.0", "Running")

    until(runs_on, "the old version runs, as if nothing had happened")
    app = barn.app("beeper")
    assert app is not None
    assert app["restarts"] == 0
