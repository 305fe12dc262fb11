"""`skerry app test`: the apps keep their scenarios, and a broken promise is told."""

import shutil
from pathlib import Path

import pytest

from edge.apptest import run_test
from edge.errors import GrantError, ScenarioError
from hal.errors import DriveError
from tests.support.guests import c
from tests.support.python_apps import python_runtime
from wasm_apps.tool import Language, build, new

# The first test to want the Python runtime may have to build it.
pytestmark = pytest.mark.timeout(600)
APPS = Path(__file__).parents[3] / "wasm_apps"


def copied(app: str, directory: Path) -> Path:
    copy = directory / app
    shutil.copytree(APPS / app, copy, ignore=shutil.ignore_patterns("build"))
    build(copy, find_runtime=python_runtime)
    return copy


@pytest.mark.parametrize(
    ("app", "board"),
    [
        ("thermometer", "board.toml"),
        ("thermometer", "bme280.toml"),
        ("thermostat", "board.toml"),
        ("nmea", "board.toml"),
        ("room", "board.toml"),
        ("hearth", "board.toml"),
    ],
)
def test_an_app_of_ours_keeps_its_scenario(app: str, board: str, tmp_path: Path) -> None:
    said: list[str] = []
    directory = copied(app, tmp_path)
    assert run_test(directory, directory / board, said.append), "\n".join(said)


@pytest.mark.parametrize(
    ("model", "temperature"), [("lm75", 21.5), ("tmp105", 96.0), ("tmp105", -40.0)]
)
def test_the_thermometer_tells_its_sensor_by_what_it_answers(
    model: str, temperature: float, tmp_path: Path
) -> None:
    """At 96 degrees a TMP105 answers the byte that is a BME280's id."""
    directory = copied("thermometer", tmp_path)
    board = directory / "other.toml"
    board.write_text(
        f"""
        [[i2c.i2c-1.devices]]
        model = "{model}"
        address = 0x48
        values = {{ temperature = {temperature} }}
        [test.grants]
        probe = "i2c-1:0x48"
        [[test.step]]
        expect.log = "found a {model.upper()}"
        expect.telemetry.temperature = {temperature}
        """
    )
    said: list[str] = []
    assert run_test(directory, board, said.append), "\n".join(said)


@pytest.mark.parametrize("language", Language)
def test_a_new_project_builds_and_keeps_its_scenario(language: Language, tmp_path: Path) -> None:
    said: list[str] = []
    new("button", language, tmp_path)
    build(tmp_path, find_runtime=python_runtime)
    assert run_test(tmp_path, None, said.append), "\n".join(said)
    assert len(said) == 4


@pytest.fixture(scope="module")
def button(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's app, built once; each test brings its own scenario."""
    directory = tmp_path_factory.mktemp("button")
    new("button", Language.C, directory)
    build(directory)
    return directory


HEAD = """
[gpio.GPIO4]
level = 1
[gpio.GPIO17]
[test.grants]
button = "GPIO4"
lamp = "GPIO17"
"""
PRESS = "[[test.step]]\ndrive = { GPIO4 = { level = 0 } }\nwithin = 0.5\nduring = 0.5\n"


def outcome(button: Path, directory: Path, steps: str, head: str = HEAD) -> tuple[bool, str]:
    board = directory / "scenario.toml"
    board.write_text(head + steps)
    said: list[str] = []
    return run_test(button, board, said.append), "\n".join(said)


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("telemetry = { presses = 2 }", "telemetry presses = 2, published: [1]"),
        ("telemetry = { presses = true }", "telemetry presses = True, published: [1]"),
        ("level = { GPIO17 = 0 }, log = 'press 7'", "no log line with 'press 7'"),
        ("log = 'press 1', level = { GPIO17 = 0 }", "GPIO17 is at 1, not at 0"),
        ("twin = { enabled = false }", "twin enabled = False, reported: None"),
        ("exit = 0", "exit code 0"),
    ],
)
def test_a_step_that_does_not_come_true_says_why_and_shows_the_apps_last_words(
    button: Path, tmp_path: Path, expect: str, words: str
) -> None:
    good, said = outcome(button, tmp_path, f"{PRESS}expect = {{ {expect} }}")
    assert not good
    assert "FAIL  step 1" in said
    assert words in said
    assert "log        <6> press 1, lamp on" in said
    assert "telemetry  presses = 1" in said


def test_what_must_never_come_true_fails_when_it_does(button: Path, tmp_path: Path) -> None:
    good, said = outcome(button, tmp_path, f"{PRESS}never = {{ telemetry = {{ presses = 1 }} }}")
    assert not good
    assert "came true within 0.5 s: telemetry {'presses': 1}" in said


def test_the_cloud_can_change_the_twin_between_steps(button: Path, tmp_path: Path) -> None:
    steps = f"""
    [[test.step]]
    twin = {{ enabled = false }}
    {PRESS}
    expect = {{ telemetry = {{ presses = 1 }}, level = {{ GPIO17 = 0 }} }}
    never = {{ level = {{ GPIO17 = 1 }} }}
    """
    good, said = outcome(button, tmp_path, steps)
    assert good, said


def test_an_app_that_ends_too_early_fails_the_step_at_once(tmp_path: Path) -> None:
    new("short", Language.C, tmp_path)
    (tmp_path / "src" / "main.c").write_text("int main(void) { __builtin_trap(); }\n")
    build(tmp_path)
    good, said = outcome(tmp_path, tmp_path, f"{PRESS}expect = {{ log = 'x' }}")
    assert not good
    assert "the app ended: Trapped unreachable" in said


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ("", ScenarioError, r"test\.step: missing"),
        ("[[test.step]]\nexpects = {}", ScenarioError, r"test\.step\[0\]: .*expects"),
        (f"{PRESS}expect = {{ telemetry = {{ wind = 1 }} }}", ScenarioError, r"telemetry\.wind"),
        (f"{PRESS}expect = {{ twin = {{ wind = 1 }} }}", ScenarioError, r"expect\.twin\.wind"),
        (f"{PRESS}expect = {{ level = {{ GPIO9 = 1 }} }}", ScenarioError, r"level\.GPIO9"),
        ("[[test.step]]\ndrive = { GPIO9 = { level = 1 } }", DriveError, "GPIO9"),
    ],
)
def test_a_scenario_that_makes_no_sense_names_the_key(
    button: Path, tmp_path: Path, steps: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        outcome(button, tmp_path, steps)


def test_grants_that_do_not_fit_the_board_are_named(button: Path, tmp_path: Path) -> None:
    with pytest.raises(GrantError, match=r"grants\.lamp"):
        outcome(button, tmp_path, PRESS, HEAD.replace('lamp = "GPIO17"', ""))


def test_a_module_that_is_missing_or_older_than_its_source_is_not_tested(tmp_path: Path) -> None:
    new("late", Language.C, tmp_path)
    with pytest.raises(ScenarioError, match="run `skerry app build"):
        run_test(tmp_path, None, print)
    build(tmp_path)
    source = tmp_path / "src" / "main.c"
    source.write_text(source.read_text() + "\n")
    with pytest.raises(ScenarioError, match=r"main\.c: newer than"):
        run_test(tmp_path, None, print)


def test_an_app_opens_the_secrets_its_scenario_gives_it_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "app.toml").write_text(
        """name = "keyed"
        version = "1.0.0"
        [grants.api-key]
        kind = "secret"
        """
    )
    (tmp_path / "build").mkdir()
    (tmp_path / "build/keyed.wasm").write_bytes(
        c("""
        #include <stdio.h>
        #include "skerry.h"
        int main(void) {
            char key[16] = "";
            int length = skerry_secret_get("api-key", key, sizeof key);
            printf("opened %.*s\\n", length, key);
            return skerry_secret_get("other", key, sizeof key) < 0 ? 0 : 1;
        }
        """)
    )
    board = tmp_path / "board.toml"
    step = '[[test.step]]\nexpect = { log = "opened 12345", exit = 0 }\n'
    board.write_text(f'[test.secrets]\napi-key = "12345"\n{step}')
    said: list[str] = []
    assert run_test(tmp_path, None, said.append), said
    board.write_text(step)
    with pytest.raises(ScenarioError, match=r"test\.secrets\.api-key: missing"):
        run_test(tmp_path, None, said.append)
    board.write_text(f'[test.secrets]\nkey = "12345"\n{step}')
    with pytest.raises(ScenarioError, match=r"test\.secrets\.key: .*secret are: api-key"):
        run_test(tmp_path, None, said.append)
