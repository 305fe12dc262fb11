"""What lies on a node's disk between any two steps."""

import stat
from pathlib import Path

import pytest

from edge.identity.errors import IdentityError
from edge.identity.slots import Slots, facts_of
from edge.private import write_private

LINE = b'# {"node":"n","serial":"1","not_before_ns":1,"not_after_ns":2}\nkey and certificate'


def test_a_new_directory_has_no_identity(tmp_path: Path):
    slots = Slots(tmp_path / "identity")
    assert slots.active() is None
    assert slots.candidate() is None
    assert slots.trust() == ""
    with pytest.raises(IdentityError):
        slots.promote()


def test_promotion_uses_the_new_and_drops_the_old(tmp_path: Path):
    slots = Slots(tmp_path)
    for generation in range(4):
        text = LINE + str(generation).encode()
        write_private(slots.next_slot(), text)
        old = slots.active()
        slots.promote()
        active = slots.active()
        assert active is not None
        assert active.read_bytes() == text
        assert active != old
        assert slots.candidate() is None


def test_a_candidate_leaves_what_is_in_use_alone(tmp_path: Path):
    slots = Slots(tmp_path)
    write_private(slots.next_slot(), LINE)
    slots.promote()
    write_private(slots.next_slot(), LINE + b"2")
    assert Slots(tmp_path).active() == tmp_path / "a.pem"
    assert Slots(tmp_path).candidate() == tmp_path / "b.pem"
    slots.drop_candidate()
    assert slots.candidate() is None
    assert slots.active() == tmp_path / "a.pem"


def test_a_cut_between_naming_and_dropping_is_repaired_by_the_next_candidate(tmp_path: Path):
    slots = Slots(tmp_path)
    write_private(tmp_path / "a.pem", LINE)
    write_private(tmp_path / "b.pem", LINE + b"new")
    write_private(tmp_path / "active", b"b")
    assert slots.active() == tmp_path / "b.pem"
    assert slots.candidate() == tmp_path / "a.pem", "tried again, and good or dropped"


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "f"
    path.write_text("open")
    path.chmod(0o644)
    write_private(path, b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"secret"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("text", [b"# \xff", b"", b"# {}\n", b"# {\n", b"\xff\xfe"])
def test_a_damaged_slot_says_what_to_do(tmp_path: Path, text: bytes):
    (tmp_path / "a.pem").write_bytes(text)
    with pytest.raises(IdentityError, match="remove it and join again"):
        facts_of(tmp_path / "a.pem")
