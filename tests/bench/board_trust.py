"""What trust costs a board: an emulated Cortex-A53 joins, shakes hands, and judges an artifact.

QEMU emulates instructions, not the core's speed: the seconds are those of the emulator on this
machine, and stand beside each other, not beside a board's.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from edge.trust.encoding import encode_struct
from qemu.board import VIRT, Board, Fittings
from qemu.board.programs import pinned_programs
from tests.bench.processes import MB, ROOT, Cloud
from tests.bench.report import Figure, Report
from tests.bench.signing import ARTIFACT, question_of
from tests.support.board_image import IN_SLOT, image_media
from tests.support.images import built_image
from tests.support.system import skerry

PATIENCE = 300.0
Found = dict[str, Any]
"""What a program on the board measured."""
_RESULT = "/tmp/result.json"
_COMMON = """
import asyncio, json, os, sys, time
from pathlib import Path
from typing import Any

def timed(times, work):
    began = time.perf_counter()
    done = work()
    times.append(time.perf_counter() - began)
    return done

def peak_of_children():
    import resource
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

def tell(**found):
    Path("/tmp/result.json").write_text(json.dumps(found))
"""
_JOIN = """
from edge.identity.keeper import JoinSettings, Keeper
from edge.net.address import Address
from edge.net.stream import close_stream, open_stream
from edge.timekeeper import RELEASED_NS

class Known:
    now = RELEASED_NS
    def proven_ns(self):
        return self.now
    def proved(self, cloud_ns):
        self.now = max(self.now, cloud_ns)

url, token = sys.argv[1:]
joins, shakes = [], []
for number in range(3):
    keeper = Keeper(JoinSettings(f"join-{number}", url, token), Path(f"/tmp/{number}"), Known())
    timed(joins, lambda: asyncio.run(keeper.prepare()))

async def shake():
    _, writer = await open_stream(Address.parse(url, ("http", "https")), keeper.tls(), 30.0)
    await close_stream(writer)

for _ in range(20):
    timed(shakes, lambda: asyncio.run(shake()))
tell(joins=joins, shakes=shakes, peak=peak_of_children())
"""
_JUDGE = """
import hashlib
from edge.trust.encoding import decode_struct
from edge.verdict import Question
from edge.verifying import ask

question = decode_struct(Path("/tmp/question").read_bytes(), Question, "question", 1 << 20)
asks, hashes = [], []
for _ in range(5):
    assert timed(asks, lambda: asyncio.run(ask(question))).manifest
    with open("/tmp/artifact", "rb") as file:
        timed(hashes, lambda: hashlib.file_digest(file, "sha256"))
tell(asks=asks, hashes=hashes, peak=peak_of_children())
"""


class BoardTrust:
    """The agent's own code, by hand, on a board of the bench's own image."""

    name = "board-trust"

    def run(self, report: Report) -> None:
        """Boot once; join a cloud on this machine; judge an artifact of 5 MB."""
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            folder = Path(place)
            os.environ["SKERRY_CONTEXTS"] = str(folder / "contexts")
            image = folder / "virt.img"
            image.write_bytes(built_image("virt").read_bytes())
            os.truncate(image, 1 << 30)
            media = image_media(image, folder, "s after the kernel")
            programs = pinned_programs(ROOT / ".cache/qemu")
            with (
                Cloud(folder / "cloud", secure=True, names=("10.0.2.2",)) as cloud,
                Board(VIRT, media, programs, Fittings(memory_mb=512)) as board,
            ):
                made = skerry("token", "create", "--uses", "9", cloud=cloud.url)
                board.power_on(within=PATIENCE)
                address = f"https://10.0.2.2:{cloud.port}"
                self._join(report, _run(board, _JOIN, address, made.stdout.strip()))
                board.put("/tmp/question", encode_struct(question_of(ARTIFACT)))
                board.check(f"head -c {len(ARTIFACT)} /dev/urandom >/tmp/artifact")
                self._judge(report, _run(board, _JUDGE))

    def _join(self, report: Report, found: Found) -> None:
        self._add(report, "join: keys, pin, request, trial", "s", found["joins"])
        times = [seconds * 1000 for seconds in found["shakes"]]
        self._add(report, "TLS 1.3 handshake, both certificates", "ms", times)
        self._add(report, "peak RSS of a child that makes keys", "MiB", [found["peak"] / MB])

    def _judge(self, report: Report, found: Found) -> None:
        whole = [a + h for a, h in zip(found["asks"], found["hashes"], strict=True)]
        self._add(report, "verify an artifact of 5 MB", "s", whole)
        self._add(report, "  of that its SHA-256", "s", found["hashes"])
        self._add(report, "peak RSS of the child that judges", "MiB", [found["peak"] / MB])

    def _add(self, report: Report, title: str, unit: str, values: list[float]) -> None:
        report.add(Figure(self.name, title, unit, tuple(values)))


def _run(board: Board, program: str, *arguments: str) -> Found:
    board.put("/tmp/program.py", (_COMMON + program).encode())
    words = " ".join((IN_SLOT, "/tmp/program.py", *arguments))
    board.check(words, within=PATIENCE)
    found: Found = json.loads(board.get(_RESULT))
    return found
