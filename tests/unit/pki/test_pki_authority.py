"""The CA on the disk: made once, rotated in three steps, never open to others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.pki import certificates
from cloud.pki.authority import SERVER_LIFE, SERVER_RENEW, Authority
from cloud.pki.certificates import issued_by, pin, to_pem
from cloud.pki.errors import PkiError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ["127.0.0.1", "::1", "cloud.example"]


def test_a_ca_is_made_once(tmp_path: Path):
    first = Authority(tmp_path, NOW)
    again = Authority(tmp_path, NOW + timedelta(days=1))
    assert pin(first.signer.certificate) == pin(again.signer.certificate)


def test_a_rotation_has_three_steps_in_this_order(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    for early in (authority.activate, authority.retire):
        with pytest.raises(PkiError):
            early()
    old = authority.signer.certificate
    new = authority.rotate(NOW)
    with pytest.raises(PkiError, match="under way"):
        authority.rotate(NOW)
    assert authority.signer.certificate == old
    assert authority.trusted == [old, new]
    authority.activate()
    assert authority.trusted == [new, old]
    reopened = Authority(tmp_path, NOW)
    assert reopened.trusted == [new, old]
    assert reopened.retire() == [old]
    assert Authority(tmp_path, NOW).trusted == [new]
    assert not (tmp_path / "ca-1.pem").exists()


def test_the_next_ca_is_vouched_for_by_the_one_before(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    old = authority.signer.certificate
    authority.rotate(NOW)
    authority.activate()
    shown = authority.server_file(NAMES, NOW).read_text()
    assert shown.count("BEGIN CERTIFICATE") == 2
    cross = certificates.read_certificate(shown[shown.rindex("-----BEGIN CERTIFICATE") :])
    assert issued_by(cross, [old])


def test_the_services_certificate_is_made_anew_when_it_is_time_and_not_before(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    first = authority.server_file(NAMES, NOW).read_text()
    soon = NOW + SERVER_LIFE - SERVER_RENEW
    assert authority.server_file(NAMES, soon - timedelta(hours=1)).read_text() == first
    assert authority.server_file(NAMES, soon + timedelta(hours=1)).read_text() != first


def test_other_names_ask_for_another_certificate(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    first = authority.server_file(NAMES, NOW).read_text()
    assert authority.server_file([*NAMES, "other.example"], NOW).read_text() != first


def test_a_missing_or_damaged_ca_is_never_replaced_by_a_new_one(tmp_path: Path):
    Authority(tmp_path, NOW)
    (tmp_path / "ca-1.pem").write_text("nonsense")
    with pytest.raises(PkiError, match="restore it from a backup"):
        Authority(tmp_path, NOW)
    (tmp_path / "ca-1.pem").unlink()
    with pytest.raises(PkiError, match="restore it from a backup"):
        Authority(tmp_path, NOW)
    (tmp_path / "authority.json").write_text("{")
    with pytest.raises(PkiError, match="restore it from a backup"):
        Authority(tmp_path, NOW)


def test_a_certificate_of_another_ca_is_not_ours(tmp_path: Path):
    one, two = Authority(tmp_path / "a", NOW), Authority(tmp_path / "b", NOW)
    key = certificates.new_key().public_key()
    made = certificates.make_node(key, "n", one.signer, NOW, timedelta(days=1))
    assert issued_by(made, one.trusted)
    assert not issued_by(made, two.trusted)
    assert "BEGIN CERTIFICATE" in to_pem(made)
