"""First-boot settings: written, read, refused, and never shown when secret."""

# ruff: noqa: S106 - no token here opens anything

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.errors import PreseedError
from boards.preseed import (
    FILE_LIMIT,
    Cloud,
    Mcu,
    Node,
    Preseed,
    Ssh,
    Trust,
    Wifi,
    check,
    merge,
    parse,
    render,
    render_attached,
)
from tests.support.card_image import KEY, PIN

FULL = Preseed(
    node=Node(name="barn", labels={"site": "barn", "farm.example/row": "7"}),
    cloud=Cloud(url="https://cloud.example:8480", ca_pin=PIN, token="join-me.not-twice"),
    trust=Trust(root="cm9vdA==", unsigned="allow"),
    wifi=Wifi(ssid="Stall \U0001f404", psk='quote" and \\slash', country="DE"),
    ssh=Ssh(keys=[KEY]),
    mcu={
        "pico": Mcu(
            usb="2e8a:000a",
            serial_number="E66",
            config={
                "safe_after": 2000,
                "buses": {"attic": {"scl": "GPIO5", "sda": "GPIO4"}},
                "properties": {"a b": {"kind": "tmp105", "bus": "attic", "change": 0.5}},
            },
        ),
        "shed": Mcu(device="/dev/ttyS1", baudrate=9600),
    },
)


def test_what_is_written_is_read_again():
    assert parse(render(FULL)) == FULL
    assert parse(render(Preseed())) == Preseed()


@given(st.text(min_size=1, max_size=8), st.from_regex(r"[ -~]{8,63}", fullmatch=True))
def test_any_network_name_and_passphrase_survive_the_file(ssid: str, psk: str):
    settings = Preseed(wifi=Wifi(ssid=ssid, psk=psk))
    assert parse(render(settings)) == settings


def test_a_file_saved_on_windows_is_read():
    assert parse(b"\xef\xbb\xbf" + render(FULL).replace(b"\n", b"\r\n")) == FULL


def test_options_win_over_the_file_and_labels_add_up():
    over = Preseed(node=Node(name="shed", labels={"row": "1"}), cloud=Cloud(token="other"))
    merged = merge(FULL, over)
    assert merged.node == Node(name="shed", labels={**FULL.node.labels, "row": "1"})
    assert merged.cloud == Cloud(url=FULL.cloud.url, ca_pin=PIN, token="other")
    assert merged.trust == FULL.trust
    assert merged.wifi == FULL.wifi
    assert merge(FULL, Preseed(ssh=Ssh(keys=[KEY]))).ssh == FULL.ssh


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Preseed(node=Node(name="Barn!")), "node.name: 'Barn!' is not a DNS label"),
        (Preseed(node=Node(labels={"a b": "c"})), "node.labels.a b: 'a b' is not a label's name"),
        (Preseed(node=Node(labels={"a": "b c"})), "node.labels.a: 'b c' is not a label's value"),
        (Preseed(cloud=Cloud(url="cloud")), "cloud.url: 'cloud' is not an address"),
        (Preseed(cloud=Cloud(url="ftp://c")), "cloud.url: 'ftp://c' is not an address"),
        (Preseed(cloud=Cloud(ca_pin="sha256:0")), "cloud.ca-pin: 'sha256:0' is not sha256:"),
        (Preseed(trust=Trust(root="no")), "trust.root: 'no' is not the base64 of root.cose"),
        (Preseed(cloud=Cloud(token="x")), "cloud.url: missing"),
        (Preseed(wifi=Wifi(ssid="x" * 33)), "wifi.ssid: needs 1 to 32 bytes"),
        (Preseed(wifi=Wifi(psk="longenough")), "wifi.ssid: missing"),
        (Preseed(wifi=Wifi(country="Germany")), "wifi.country: 'Germany' is not two capitals"),
        (Preseed(ssh=Ssh(keys=["hello"])), "ssh.keys[0]: not one line of a .pub file"),
        (Preseed(ssh=Ssh(keys=[KEY, KEY[:40]])), "ssh.keys[1]: "),
        (Preseed(ssh=Ssh(keys=["ssh-rsa" + KEY[11:]])), "ssh.keys[0]: cut short, or not a key"),
        (Preseed(ssh=Ssh(keys=["-----BEGIN OPENSSH PRIVATE KEY-----"])), "this is a private key"),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings: Preseed, message: str):
    with pytest.raises(PreseedError) as caught:
        check(settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"format = 2", "format: Expected `int` <= 1"),
        (b"[node]\nnam = 'x'", "node: Object contains unknown field `nam`"),
        (b"[node]\nname = 7", "node.name: Expected `str"),
        (b"[ssh]\nkeys = 'x'", "ssh.keys: Expected `array`"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (FILE_LIMIT + 1), "at most 65536"),
    ],
)
def test_a_file_that_is_wrong_is_answered_with_its_key(data: bytes, message: str):
    with pytest.raises(PreseedError) as caught:
        parse(data)
    assert message in str(caught.value)


def test_secrets_are_shown_nowhere():
    secrets = ("hunter2 hunter2", "not a token")
    shown = [repr(Preseed(cloud=Cloud(token=secrets[1]), wifi=Wifi(psk=secrets[0])))]
    for settings in (
        Preseed(wifi=Wifi(ssid="x", psk="hunter2 hunter2\n")),
        Preseed(cloud=Cloud(url="https://c", token=secrets[1])),
    ):
        with pytest.raises(PreseedError) as caught:
            check(settings)
        shown.append(str(caught.value))
    with pytest.raises(PreseedError) as caught:
        parse(b"[wifi]\npsk = 'hunter2 hunter2' x")
    shown += [str(caught.value), repr(caught.value.__context__ and caught.value.__cause__)]
    assert "line 2" in shown[3]
    assert not [text for text in shown if any(secret in text for secret in secrets)]


def test_the_tables_of_microcontrollers_are_also_the_board_files():
    text = render_attached(FULL)
    assert text in render(FULL)
    assert parse(text).mcu == FULL.mcu
    assert merge(FULL, Preseed(mcu={"shed": Mcu(usb="1:2")})).mcu["shed"].device is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mcu.pico]", "mcu.pico: how is it found"),
        ("[mcu.Pico]\nusb = '2e8a:000a'", "'Pico' is not a microcontroller's name"),
        ("[mcu.pico]\nport = '/dev/ttyACM0'", "mcu"),
        ("[mcu.pico]\nusb = '2e8a:000a'\nconfig = { when = 2026-11-29 }", "has no place"),
    ],
)
def test_a_microcontroller_that_cannot_be_is_refused_by_its_key(text: str, words: str):
    with pytest.raises(PreseedError, match=words):
        parse(text.encode())
