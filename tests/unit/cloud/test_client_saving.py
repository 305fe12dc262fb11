"""What counts as a save of an app's sources, with real files."""

import os
import threading
from pathlib import Path

import pytest

from cloud.client.saving import Sources


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src/lib").mkdir(parents=True)
    (tmp_path / "app.toml").write_text("name = 'a'")
    (tmp_path / "src/main.py").write_text("1")
    return tmp_path


def change_of(project: Path, act) -> float:
    """When the change was that `act` makes while somebody watches."""
    sources = Sources(project)
    found: list[float] = []
    watcher = threading.Thread(target=lambda: found.append(sources.wait_for_change()))
    watcher.start()
    act()
    watcher.join(20)
    assert found, "it was not noticed"
    return found[0]


def replace_as_editors_do(file: Path) -> None:
    beside = file.with_suffix(".tmp~")
    beside.write_text("2")
    beside.replace(file)


@pytest.mark.parametrize(
    "act",
    [
        lambda project: (project / "src/main.py").write_text("22"),
        lambda project: replace_as_editors_do(project / "src/main.py"),
        lambda project: (project / "src/lib/new.py").write_text("3"),
        lambda project: (project / "src/main.py").unlink(),
        lambda project: (project / "app.toml").write_text("name = 'b'"),
        lambda project: os.utime(project / "src/main.py", (1, 2_000_000_000)),
    ],
    ids=["written", "replaced", "made", "removed", "manifest", "touched"],
)
def test_a_save_is_noticed(project: Path, act):
    change_of(project, lambda: act(project))


def test_a_save_has_the_time_of_the_newest_file(project: Path):
    when = 2_000_000_000
    assert change_of(project, lambda: os.utime(project / "src/main.py", (1, when))) == when


def test_what_a_build_and_an_interpreter_leave_is_no_save(project: Path):
    sources = Sources(project)
    (project / "build").mkdir()
    (project / "build/a.files").write_text("x")
    (project / "src/__pycache__").mkdir()
    (project / "src/__pycache__/main.pyc").write_text("x")
    seen = sources._look()
    assert not any("build" in path.parts or "main.pyc" in path.name for path in seen)
