"""Where a process's memory is: /proc/PID/smaps in groups that a person can act on."""

import re
from collections import Counter
from collections.abc import Mapping

_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")
_GROUPS = (
    (re.compile(r"^\[heap\]$|^$|^\[anon"), "heap and anonymous"),
    (re.compile(r"^\[stack"), "stack"),
    (re.compile(r"/skerry/(edge|hal)[./]"), "our compiled modules"),
    (re.compile(r"libwasmtime"), "wasmtime's library"),
    (re.compile(r"/skerry/.*\.so"), "other wheels"),
    (re.compile(r"/bin/python"), "CPython"),
    (re.compile(r"lib-dynload"), "CPython's extension modules"),
    (re.compile(r"\.so[.\d]*$"), "system libraries"),
    (re.compile(r"\.mdb$"), "store"),
    (re.compile(r"\.cwasm"), "app's code"),
)


def pss_groups(smaps: str) -> Mapping[str, int]:
    """KiB of PSS by group, the largest first; they sum up to the process's PSS."""
    found: Counter[str] = Counter()
    group = ""
    for line in smaps.splitlines():
        if head := _HEAD.match(line):
            group = _group(head[1])
        elif line.startswith("Pss:"):
            found[group] += int(line.split()[1])
    return dict(found.most_common())


def _group(name: str) -> str:
    return next((group for pattern, group in _GROUPS if pattern.search(name)), "other")
