"""A booted board: QEMU `virt` on a Cortex-A53 with 512 MB, the image that `skerry image build` makes.

The app beeps ten times a second into a live session. Both kinds of image are measured, the agent
compiled to machine code and as bytecode. Seconds are those of the emulator on this machine; what
they show is the difference between two boots of the same run, not a board's own speed.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backports import zstd

from boards.board import find_board
from boards.image.boot import Kernel
from boards.image.build import build
from boards.image.cpio import initramfs
from boards.packages import read_lock, unpacked
from cloud.client.api import Client
from edge.giveback import SETTLED
from qemu.board import VIRT, Board, Fittings, Media, Programs
from qemu.board.programs import pinned_programs
from tests.bench.desk import app_object, push_app
from tests.bench.node import App
from tests.bench.processes import MB, ROOT, BenchError, Cloud, wait_until
from tests.bench.report import Figure, Report
from tests.bench.smaps import pss_groups
from tests.support.board_image import CACHE, image_media, preseed
from tests.support.system import skerry

NODE = "barn"
APP = ROOT / "tests/system/guests/beeper-1"
MEMORY_MB = 512
BOOTS = 3
STARTED = "s after the kernel"
PATIENCE = 300.0
"""Seconds until an app runs on an emulated board, on a machine busy with other things."""
IDLE_S = SETTLED + 60
"""Age in seconds of an agent that has given back what only its start needed, and worked since."""
_SHELL = "bare shell is up"
_BARE = f"#!/bin/sh\n/bin/busybox echo {_SHELL}\nexec /bin/busybox sh\n"
_PID = "$(pidof python3.11)"
_TICKS = 100
"""Of Linux's clock a second, as /proc shows it."""
KINDS = {"compiled": True, "bytecode": False}


class BoardBench:
    """Builds both images, boots them, reads what the guest's kernel counts."""

    name = "board"

    def run(self, report: Report) -> None:
        """Builds, then boots beside a bare shell, then memory."""
        CACHE.mkdir(parents=True, exist_ok=True)
        programs = pinned_programs(ROOT / ".cache/qemu")
        app = App.build(APP)
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            folder = Path(place)
            images = {kind: self._build(report, kind, folder) for kind in KINDS}
            shell = self._shell(report, folder, images["compiled"], programs)
            for kind, image in images.items():
                self._boots(report, kind, image, app, programs, shell)

    def _build(self, report: Report, kind: str, folder: Path) -> Path:
        """The image of a kind; the first build compiles, the second finds that done."""
        cold = folder / f"cache-{kind}"
        cold.mkdir()
        for name in ("packages", "unpacked", "wheels"):
            (CACHE / name).mkdir(exist_ok=True)
            (cold / name).symlink_to(CACHE / name)
        out = folder / kind / "virt.img"
        compiled = KINDS[kind]
        note = "packages fetched; CPU of this machine: see load"
        for state in ("cold", "warm"):
            built = build("virt", out, cold, lambda _text: None, compiled=compiled)
            self._add(report, f"image build {state}, {kind}", "s", (built.seconds,), note=note)
        packed = len(zstd.compress(out.read_bytes(), 9)) / 2**20
        self._add(report, f"image, zstd, {kind}", "MiB", (packed,), "< 64")
        self._add(report, f"slot, {kind}", "MiB", (built.slot_size / 2**20,))
        os.truncate(out, 1 << 30)
        return out

    def _shell(self, report: Report, folder: Path, image: Path, programs: Programs) -> float:
        """Seconds from power-on to a bare shell of the image's kernel."""
        (package,) = unpacked(
            find_board("virt").kernel.package, read_lock(), CACHE, lambda _text: None
        ).values()
        (busybox,) = (
            place / "bin/busybox"
            for pin, place in unpacked("system", read_lock(), CACHE, lambda _t: None).items()
            if pin.name == "busybox-static"
        )
        initrd = folder / "bare.gz"
        initrd.write_bytes(initramfs(_BARE.encode(), busybox.read_bytes(), {}, ()))
        media = Media(
            kernel=Kernel.of(package).image,
            initrd=initrd,
            append=("quiet",),
            disk=image,
            ready=_SHELL,
        )
        values: list[float] = []
        with Board(VIRT, media, programs, Fittings(memory_mb=MEMORY_MB)) as board:
            for _ in range(BOOTS):
                began = time.monotonic()
                board.power_on(within=PATIENCE)
                values.append(time.monotonic() - began)
                board.power_cut()
        return self._add(report, "power-on to a bare shell", "s", tuple(values))

    def _boots(
        self, report: Report, kind: str, image: Path, app: App, programs: Programs, shell: float
    ) -> None:
        with _node(image, programs) as (board, client):
            digest = push_app(client, app, "bench")
            where = {"selector": {"matchLabels": {"bench": "board"}}}
            client.apply(app_object("beeper", app.manifest.name, digest, **where))
            first, since = _power_on(board, client, "")
            again: list[float] = []
            for _ in range(BOOTS):
                board.power_cut()
                took, since = _power_on(board, client, since)
                again.append(took)
            self._add(report, f"power-on to app running, first boot, {kind}", "s", (first,))
            running = self._add(report, f"power-on to app running, {kind}", "s", tuple(again))
            self._add(report, f"  in bare shells, {kind}", "times", (running / shell,))
            self._memory(report, kind, board)

    def _memory(self, report: Report, kind: str, board: Board) -> None:
        groups, cpu = _settled(board)
        self._add(report, f"agent CPU until settled, {kind}", "s", (cpu,))
        self._pss(report, f"just started, {kind}", groups, _age_s(board))
        wait_until(lambda: _age_s(board) > IDLE_S, "the agent is idle for a while", PATIENCE)
        groups, _ = _settled(board)
        self._pss(report, f"idle, {kind}", groups, _age_s(board))
        used = _used_mb(board)
        target = "< 80"
        self._add(report, f"whole node, {kind}", "MiB", (used,), target, "KubeEdge worker: 351 MB")

    def _pss(self, report: Report, when: str, groups: dict[str, int], age_s: float) -> None:
        note = f"1 app, live session, {age_s:.0f} s after its start"
        self._add(report, f"agent PSS, {when}", "MiB", (sum(groups.values()) / MB,), "< 32", note)
        for group, kilobytes in groups.items():
            self._add(report, f"  PSS: {group}, {when}", "MiB", (kilobytes / MB,))

    def _add(
        self,
        report: Report,
        name: str,
        unit: str,
        values: tuple[float, ...],
        target: str = "",
        note: str = "",
    ) -> float:
        figure = Figure(self.name, name, unit, values, target, note)
        report.add(figure)
        return figure.median


@contextmanager
def _node(image: Path, programs: Programs) -> Iterator[tuple[Board, Client]]:
    """A board that is off, with its cloud's client; the image's settings name that cloud."""
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
        folder = Path(place)
        with (
            Cloud(folder / "cloud", secure=True, names=("10.0.2.2",)) as cloud,
            Client(cloud.url) as client,
        ):
            own = folder / "board.img"
            shutil.copyfile(image, own)
            label = "bench=board"
            made = skerry("token", "create", "--pattern", NODE, "--label", label, cloud=cloud.url)
            url = f"https://10.0.2.2:{cloud.port}"
            preseed(own, folder, _settings(url, made.stdout.strip()))
            media = image_media(own, folder, STARTED)
            with Board(VIRT, media, programs, Fittings(memory_mb=MEMORY_MB)) as board:
                yield board, client


def _settings(url: str, token: str) -> str:
    return (
        f'format = 1\n[node]\nname = "{NODE}"\n[node.labels]\nbench = "board"\n'
        f'[cloud]\nurl = "{url}"\ntoken = "{token}"\n[trust]\nunsigned = "allow"\n'
    )


def _power_on(board: Board, client: Client, before: str) -> tuple[float, str]:
    """Seconds until the app runs again, and since when it says so; `before`: what it said then."""
    began = time.monotonic()
    board.power_on(within=PATIENCE)
    found = ""

    def runs() -> bool:
        nonlocal found
        found = _since(client)
        return found not in {"", before}

    wait_until(runs, "the app runs on the board", PATIENCE)
    return time.monotonic() - began, found


def _since(client: Client) -> str:
    items: list[Any] = client.list("appinstances")["items"]
    for item in items:
        status = item.get("status", {})
        if status.get("state") == "Running":
            return str(status["since"])
    return ""


def _settled(board: Board) -> tuple[dict[str, int], float]:
    """PSS by group, KiB, and the agent's CPU seconds, once its PSS moves less than 1 %."""
    before = 0
    for _ in range(20):
        board.check("sleep 5", within=PATIENCE)
        groups = dict(pss_groups(_file(board, f"/proc/{_PID}/smaps")))
        total = sum(groups.values())
        if abs(total - before) * 100 < total:
            fields = _file(board, f"/proc/{_PID}/stat").rpartition(") ")[2].split()
            return groups, (int(fields[11]) + int(fields[12])) / _TICKS
        before = total
    raise BenchError("the agent's memory does not settle")


def _age_s(board: Board) -> float:
    """Seconds since the agent was started."""
    started = int(_file(board, f"/proc/{_PID}/stat").rpartition(") ")[2].split()[19]) / _TICKS
    return float(_file(board, "/proc/uptime").split()[0]) - started


def _used_mb(board: Board) -> float:
    """MemTotal - MemAvailable."""
    info = dict(re.findall(r"(\w+): +(\d+) kB", _file(board, "/proc/meminfo")))
    return (int(info["MemTotal"]) - int(info["MemAvailable"])) / MB


def _file(board: Board, path: str) -> str:
    """A file of /proc, which has no size."""
    board.check(f"cat {path} >/tmp/bench", within=PATIENCE)
    return board.get("/tmp/bench").decode()
