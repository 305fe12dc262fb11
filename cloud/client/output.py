"""How answers look: tables for people, JSON and YAML for machines."""

import json
import sys
from collections.abc import Sequence
from typing import Any

FORMATS = ("table", "json", "yaml")


def show(value: Any, form: str) -> None:
    """Print a value as JSON or YAML."""
    if form == "json":
        print(json.dumps(value, indent=2))
    else:
        import yaml  # noqa: PLC0415 - 2 MB that most calls do not need

        print(yaml.safe_dump(value, sort_keys=False), end="")


def show_table(table: dict[str, Any], *, wide: bool = False) -> None:
    """Print a Kubernetes Table; columns of priority > 0 only when wide."""
    columns = [
        (index, column["name"].upper())
        for index, column in enumerate(table["columnDefinitions"])
        if wide or not column.get("priority")
    ]
    rows = [[str(row["cells"][index]) for index, _ in columns] for row in table.get("rows", [])]
    if not rows:
        print("none found", file=sys.stderr)
        return
    show_rows([name for _, name in columns], rows)


def show_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest cell."""
    lines = [header, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("   ".join(cells).rstrip())
