"""A bounded run of every harness: what was found before, then bytes near good ones."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.harnesses import HARNESSES, try_one

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = 150
"""For each harness: some seconds in all; `python -m tests.fuzz NAME` goes on for hours."""

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat", "swap"]),
        st.integers(0, 1 << 16),
        st.binary(max_size=12)
        | st.sampled_from([b"\0", b"\xff" * 9, b'"', b"[", b"=", b"9" * 30]),
    ),
    max_size=6,
)


def mutate(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for what, place, extra in changes:
        at = place % (len(data) + 1)
        if what == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << (place >> 8) % 8)]) + data[at + 1 :]
        elif what == "cut":
            data = data[:at] + data[at + len(extra) :]
        elif what == "insert":
            data = data[:at] + extra + data[at:]
        elif what == "repeat":
            data = data[:at] + data[at : at + 8] * 3 + data[at:]
        else:
            data = data[at:] + data[:at]
    return data


@pytest.mark.parametrize("name", HARNESSES)
def test_a_parser_returns_or_refuses(name: str):
    @given(st.sampled_from(HARNESSES[name].seeds), edits, st.binary(max_size=64), st.booleans())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def run(seed: bytes, changes: list[tuple[str, int, bytes]], noise: bytes, near: bool) -> None:
        try_one(name, mutate(seed, changes) if near else noise)

    run()


@pytest.mark.parametrize("name", HARNESSES)
def test_what_was_found_before_stays_found(name: str):
    for path in sorted((CORPUS / name).glob("*")):
        try_one(name, path.read_bytes())


@pytest.mark.parametrize("name", HARNESSES)
def test_good_bytes_are_taken(name: str):
    """A harness whose seeds are all refused tests nothing but the refusal."""
    taken = 0
    for seed in HARNESSES[name].seeds:
        try:
            HARNESSES[name].run(seed)
        except HARNESSES[name].refusals:
            continue
        taken += 1
    assert taken or name in {"block-map", "sealed", "times"}
