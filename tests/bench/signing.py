"""What it costs a node to judge a signature: time and memory of the child, and the hash."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time

from edge.trust.encoding import encode_struct
from edge.trust.manifest import Kind, release_number
from edge.verdict import Question
from edge.verifying import ask
from tests.bench.processes import MB, ROOT
from tests.bench.report import Figure, Report
from tests.support.trust import NOW, root, signature, signed_root, statement

RUNS = 11
ARTIFACT = os.urandom(5 << 20)
_PROGRAM = """
import json, sys
from pathlib import Path
def pss():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
empty = pss()
from edge.trust.encoding import decode_struct
from edge.verdict import Question
before = pss()
from edge.verifier import answer
data = sys.stdin.buffer.read()
assert answer(decode_struct(data, Question, "question", 1 << 20)).manifest
json.dump([empty, before, pss()], sys.stdout)
"""


class Signing:
    """The child as the agent starts it, with a signature that is good."""

    def run(self, report: Report) -> None:
        """Measure and add figures."""
        question = question_of(ARTIFACT)
        asks, hashes = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            answer = asyncio.run(ask(question))
            asks.append((time.perf_counter() - started) * 1000)
            assert answer.manifest is not None
            started = time.perf_counter()
            hashlib.sha256(ARTIFACT).digest()
            hashes.append((time.perf_counter() - started) * 1000)
        name = "signing"
        report.add(Figure(name, "judge a signature, child process", "ms", tuple(asks)))
        report.add(Figure(name, "SHA-256 of a 5 MB artifact", "ms", tuple(hashes)))
        done = subprocess.run(
            [sys.executable, "-OO", "-c", _PROGRAM],
            input=encode_struct(question),
            capture_output=True,
            check=True,
            cwd=ROOT,
        )
        _, before, after = json.loads(done.stdout)
        report.add(Figure(name, "PSS of that child", "MiB", (after / MB,)))
        figure = (after - before) / MB
        report.add(Figure(name, "PSS the judge adds, spared the agent", "MiB", (figure,)))


def question_of(artifact: bytes) -> Question:
    """What the agent asks about an app that was signed well."""
    made = statement(digest="sha256:" + hashlib.sha256(artifact).hexdigest(), size=len(artifact))
    return Question(
        root=signed_root(root()),
        signature=signature(made),
        kind=Kind.APP,
        name=made.name,
        digest=made.digest,
        size=made.size,
        version=release_number("1.0.0"),
        capabilities=[],
        now=NOW,
    )
