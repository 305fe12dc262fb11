"""What a run measured: figures, the machine they belong to, a table for people, JSON for machines.

A figure is made from values measured in this run; there is no way to state one from elsewhere.
"""

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "cbor2",
    "lmdb",
    "msgspec",
    "paho-mqtt",
    "sqlalchemy",
    "uvicorn",
    "wasmtime",
    "wsproto",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured, once or several times."""

    bench: str
    name: str
    unit: str
    values: tuple[float, ...]
    target: str = ""
    """As a person says it: `< 40`; empty when there is none."""
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Whether the median reaches the target: `yes`, `NO` or nothing."""
        if not self.target:
            return ""
        sign, limit = self.target.split()
        met = self.median < float(limit) if sign == "<" else self.median >= float(limit)
        return "yes" if met else "NO"


@dataclass(slots=True)
class Report:
    """Figures of one run, in the order they were measured, and what could not be measured."""

    figures: list[Figure] = field(default_factory=list[Figure])
    missing: list[str] = field(default_factory=list[str])

    def add(self, figure: Figure) -> None:
        """Keep a figure and show it at once."""
        self.figures.append(figure)
        print("   " + "  ".join(_cells(figure)), flush=True)

    def leave_out(self, what: str) -> None:
        """Say why something has no figure."""
        self.missing.append(what)
        print(f"   left out: {what}", flush=True)

    def find(self, name: str) -> Figure | None:
        """A figure measured earlier in this run."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def table(self) -> str:
        """All figures, one a line."""
        header = ("FIGURE", "MEDIAN", "MIN", "MAX", "N", "UNIT", "TARGET", "MET", "NOTE")
        rows = [header, *map(_cells, self.figures)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(header) - 1)]
        lines = [
            "  ".join((*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1])).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *(f"left out: {what}" for what in self.missing)])

    def save(self, path: Path, machine: dict[str, str]) -> None:
        """Write figures and machine as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        figures = [
            asdict(figure) | {"median": figure.median, "met": figure.verdict}
            for figure in self.figures
        ]
        body = {"machine": machine, "figures": figures, "left_out": self.missing}
        path.write_text(json.dumps(body, indent=2) + "\n")


def machine() -> dict[str, str]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")
    ]
    total_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpu": f"{info.count('processor')} x {models[0] if models else platform.machine()}",
        "memory": f"{total_kb / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _cells(figure: Figure) -> tuple[str, ...]:
    numbers = (figure.median, min(figure.values), max(figure.values))
    return (
        figure.name,
        *map(_number, numbers),
        str(len(figure.values)),
        figure.unit,
        figure.target,
        figure.verdict,
        figure.note,
    )


def _number(value: float) -> str:
    """Three figures that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
