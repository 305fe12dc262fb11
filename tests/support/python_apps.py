"""Apps in Python on disk, as a person writes them, and the runtime that runs them."""

from collections.abc import Callable
from pathlib import Path

from boards.python_guest import runtime
from tests.support.system import ROOT


def python_runtime(say: Callable[[str], None] = print) -> Path:
    """MicroPython as it is shipped; built once, then taken from the cache."""
    return runtime(ROOT / ".cache/boards", say)


MANIFEST = """\
name = "{name}"
version = "{version}"
runtime = "python"
{more}
[restart]
settle = 0.2
backoff = 0.1
"""

SAYS = """\
import time
print("{text}")
while True:
    time.sleep(3600)
"""
"""Says something, then sleeps until it is told to stop."""

RAISES = """\
import helper

def measure():
    return helper.divide(1, 0)

print("before")
measure()
"""
HELPER = """\
def divide(a, b):
    return a / b
"""


def python_app(
    directory: Path, name: str, version: str = "1.0.0", *, more: str = "", **files: str
) -> Path:
    """A project; `files` are sources by module name: `main="print(1)"`."""
    (directory / "src").mkdir(parents=True, exist_ok=True)
    text = MANIFEST.format(name=name, version=version, more=more)
    (directory / "app.toml").write_text(text)
    for module, source in files.items():
        (directory / "src" / f"{module}.py").write_text(source)
    return directory
