"""Making and building projects with the real compiler."""

import shutil
import struct
from pathlib import Path

import pytest

from wasm_apps.tool import Language, build, new
from wasm_apps.tool.errors import CompileError, ModuleError, ProjectError
from wasm_apps.tool.module import Kind, check_runs_on_a_node, read_shape

APPS = Path(__file__).parents[3] / "wasm_apps"
EMPTY = b"\0asm\x01\0\0\0"


def c_project(directory: Path, source: str) -> Path:
    new("probe", Language.C, directory)
    (directory / "src" / "main.c").write_text(source)
    return directory


COMPILED = (Language.C, Language.ZIG)


@pytest.mark.parametrize("language", COMPILED)
def test_the_same_sources_give_the_same_bytes_in_any_folder(
    tmp_path: Path, language: Language
) -> None:
    first, second = tmp_path / "a", tmp_path / "somewhere" / "deeper" / "b"
    new("button", language, first)
    new("button", language, second)
    one, two = build(first), build(second)
    assert one == first / "build" / "button.wasm"
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()
    assert read_shape(one.read_bytes()).exports == {"memory": Kind.MEMORY, "_start": Kind.FUNCTION}


@pytest.mark.parametrize(
    ("app", "limit"), [("thermometer", 10_240), ("thermostat", 10_240), ("nmea", 10_240)]
)
def test_the_apps_stay_small(app: str, limit: int, tmp_path: Path) -> None:
    copy = tmp_path / app
    shutil.copytree(APPS / app, copy, ignore=shutil.ignore_patterns("build"))
    assert build(copy).stat().st_size <= limit


def test_an_error_in_the_source_is_shown_as_the_compiler_says_it_with_a_summary(
    tmp_path: Path,
) -> None:
    project = c_project(tmp_path, "int main(void) { return undeclared; }\n")
    with pytest.raises(CompileError) as raised:
        build(project)
    assert "src/main.c:1:25: error: use of undeclared identifier 'undeclared'" in str(raised.value)
    assert str(raised.value).endswith("the app does not build: 1 error in src/main.c")


def test_a_failed_build_leaves_the_last_good_module(tmp_path: Path) -> None:
    project = c_project(tmp_path, "int main(void) { return 0; }\n")
    good = build(project).read_bytes()
    (project / "src" / "main.c").write_text("int main(void) {")
    with pytest.raises(CompileError):
        build(project)
    assert (project / "build" / "probe.wasm").read_bytes() == good
    assert [path.name for path in (project / "build").iterdir()] == ["probe.wasm"]


def test_warnings_are_handed_on(tmp_path: Path) -> None:
    said: list[str] = []
    build(c_project(tmp_path, "int main(void) { int unused; return 0; }\n"), said.append)
    assert any("unused variable" in text for text in said)


def test_a_function_that_nothing_defines_is_told_at_the_build(tmp_path: Path) -> None:
    source = "void elsewhere(void);\nint main(void) { elsewhere(); return 0; }\n"
    with pytest.raises((CompileError, ModuleError), match=r"elsewhere|`env`"):
        build(c_project(tmp_path, source))


def test_the_slow_first_build_on_a_machine_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "probe"
    new("probe", Language.ZIG, project)
    (project / "src" / "main.zig").write_text("pub fn main( {")
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(CompileError, match=r"1 error in src/main\.zig"):
            build(project, said.append)
    assert [text for text in said if "first build" in text] == said[:1] != []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda app: (app / "app.toml").unlink(), r"app\.toml: there is none"),
        (lambda app: (app / "app.toml").write_text("name = "), "not TOML"),
        (lambda app: (app / "app.toml").write_text("name = 'A B'"), "name: must be lower-case"),
        (lambda app: (app / "src" / "main.c").unlink(), r"no \*\.c, no main\.zig and no main\.py"),
        (lambda app: (app / "src" / "main.zig").touch(), r"holds C and main\.zig"),
    ],
)
def test_a_project_that_is_not_one_says_what_is_missing(tmp_path: Path, spoil, message) -> None:
    new("probe", Language.C, tmp_path)
    spoil(tmp_path)
    with pytest.raises(ProjectError, match=message):
        build(tmp_path)


def test_a_new_project_takes_no_bad_name_and_no_full_folder(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="'Bad Name' cannot be"):
        new("Bad Name", Language.C, tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ProjectError, match="not empty"):
        new("good", Language.C, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ELF", "not a WebAssembly module"),
        (EMPTY + b"\x07\x05\x01", "damaged"),
        (EMPTY + b"\x07\x80\x80\x80\x80\x80\x80", "damaged"),
        (EMPTY, "no function `_start`"),
        (EMPTY + b"\x07\x0a\x01\x06_start\x00\x00", "no memory `memory`"),
    ],
)
def test_a_module_that_no_node_would_run_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModuleError, match=message):
        check_runs_on_a_node(data)


def test_imports_of_every_kind_are_read() -> None:
    imports = [
        ("skerry_log", b"\x00\x00"),
        ("env", b"\x01\x70\x01\x01\x02"),
        ("env", b"\x02\x00\x01"),
        ("wasi_snapshot_preview1", b"\x03\x7f\x00"),
    ]
    body = struct.pack("B", len(imports)) + b"".join(
        bytes([len(module)]) + module.encode() + b"\x01x" + kind for module, kind in imports
    )
    data = EMPTY + b"\x02" + bytes([len(body)]) + body
    assert read_shape(data).imports == ("skerry_log", "env", "wasi_snapshot_preview1")
