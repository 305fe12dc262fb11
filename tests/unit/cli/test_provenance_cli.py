"""`skerry image sign` and `skerry verify`: what is believed of a file, and why not."""

import json
from pathlib import Path

import pytest

from boards import provenance
from cloud.client import dsse
from skerry import main

PURL = "pkg:pypi/cbor2@5.7.0"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with the papers that a build leaves beside it."""
    file = tmp_path / "barn.img"
    file.write_bytes(b"bootable")
    wheel = tmp_path / "cbor2-5.7.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    hashes = [{"alg": "SHA-256", "content": provenance.digest(wheel)}]
    bill = tmp_path / "barn.img.cdx.json"
    bill.write_text(json.dumps({"components": [{"purl": PURL, "hashes": hashes}]}))
    materials = provenance.of_wheels([wheel])
    said = provenance.statement([file, bill], {"board": "rpi3"}, "0.1.0", materials)
    (tmp_path / "barn.img.intoto.json").write_bytes(said)
    return file


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    main(["keys", "init", "--keys", str(folder)])
    return folder


@pytest.fixture
def signed(image: Path, keys: Path) -> Path:
    assert main(["image", "sign", str(image), "--keys", str(keys)]) == 0
    return image


def verify(image: Path, keys: Path, *more: str) -> int:
    return main(["verify", str(image), "--trust-root", str(keys / "root.cose"), *more])


def test_what_was_signed_and_not_changed_is_verified(signed, keys, capsys):
    assert verify(signed, keys) == 0
    said = capsys.readouterr().out
    assert "board rpi3" in said
    assert "from 1 things, 1 of them in it" in said


def test_a_changed_image_is_told(signed, keys, capsys):
    signed.write_bytes(b"bootable!")
    assert verify(signed, keys) == 1
    assert "changed or packed" in capsys.readouterr().err


def test_a_changed_bill_of_materials_is_told(signed, keys, capsys):
    bill = signed.with_name("barn.img.cdx.json")
    bill.write_text(bill.read_text() + " ")
    assert verify(signed, keys) == 1
    assert "not the bill of materials" in capsys.readouterr().err


def test_a_part_that_the_build_did_not_use_is_told(image, keys, capsys):
    bill = image.with_name("barn.img.cdx.json")
    bill.write_text(bill.read_text().replace("cbor2", "other"))
    said = provenance.statement([image, bill], {}, "0.1.0", [])
    image.with_name("barn.img.intoto.json").write_bytes(said)
    assert main(["image", "sign", str(image), "--keys", str(keys)]) == 0
    assert verify(image, keys) == 1
    assert "pkg:pypi/other@5.7.0 is not what" in capsys.readouterr().err


def test_the_signature_of_somebody_else_counts_for_nothing(signed, tmp_path, capsys):
    other = tmp_path / "other"
    main(["keys", "init", "--keys", str(other)])
    assert verify(signed, other) == 1
    assert "0 of 1 signatures" in capsys.readouterr().err


def test_a_statement_that_was_changed_under_its_signature_counts_for_nothing(signed, keys, capsys):
    envelope = signed.with_name("barn.img.intoto.jsonl")
    said = json.loads(envelope.read_bytes())
    said["payload"] = said["payload"][:-4] + "AAA="
    envelope.write_text(json.dumps(said))
    assert verify(signed, keys) == 1
    assert "0 of 1 signatures" in capsys.readouterr().err


def test_fewer_signatures_than_the_root_asks_for_are_too_few(image, tmp_path, capsys):
    keys = tmp_path / "two"
    main(["keys", "init", "--image-keys", "2", "--image-threshold", "2", "--keys", str(keys)])
    assert main(["image", "sign", str(image), "--keys", str(keys)]) == 0
    assert verify(image, keys) == 0
    envelope = image.with_name("barn.img.intoto.jsonl")
    said = json.loads(envelope.read_bytes())
    said["signatures"] = said["signatures"][:1] * 2
    envelope.write_text(json.dumps(said))
    assert verify(image, keys) == 1
    assert "1 of 2 signatures" in capsys.readouterr().err


def test_what_nobody_signed_is_compared_only_on_request(image, keys, capsys):
    assert verify(image, keys) == 1
    assert "--unsigned" in capsys.readouterr().err
    assert verify(image, keys, "--unsigned") == 0
    assert "signed by nobody" in capsys.readouterr().out


def test_a_root_from_before_images_were_signed_gets_an_image_key(image, tmp_path, capsys):
    keys = tmp_path / "keys"
    main(["keys", "init", "--keys", str(keys)])
    assert main(["keys", "rotate", "image", "--keys", str(keys)]) == 0
    assert main(["image", "sign", str(image), "--keys", str(keys)]) == 0
    assert verify(image, keys) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a DSSE envelope"),
        (b"{}", "not a DSSE envelope"),
        (b'{"payload":"","payloadType":"x","signatures":[]}', "payloadType"),
        (b'{"payload":"!","payloadType":"%b","signatures":[]}' % dsse.IN_TOTO.encode(), "payload"),
    ],
)
def test_what_is_no_envelope_is_told(image, keys, capsys, content, message):
    image.with_name("barn.img.intoto.jsonl").write_bytes(content)
    assert verify(image, keys) == 1
    assert message in capsys.readouterr().err


def test_what_is_signed_is_what_the_specification_says():
    said = dsse.pae("http://example.com/HelloWorld", b"hello world")
    assert said == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
