"""Whatever happens to the bytes of a signature on the way, it never vouches for anything else."""

from hypothesis import given
from hypothesis import strategies as st

from edge.trust import cose
from edge.trust.errors import MalformedError, Refused
from edge.trust.judge import judge
from edge.trust.keys import SigningKey
from edge.trust.signing import sign, verify
from tests.support.trust import NOW, asked, root, signature, statement

SIGNED = signature(statement())
ROOT = root()


@given(payload=st.binary(max_size=2000), seed=st.binary(min_size=32, max_size=32), aad=st.binary())
def test_every_payload_comes_back_and_verifies(payload: bytes, seed: bytes, aad: bytes):
    key = SigningKey.from_seed(seed)
    envelope = cose.parse(sign(payload, key, "text/plain", aad))
    assert envelope.payload == payload
    assert envelope.kid.hex() == key.id
    assert verify(envelope, key.public, aad)
    assert not verify(envelope, key.public, aad + b"\0")


def judged(data: bytes) -> bool:
    """Whether it may run; anything but a verdict fails the test."""
    try:
        return judge(ROOT, data, asked(), NOW) == statement()
    except Refused:
        return False


@given(st.data())
def test_no_changed_byte_is_overlooked(data: st.DataObject):
    at = data.draw(st.integers(0, len(SIGNED) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != SIGNED[at]))
    assert not judged(SIGNED[:at] + bytes([value]) + SIGNED[at + 1 :])


@given(st.data())
def test_no_cut_no_insertion_and_no_repetition_is_overlooked(data: st.DataObject):
    start = data.draw(st.integers(0, len(SIGNED)))
    end = data.draw(st.integers(start, len(SIGNED)))
    more = data.draw(st.binary(max_size=8))
    changed = SIGNED[:start] + more + SIGNED[end:]
    assert judged(changed) == (changed == SIGNED)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_get_a_verdict_and_never_a_crash(data: bytes):
    assert not judged(data)
    try:
        cose.parse(b"\xd2" + data)
    except MalformedError:
        return
