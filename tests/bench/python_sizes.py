"""The thermostat three times: in C, in Python beside the runtime all apps share, and as a component.

The component is made by PyPI's `componentize-py`, whose guest holds a whole CPython. It is fetched
for this and kept in the cache: nothing of ours needs it.
"""

import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.processes import ROOT, BenchError
from tests.bench.report import Figure, Report
from tests.support.python_apps import python_runtime
from wasm_apps.tool import build

PINNED = (
    "componentize-py==0.25.1 "
    "--hash=sha256:8623cd8cab8453cb0cd8bf03f3c7103420d06f2f3d360186a280a70a1ca5e89f\n"
)
"""Its wheel for Linux on x86-64, 17 MB."""
GUEST = Path(__file__).parent / "guests" / "component"
WITHIN = 600
_HOME = ROOT / ".cache" / "componentize-py-0.25.1"


class PythonSizes:
    """Bytes to be sent to a node, plain and packed."""

    name = "python-sizes"

    def run(self, report: Report) -> None:
        """Build all three."""
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            folder = Path(place)
            built = {app: _built(app, folder) for app in ("thermostat", "hearth")}
            self._add(report, "thermostat in C", built["thermostat"])
            self._add(report, "thermostat in Python (hearth), its files", built["hearth"])
            self._add(report, "the runtime, once for all apps", python_runtime().read_bytes())
            try:
                component = _component(folder)
            except BenchError as error:
                report.leave_out(f"thermostat as a component: {error}")
            else:
                self._add(report, "thermostat's loop by componentize-py", component)

    def _add(self, report: Report, what: str, data: bytes) -> None:
        for how, content in (("", data), (", xz", lzma.compress(data))):
            report.add(Figure(self.name, f"{what}{how}", "KiB", (len(content) / 1024,)))


def _built(app: str, folder: Path) -> bytes:
    copy = folder / app
    shutil.copytree(ROOT / "wasm_apps" / app, copy, ignore=shutil.ignore_patterns("build"))
    return build(copy, find_runtime=python_runtime).read_bytes()


def _component(folder: Path) -> bytes:
    if not _HOME.is_dir():
        wanted = folder / "requirements.txt"
        wanted.write_text(PINNED)
        site = folder / "site"
        _run(
            *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes"),
            *("--target", str(site), "-r", str(wanted)),
        )
        _HOME.parent.mkdir(exist_ok=True)
        shutil.move(site, _HOME)
    home = folder / "component"
    shutil.copytree(GUEST, home)
    made = home / "made.wasm"
    _run(
        *(str(_HOME / "bin/componentize-py"), "-d", "thermostat.wit", "-w", "thermostat"),
        *("componentize", "app", "-o", str(made)),
        at=home,
    )
    return made.read_bytes()


def _run(*command: str, at: Path | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=at,
        env=os.environ | {"PYTHONPATH": str(_HOME)},
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-300:]}")
