"""`python -m tests.fuzz [NAME] [SECONDS]`: go on by hand, guided by coverage where atheris is there.

A finding is written to tests/fuzz/corpus/NAME/ and ends the run.
"""

import hashlib
import random
import sys
import time
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES, try_one
from tests.fuzz.test_fuzz import CORPUS, mutate

WORDS = (b"\0", b"\xff" * 9, b'"', b"[", b"{", b"=", b"9" * 30, b"\xed\xa0\x80", b"/", b"1e999")


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    return _guided(name) if name and _has_atheris() else _plain(name, seconds)


def _has_atheris() -> bool:
    try:
        import atheris  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def _guided(name: str) -> int:
    import atheris  # noqa: PLC0415

    def one(data: bytes) -> None:
        _watched(name, data)

    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], str(folder)], one)
    atheris.Fuzz()
    return 0


def _plain(only: str, seconds: float) -> int:
    dice, counts = random.Random(), dict.fromkeys([only] if only else HARNESSES, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in counts:
            for _ in range(200):
                data = dice.choice(HARNESSES[name].seeds)
                changes = [
                    (
                        dice.choice(("flip", "cut", "insert", "repeat", "swap")),
                        dice.getrandbits(16),
                        dice.choice(WORDS) if dice.random() < 0.5 else dice.randbytes(4),
                    )
                    for _ in range(dice.randint(1, 8))
                ]
                _watched(name, mutate(data, changes))
                counts[name] += 1
    for name, count in counts.items():
        print(f"{name}: {count} inputs, nothing found")
    return 0


def _watched(name: str, data: bytes) -> None:
    try:
        try_one(name, data)
    except BaseException:
        path = Path(CORPUS / name / hashlib.sha256(data).hexdigest()[:16])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"finding: {path}", file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(main())
