"""What others made is what we make, on CPython and on MicroPython alike."""

import subprocess

import pytest

from boards.micropython import unix_interpreter
from tests.support.link_talk import REPORTS, Talk
from tests.support.link_vectors import check
from tests.support.system import ROOT

CHECK = ROOT / "tests/support/link_vectors.py"
TALK = ROOT / "tests/support/link_talk.py"


def test_cpython_agrees_with_smpclient_cobs_and_cbor2():
    assert check(str(ROOT)) > 30


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first run builds MicroPython, on a machine that is busy
def test_micropython_agrees_with_them_too():
    interpreter = unix_interpreter(ROOT / ".cache/boards", print)
    done = subprocess.run(
        [interpreter, CHECK, str(ROOT)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr == ""
    assert done.stdout == f"{check(str(ROOT))} vectors agree on micropython\n"


def test_on_a_bad_line_every_report_arrives_once_and_in_order():
    talk = Talk().run()
    assert talk.reported == list(range(REPORTS))
    assert len(talk.answered) == len(set(talk.answered)) > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_sessions_on_micropython_write_the_same_bytes():
    interpreter = unix_interpreter(ROOT / ".cache/boards", print)
    done = subprocess.run(
        [interpreter, TALK, str(ROOT)], capture_output=True, text=True, check=False, timeout=300
    )
    talk = Talk().run()
    assert done.stderr == ""
    assert done.stdout == f"micropython {REPORTS} {len(talk.answered)} {talk.checksum}\n"
