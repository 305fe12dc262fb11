"""`skerry flash` to files: what is asked for is there, or the exit code says that it is not."""

# ruff: noqa: S105, S106 - no token here opens anything

import hashlib
import lzma
import random
import subprocess
import sys

import pytest

from boards import preseed
from boards.flash.fat import Fat, boot_partition
from tests.support.card_image import KEY, MIB, PIN, card_image
from tests.support.system import ROOT, skerry

OPTIONS = (
    *("--name", "barn", "--label", "site=barn", "--cloud", "https://cloud.example:8480"),
    *(
        "--ca-pin",
        PIN,
        "--token",
        "join-me",
        "--wifi-ssid",
        "Stall",
        "--wifi-psk",
        "hunter2hunter2",
    ),
    *("--wifi-country", "DE", "--ssh-key", KEY),
)


@pytest.fixture
def image(tmp_path):
    return card_image(tmp_path / "card.img")


def settings_on(card) -> preseed.Preseed:
    data = card.read_bytes()
    fat = Fat(lambda at, size: data[at : at + size], boot_partition(data[:512]))
    return preseed.parse(fat.read(fat.find(preseed.FILE_NAME), preseed.FILE_LIMIT))


def refused(*args: object) -> str:
    done = skerry("flash", *map(str, args), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    return done.stderr


def test_a_file_then_is_the_image(image, tmp_path):
    done = skerry("flash", str(image), str(tmp_path / "card"))
    assert (tmp_path / "card").read_bytes() == image.read_bytes()
    assert "1.1 MB written and verified" in done.stdout
    assert done.stderr == ""


def test_every_setting_is_on_the_card_beside_those_of_the_image(image, tmp_path):
    card = tmp_path / "card"
    done = skerry("flash", str(image), str(card), *OPTIONS)
    found = settings_on(card)
    assert found.node == preseed.Node(name="barn", labels={"kind": "test", "site": "barn"})
    assert found.cloud == preseed.Cloud(
        url="https://cloud.example:8480", ca_pin=PIN, token="join-me"
    )
    assert found.wifi == preseed.Wifi(ssid="Stall", psk="hunter2hunter2", country="DE")
    assert found.ssh.keys == [KEY]
    assert card.read_bytes()[5 * MIB :] == image.read_bytes()[5 * MIB :]
    assert "join-me" not in done.stdout
    assert "hunter2" not in done.stdout


def test_secrets_and_keys_can_come_from_files(image, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    (tmp_path / "id.pub").write_text(KEY + "\n")
    card = tmp_path / "card"
    skerry(
        *("flash", str(image), str(card), "--cloud", "https://c", "--token"),
        *(f"@{tmp_path / 'token'}", "--ssh-key", str(tmp_path / "id.pub")),
    )
    assert settings_on(card).cloud.token == "from-a-file"
    assert settings_on(card).ssh.keys == [KEY]


def test_a_packed_image_needs_no_room_for_itself(image, tmp_path):
    packed = tmp_path / "card.img.xz"
    packed.write_bytes(lzma.compress(image.read_bytes()))
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    skerry("flash", str(packed), str(tmp_path / "card"), "--sha256", digest, "--name", "barn")
    assert settings_on(tmp_path / "card").node.name == "barn"


def test_a_larger_file_stands_for_a_larger_card(image, tmp_path):
    card = tmp_path / "card"
    card.write_bytes(b"\xee" * 16 * MIB)
    assert "exists; to overwrite it: --yes" in refused(image, card)
    assert card.read_bytes() == b"\xee" * 16 * MIB
    skerry("flash", str(image), str(card), "--yes")
    assert card.read_bytes() == image.read_bytes() + bytes(8 * MIB)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "Barn!"), "node.name: 'Barn!' is not a DNS label"),
        (("--label", "x"), "--label: 'x' is not NAME=VALUE"),
        (("--token", "x"), "cloud.url: missing"),
        (("--token", "@/nowhere"), "--token: /nowhere: No such file"),
        (("--ssh-key", "/nowhere.pub"), "--ssh-key: /nowhere.pub: No such file"),
        (("--ssh-key", "ssh-rsa AAAA"), "ssh.keys[0]: "),
        (("--sha256", "00" * 32), "not sha256:0000"),
        (("--sha256", "xy"), "--sha256: needs 64 hex digits"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_touched(image, tmp_path, options, message):
    assert message in refused(image, tmp_path / "card", *options)
    assert not (tmp_path / "card").exists()


def test_a_private_key_is_never_put_on_a_card(image, tmp_path):
    key = tmp_path / "id"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    assert f"is a private key; give {key}.pub" in refused(image, tmp_path / "c", "--ssh-key", key)


def packed_as_xz(image):
    packed = image.with_suffix(".img.xz")
    packed.write_bytes(lzma.compress(image.read_bytes()))
    return packed


@pytest.mark.parametrize("form", [lambda image: image, packed_as_xz], ids=["plain", "packed"])
def test_what_is_no_image_of_ours_is_refused_before_the_card_is_touched(tmp_path, form):
    foreign = card_image(tmp_path / "other.img", settings=None)
    tableless = tmp_path / "noise.img"
    tableless.write_bytes(random.Random(3).randbytes(2 * MIB))
    card = tmp_path / "card"
    card.write_bytes(b"\xee" * 8 * MIB)
    for image, message in (
        (foreign, "not written: the boot partition has no skerry.toml: this is no Skerry image"),
        (tableless, "not written: no partition table (MBR): this is no image of a card"),
    ):
        assert message in refused(form(image), card, "--yes")
        assert card.read_bytes() == b"\xee" * 8 * MIB


def test_settings_that_a_packed_image_cannot_take_are_told_before_the_card_is_touched(tmp_path):
    image = card_image(tmp_path / "card.img", settings=b"format = 9\n")
    assert "skerry.toml of the image: format" in refused(
        packed_as_xz(image), tmp_path / "card", "--name", "barn"
    )
    assert not (tmp_path / "card").exists()


def test_the_board_of_an_image_is_named(tmp_path, image):
    assert (
        "card: rpi3, 1.1 MB written" in skerry("flash", str(image), str(tmp_path / "card")).stdout
    )


def test_an_image_comes_through_standard_input(image, tmp_path):
    card = tmp_path / "card"
    piped = [sys.executable, str(ROOT / "skerry.py"), "flash", "-", str(card), "--name", "barn"]
    with packed_as_xz(image).open("rb") as stream:
        subprocess.run(piped, stdin=stream, check=True, capture_output=True)
    assert settings_on(card).node.name == "barn"


def test_a_card_of_a_damaged_image_has_no_partition_table(image, tmp_path):
    packed = tmp_path / "card.img.xz"
    data = bytearray(lzma.compress(image.read_bytes()))
    data[-40] ^= 1
    packed.write_bytes(data)
    card = tmp_path / "card"
    card.write_bytes(image.read_bytes())
    assert "damaged or cut short" in refused(packed, card, "--yes")
    assert not any(card.read_bytes()[:MIB])


@pytest.mark.parametrize("target", ["/dev/null", "/tmp"])
def test_what_is_no_disk_is_refused(image, target):
    assert "neither a block device nor a file" in refused(image, target, "--yes")
