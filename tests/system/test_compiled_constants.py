"""What the compiler works out on this machine is what the board's own interpreter says."""

import json
import os
from pathlib import Path

import pytest

from boards.compile.compiler import SUFFIX, compiled
from boards.image.build import build
from boards.packages import read_lock, unpacked
from qemu.board import VIRT, Board, Fittings
from tests.support.board_image import CACHE, PYTHON, image_media

FOLD = Path(__file__).with_name("fold")
ASK = (
    "import fold, json; print(json.dumps([type(fold.values).__name__, "
    "[repr(value) for value in fold.values()]]))"
)

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


def expressions() -> list[str]:
    lines = (FOLD / "__init__.py").read_text().splitlines()
    listed = lines[lines.index("    return [") + 1 : -1]
    return [line.strip().removesuffix(",") for line in listed]


def test_a_compiled_expression_has_the_value_that_the_board_gives_it(tmp_path, board_programs):
    image = build("virt", tmp_path / "virt.img", CACHE, print, compiled=False).image
    os.truncate(image, 1 << 30)
    (headers,) = unpacked("headers", read_lock(), CACHE, print).values()
    module = compiled(FOLD, headers, CACHE, print)
    media = image_media(image, tmp_path, "s after the kernel")
    with Board(VIRT, media, board_programs, Fittings(memory_mb=512)) as board:
        board.power_on(within=300)
        board.check("mkdir -p /tmp/compiled /tmp/plain/fold", within=120)
        board.put(f"/tmp/compiled/fold{SUFFIX}", module.read_bytes())
        board.put("/tmp/plain/fold/__init__.py", (FOLD / "__init__.py").read_bytes())

        def ask(place: str) -> tuple[str, list[str]]:
            board.put("/tmp/ask.py", ASK.encode())
            text = board.check(f"PYTHONPATH={place} {PYTHON} -S /tmp/ask.py", within=300)
            kind, values = json.loads(text)
            return kind, values

        kind, found = ask("/tmp/compiled")
        plain, wanted = ask("/tmp/plain")
    assert (kind, plain) == ("compiled_function", "function")
    texts = expressions()
    assert len(texts) == len(found) > 90
    assert dict(zip(texts, found, strict=True)) == dict(zip(texts, wanted, strict=True))
