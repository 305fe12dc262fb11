"""What only the start needed is given back: pages of programs and libraries, which the card holds.

The kernel does not find them by itself: it spares pages of programs as long as it can. What is
needed again is read again.
"""

import asyncio
import ctypes
import logging
from pathlib import Path

SETTLED = 60.0
"""Seconds after which an agent has started its apps and met its cloud; if not, it costs some reads."""
_MADV_PAGEOUT = 21
"""Of Linux 5.4. The pages of a file go when this process alone has them and may write the file."""

_log = logging.getLogger(__name__)


async def give_back_once(after: float = SETTLED) -> None:
    """Give back after so many seconds."""
    await asyncio.sleep(after)
    await asyncio.to_thread(give_back)


def give_back() -> None:
    """Drop this process's clean pages of files, but for those it shares; any thread may call it."""
    libc = ctypes.CDLL(None, use_errno=True)
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        place, access, _, _, inode, *_ = line.split(maxsplit=5)
        if inode != "0" and access.endswith("p"):
            start, end = (int(address, 16) for address in place.split("-"))
            if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_PAGEOUT):
                _log.debug("no pages given back: %s", line)
                return
