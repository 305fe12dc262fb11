"""The docs are true: their examples build and load, and the SDKs declare the whole ABI."""

import re
from pathlib import Path

import pytest

from edge.scenario import read_manifest, read_scenario
from hal.board import DrivenBoard
from hal.boardfile import load_board
from wasm_apps.tool import Language, build, new

ROOT = Path(__file__).parents[3]
SDK = ROOT / "wasm_apps" / "sdk"


def examples(document: str, language: str) -> list[str]:
    text = (ROOT / "docs" / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", [Language.C, Language.ZIG])
def test_the_example_app_of_each_language_builds(language: Language, tmp_path: Path) -> None:
    (source,) = examples("apps.md", language.value)
    new("example", language, tmp_path)
    (tmp_path / "src" / f"main.{language.value}").write_text(source)
    said: list[str] = []
    build(tmp_path, said.append)
    assert not [text for text in said if "warning" in text]


def test_the_example_in_python_is_the_template_word_by_word() -> None:
    (source,) = examples("apps.md", "python")
    assert source == (ROOT / "wasm_apps/templates/python/src/main.py").read_text()


def test_the_example_scenario_fits_the_thermometer(tmp_path: Path) -> None:
    (example,) = examples("apps.md", "toml")
    board = tmp_path / "board.toml"
    board.write_text(example)
    manifest = read_manifest(ROOT / "wasm_apps" / "thermometer" / "app.toml")
    assert len(read_scenario(board, manifest).step) == 2


def test_the_example_board_loads_with_all_its_parts(tmp_path: Path) -> None:
    example, _ = examples("hal.md", "toml")
    (tmp_path / "track.nmea").write_text("$\n")
    path = tmp_path / "board.toml"
    path.write_text(example)
    board = load_board(path)
    parts = {"GPIO4", "GPIO17", "GPIO27", "i2c-1", "i2c-3", "gps", "modem"}
    assert set(board.resources()) == parts
    assert isinstance(board, DrivenBoard)
    assert set(board.observe()) == {"GPIO17", "GPIO4", "gps", "i2c-1:0x48"}
    board.close()


def documented_functions() -> set[tuple[str, str]]:
    """(module, function) of every function in docs/guest-abi.md."""
    found: set[tuple[str, str]] = set()
    module = ""
    for line in (ROOT / "docs" / "guest-abi.md").read_text().splitlines():
        if heading := re.match(r"## (?:`skerry_(\w+)`)?", line):
            module = heading[1] or ""
        elif module and (row := re.match(r"\| `(\w+)\(", line)):
            found.add((module, row[1]))
    return found


def test_the_c_header_declares_every_function_of_the_abi() -> None:
    header = (SDK / "c" / "skerry_abi.h").read_text()
    assert (
        set(re.findall(r"SKERRY_IMPORT\((\w+), (\w+)\)", header)) - {("module", "name")}
        == documented_functions()
    )


def test_the_zig_binding_declares_every_function_of_the_abi() -> None:
    binding = (SDK / "zig" / "skerry.zig").read_text()
    assert set(re.findall(r'extern "skerry_(\w+)" fn (\w+)', binding)) == documented_functions()


def test_both_sdks_know_every_error_of_the_abi() -> None:
    text = (ROOT / "docs" / "guest-abi.md").read_text()
    documented = {(name, int(number)) for number, name in re.findall(r"`(-\d+)` ([A-Z]+)", text)}
    assert len(documented) > 10
    header = (SDK / "c" / "skerry_abi.h").read_text()
    in_c = {(name, int(number)) for name, number in re.findall(r"SKERRY_(\w+) = (-\d+)", header)}
    assert documented <= in_c
    binding = (SDK / "zig" / "skerry.zig").read_text()
    in_zig = {int(number) for number in re.findall(r"(-\d+) => error", binding)}
    assert {number for _, number in in_c} == in_zig


def test_the_first_app_of_the_readme_is_one_that_is_there():
    program = (ROOT / "wasm_apps/room/src/main.py").read_text()
    assert f"```python\n{program}```" in (ROOT / "README.md").read_text()
