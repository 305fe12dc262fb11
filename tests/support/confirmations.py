"""What the app `counter` confirms on a serial line, kept by somebody who outlives the board."""

import threading
from collections.abc import Callable


class Confirmations:
    """Numbers whose publishing call has returned, by stream: `s` synced, `r` relaxed."""

    def __init__(self) -> None:
        self.numbers: dict[str, set[int]] = {"s": set(), "r": set()}
        self._grown = threading.Condition()

    def hear(self, read: Callable[[], bytes]) -> None:
        """Take down what `read` returns until that is nothing, or fails."""
        threading.Thread(target=self._listen, args=(read,), daemon=True).start()

    def until_more(self, count: int, deadline: float = 60) -> None:
        """Return once `count` more numbers were confirmed on each stream."""
        with self._grown:
            goals = {name: len(seen) + count for name, seen in self.numbers.items()}
            assert self._grown.wait_for(
                lambda: all(len(self.numbers[name]) >= goal for name, goal in goals.items()),
                deadline,
            ), f"no more confirmations: {self.numbers}"

    def _listen(self, read: Callable[[], bytes]) -> None:
        rest = b""
        while data := _read(read):
            *lines, rest = (rest + data).split(b"\n")
            with self._grown:
                for line in lines:
                    stream, _, number = line.decode("ascii", "replace").partition(" ")
                    if stream in self.numbers and number.isdecimal():
                        self.numbers[stream].add(int(number))
                self._grown.notify_all()


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError:  # the board went, and its end of the line with it
        return b""
