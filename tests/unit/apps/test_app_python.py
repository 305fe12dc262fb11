"""Projects in Python: made, checked and packed; what a build says of a mistake, before any node."""

from pathlib import Path

import pytest

from cloud.client.built import load
from cloud.client.errors import InputError
from edge.apptest import run_test
from edge.errors import ScenarioError
from edge.wire.files import unpack_files
from tests.support.python_apps import HELPER, RAISES, python_app, python_runtime
from tests.support.system import skerry
from wasm_apps.tool import Language, build, new
from wasm_apps.tool.errors import CompileError, ProjectError, ToolchainError

# The first test to want the runtime may have to build it.
pytestmark = pytest.mark.timeout(600)
APPS = Path(__file__).parents[3] / "wasm_apps"


def built(project: Path, said: list[str] | None = None) -> Path:
    say = said.append if said is not None else lambda _text: None
    return build(project, say, python_runtime)


def test_a_project_is_packed_as_it_lies_there_beside_the_shared_runtime(tmp_path: Path):
    project = python_app(tmp_path, "probe", main="import lib.deep\n")
    (project / "src/lib").mkdir()
    (project / "src/lib/deep.py").write_text("x = 1\n")
    (project / "src/table.csv").write_bytes(b"\0\xff")
    (project / "src/.secret").write_text("stays at home")
    (project / "src/__pycache__").mkdir()
    (project / "src/__pycache__/main.pyc").write_bytes(b"")
    packed = built(project)
    assert packed == tmp_path / "build/probe.files"
    assert unpack_files(packed.read_bytes()) == {
        "main.py": b"import lib.deep\n",
        "lib/deep.py": b"x = 1\n",
        "table.csv": b"\0\xff",
    }
    module = (tmp_path / "build/probe.wasm").read_bytes()
    assert module == python_runtime().read_bytes()
    assert load(project).files == packed.read_bytes()


def test_the_same_sources_give_the_same_bytes_in_any_folder(tmp_path: Path):
    one = built(python_app(tmp_path / "a", "probe", main="x = 1", other="y = 2"))
    two = built(python_app(tmp_path / "b/c", "probe", other="y = 2", main="x = 1"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:\n  pass\n", "src/main.py:1:7: error: invalid syntax\n    def f(:"),
        ("x = 1\nif x\n  y\n", "src/main.py:2:5: error: expected ':'"),
        ("x = (\n", "src/main.py:1:5: error: '(' was never closed"),
        ("return 1\n", "src/main.py:1:1: error: 'return' outside function"),
        ("\tx = 1\n        y = 2\n", "src/main.py:1:"),
        ("x = '\0'\n", "src/main.py:1:"),
        ("x = '\udcff'\n", "src/main.py:1:"),
    ],
)
def test_a_mistake_is_told_with_file_and_line_and_no_traceback(
    tmp_path: Path, source: str, said: str
):
    project = python_app(tmp_path, "probe", main="x = 1")
    (project / "src/main.py").write_bytes(source.encode(errors="surrogateescape"))
    with pytest.raises(CompileError) as caught:
        built(project)
    assert said in str(caught.value)
    assert str(caught.value).endswith("the app does not build: 1 error in src/main.py")


def test_every_file_with_a_mistake_is_named_and_the_last_good_build_stays(tmp_path: Path):
    project = python_app(tmp_path, "probe", main="x = 1")
    good = built(project).read_bytes()
    python_app(tmp_path, "probe", main="x =", other="(")
    with pytest.raises(CompileError, match=r"2 errors in src/main\.py, src/other\.py"):
        built(project)
    assert (tmp_path / "build/probe.files").read_bytes() == good


def test_warnings_are_handed_on(tmp_path: Path):
    said: list[str] = []
    built(python_app(tmp_path, "probe", main="x = 1\nprint('a' is 'b')\n"), said)
    assert any(text.startswith("src/main.py:2: warning:") for text in said)


def test_bytecode_of_another_version_is_told(tmp_path: Path):
    project = python_app(tmp_path, "probe", main="import fast")
    (project / "src/fast.mpy").write_bytes(b"M\x06\x00\x1f")
    built(project)
    (project / "src/fast.mpy").write_bytes(b"M\x05\x00\x1f")
    with pytest.raises(CompileError, match=r"src/fast\.mpy.*version 6"):
        built(project)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda app: (app / "src/main.py").unlink(), r"no main\.py"),
        (
            lambda app: (app / "app.toml").write_text('name = "probe"\nversion = "1.0.0"\n'),
            r'runtime: missing; write runtime = "python"',
        ),
        (
            lambda app: (app / "app.toml").write_text('name = "probe"\nruntime = "lua"\n'),
            r"runtime: 'lua'; there is \"python\"",
        ),
    ],
)
def test_a_project_that_is_not_one_says_what_is_missing(tmp_path: Path, spoil, message: str):
    project = python_app(tmp_path, "probe", main="x = 1")
    spoil(project)
    with pytest.raises(ProjectError, match=message):
        built(project)


def test_without_a_runtime_a_build_says_so(tmp_path: Path):
    with pytest.raises(ToolchainError, match="runtime"):
        build(python_app(tmp_path, "probe", main="x = 1"))


def test_files_that_no_node_would_take_are_refused_at_the_desk(tmp_path: Path):
    project = python_app(tmp_path, "probe", main="x = 1")
    (project / "src/a name.py").write_text("x = 1")
    built(project)
    with pytest.raises(InputError, match=r"probe\.files: files: 'a name\.py' cannot be a name"):
        load(project)


@pytest.mark.parametrize("gone", ["probe.files", "probe.wasm"])
def test_what_is_not_built_is_not_pushed_and_not_tested(tmp_path: Path, gone: str):
    project = python_app(tmp_path, "probe", main="x = 1")
    (project / "board.toml").write_text("name = 'b'\n[test]\n[[test.step]]\nexpect.exit = 0\n")
    built(project)
    (project / "build" / gone).unlink()
    with pytest.raises(InputError, match="not built yet"):
        load(project)
    with pytest.raises(ScenarioError, match="skerry app build"):
        run_test(project, None, print)


def test_sources_newer_than_the_build_are_not_tested(tmp_path: Path):
    project = python_app(tmp_path, "probe", main="x = 1")
    (project / "board.toml").write_text("name = 'b'\n[test]\n[[test.step]]\nexpect.exit = 0\n")
    built(project)
    assert run_test(project, None, print)
    (project / "src/new.py").write_text("y = 2")
    with pytest.raises(ScenarioError, match=r"new\.py: newer than .*probe\.files"):
        run_test(project, None, print)


def test_a_traceback_of_an_app_under_test_names_file_and_line(tmp_path: Path):
    project = python_app(tmp_path, "probe", main=RAISES, helper=HELPER)
    (project / "board.toml").write_text(
        "name = 'b'\n[test]\n[[test.step]]\nexpect = { exit = 1, log = 'Error' }\n"
        "[[test.step]]\nsay = 'and more'\nexpect = { log = 'nothing like it' }\nwithin = 0.2\n"
    )
    built(project)
    said: list[str] = []
    assert not run_test(project, None, said.append)
    told = "\n".join(said)
    assert 'File "/app/main.py", line 7' in told
    assert 'File "/app/helper.py", line 2, in divide' in told


def test_the_apps_in_python_are_ten_lines(tmp_path: Path):
    new("first", Language.PYTHON, tmp_path / "first")
    for source in (tmp_path / "first/src/main.py", APPS / "room/src/main.py"):
        lines = [line for line in source.read_text().splitlines() if line.strip()]
        assert len(lines) <= 10, source


def test_the_command_line_makes_builds_and_tests_one(tmp_path: Path):
    project = str(tmp_path / "bell")
    skerry("app", "new", project, "--lang", "python")
    assert "bell.files" in skerry("app", "build", project).stdout
    done = skerry("app", "test", project)
    assert done.stdout.count("ok    ") == 4
