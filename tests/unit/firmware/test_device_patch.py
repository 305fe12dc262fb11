"""Patches are applied as detools applies them, on CPython and on MicroPython, and nothing else is."""

import io
import subprocess

import detools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.micropython import unix_interpreter
from firmware.device.patch import BLOCK, Patch, PatchError
from tests.support.patch_oracle import made
from tests.support.patch_vectors import applied, base, check
from tests.support.system import ROOT

CHECK = ROOT / "tests/support/patch_vectors.py"


def test_cpython_agrees_with_detools():
    assert check(str(ROOT)) > 30


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first run builds MicroPython, on a machine that is busy
def test_micropython_agrees_with_it_too():
    interpreter = unix_interpreter(ROOT / ".cache/boards", print)
    done = subprocess.run(
        [interpreter, CHECK, str(ROOT)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr == ""
    assert done.stdout == f"{check(str(ROOT))} vectors agree on micropython\n"


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """An image, and what became of it."""
    old = draw(st.binary(max_size=50)) + base(draw(st.integers(0, 99)), draw(st.integers(1, 4000)))
    new = bytearray(old)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(new)))
        to = min(len(new), at + draw(st.integers(0, 900)))
        moved = st.sampled_from([bytes(new[at:to]) * 2, old[: to - at], bytes(to - at)])
        new[at:to] = draw(st.one_of(st.binary(max_size=40), moved))
    return old, bytes(new) or b"\0"


@given(edited())
def test_whatever_detools_makes_is_applied(images: tuple[bytes, bytes]):
    old, new = images
    assert applied(made(old, new), old) == new


@given(edited(), st.data())
def test_a_damaged_patch_reads_nothing_outside_its_base_and_makes_no_more_than_it_says(
    images: tuple[bytes, bytes], data: st.DataObject
):
    patch = bytearray(made(*images))
    for _ in range(data.draw(st.integers(1, 4))):
        patch[data.draw(st.integers(0, len(patch) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = applied(bytes(patch), images[0])
    except PatchError:
        return
    theirs = io.BytesIO()
    detools.apply_patch(io.BytesIO(images[0]), io.BytesIO(bytes(patch)), theirs)
    assert found == theirs.getvalue(), "what we take, they take"


@given(edited(), st.data())
def test_a_patch_that_is_cut_off_is_refused(images: tuple[bytes, bytes], data: st.DataObject):
    patch = made(*images)
    cut = patch[: data.draw(st.integers(0, len(patch) - 1))]
    with pytest.raises(PatchError):
        applied(cut, images[0])


def test_it_is_made_in_blocks_that_are_overwritten_and_no_block_is_more_than_a_step():
    old = base(1, 10_000)
    new = base(2, 10_000)
    work = Patch(io.BytesIO(made(old, new)).read, lambda at, count: old[at : at + count], 10_000)
    sizes = [len(block) for block in work.blocks()]
    assert max(sizes) == BLOCK
    assert sum(sizes) == len(new)
