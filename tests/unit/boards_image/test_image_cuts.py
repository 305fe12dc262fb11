"""The standard library and wheels as a board has them: smaller, and still doing what is asked."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec
import nuitka
import pytest

from boards.image.agent import DESK, OWN
from boards.image.cuts import CHANGED, KEPT, REPLACED, cut_library, cut_wheels
from boards.image.errors import BuildError
from tests.support.system import ROOT

PROGRAM = """
import asyncio, dataclasses, datetime, json, pathlib, subprocess, sys
loaded = sorted({"ast", "dis", "tokenize", "urllib.parse", "locale"} & sys.modules.keys())

@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2

async def child():
    async def nested():
        return 1
    await nested()
    asyncio.get_running_loop().call_later(9, child).cancel()
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(42)", stdout=-1)
    return (await done.communicate())[0].decode()

print(json.dumps({
    "loaded": loaded,
    "inspect": sys.modules["inspect"].__file__,
    "is coroutine": [asyncio.iscoroutinefunction(child), asyncio.iscoroutinefunction(print)],
    "point": repr(Point(1)), "doc": Point.__doc__,
    "child": asyncio.run(child()),
    "text": subprocess.run(["echo", "x"], text=True, stdout=-1).stdout,
    "uri": pathlib.Path("/a b").as_uri(),
    "utc": str(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
}))
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in (*KEPT, *CHANGED, *REPLACED):
        shutil.copyfile(Path(sysconfig.get_path("stdlib")) / name, tmp_path / name)
    return tmp_path


def python(program: str, place: Path) -> str:
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(place)!r})\n{program}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_left_of_the_library_does_what_an_agent_asks(library: Path):
    cut_library(library)
    said = json.loads(python(PROGRAM, library))
    assert said == {
        "loaded": ["dis"],
        "inspect": str(library / "inspect.py"),
        "is coroutine": [True, False],
        "point": "Point(x=1, y=2)",
        "doc": None,
        "child": "42\n",
        "text": "x\n",
        "uri": "file:///a%20b",
        "utc": "2026-01-01 00:00:00+00:00",
    }


def test_what_compiled_modules_change_when_they_are_loaded_is_left(library: Path):
    """They do not look whether it is there: without it, the agent of a compiled image crashes."""
    source = Path(nuitka.__file__).parent / "build/static_src/InspectPatcher.c"
    text = source.read_text()
    asked = set(re.findall(r'GetAttrString\(module_inspect, "(\w+)"\)', text))
    asked |= set(re.findall(r"= inspect\.(\w+)", text))
    assert {"getgeneratorstate", "CORO_CLOSED", "_get_code_position"} <= asked
    cut_library(library)
    program = f"import inspect; print([n for n in {sorted(asked)} if not hasattr(inspect, n)])"
    assert python(program, library) == "[]\n"


def test_a_library_of_another_version_stops_the_build(library: Path):
    (library / "pathlib.py").write_text("import urllib.parse\n")
    with pytest.raises(BuildError, match=r"pathlib\.py: 'from urllib\.parse import"):
        cut_library(library)


def test_msgspec_packs_without_what_describes_types(library: Path):
    shutil.copytree(Path(msgspec.__file__).parent, library / "msgspec")
    cut_wheels(library)
    cut_library(library)
    program = """
import msgspec
class Point(msgspec.Struct):
    x: int
for kind in (msgspec.json, msgspec.msgpack):
    assert kind.decode(kind.encode(Point(1)), type=Point) == Point(1)
assert msgspec.structs.asdict(Point(1)) == {"x": 1}
print(msgspec.__file__, *sorted({"msgspec.inspect", "_decimal", "_uuid"} & sys.modules.keys()))
"""
    assert python(program, library).split() == [str(library / "msgspec/__init__.py")]


@pytest.mark.parametrize("module", ["inspect", "dis", "decimal", "uuid", "bz2", "lzma"])
def test_nothing_of_ours_on_a_board_asks_for_what_is_cut(module: str):
    sources = [file for part in OWN for file in (ROOT / part).rglob("*.py")]
    asks = re.compile(rf"^\s*(import|from) {module}\b", re.MULTILINE)
    found = [file.name for file in sources if asks.search(file.read_text())]
    assert [name for name in found if name not in DESK] == []
