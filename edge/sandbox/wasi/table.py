"""The functions of WASI preview 1, all of them, by name."""

from edge.sandbox.binding import HostModule
from edge.sandbox.wasi import clocks, files, paths, process

MODULE = HostModule(
    "wasi_snapshot_preview1",
    (*process.FUNCTIONS, *clocks.FUNCTIONS, *files.FUNCTIONS, *paths.FUNCTIONS),
    error_sign=1,
)
