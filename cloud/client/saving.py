"""Notices that an app's sources were saved: looks at times and sizes, a few times a second."""

import threading
from collections.abc import Iterator
from pathlib import Path

LOOK = 0.1
"""Seconds between two looks: a tenth of what a person takes for at once."""
FILES_LIMIT = 2000
"""Files looked at: an app has at most 256, and a look at so many takes 10 ms."""

SETTLE = 0.03
"""Seconds without a further change after which a save is whole: editors empty a file, then fill it."""

_Seen = dict[Path, tuple[int, int]]


class Sources:
    """`app.toml` and what is in `src/` of one project."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen = self._look()

    def newest(self) -> float:
        """When the last of them was saved, seconds since 1970."""
        return max((mtime for mtime, _ in self._seen.values()), default=0) / 1e9

    def wait_for_change(self) -> float:
        """Return when something was saved, made or removed; when that was."""
        pause = threading.Event()
        while (found := self._look()) == self._seen:
            pause.wait(LOOK)
        while found != self._seen:
            self._seen = found
            pause.wait(SETTLE)
            found = self._look()
        return self.newest()

    def _look(self) -> _Seen:
        found: _Seen = {}
        for path in self._files():
            try:
                status = path.stat()
            except OSError:
                continue  # an editor is putting another in its place
            found[path] = (status.st_mtime_ns, status.st_size)
            if len(found) == FILES_LIMIT:
                break
        return found

    def _files(self) -> Iterator[Path]:
        yield self._directory / "app.toml"
        for path in (self._directory / "src").rglob("*"):
            if "__pycache__" not in path.parts:
                yield path
