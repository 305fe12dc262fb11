"""Wi-Fi from skerry.toml, on two radios that the kernel simulates: one is the board's, one the barn's."""

from pathlib import Path

import pytest

from boards.image.build import PROJECT
from tests.support import image_board
from tests.support.image_board import BOOT_S

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]

# What brcmfmac's own firmware does is done here by the kernel, with these ciphers.
RADIOS = '[wifi]\nmodules = ["ctr", "ccm", "cmac", "mac80211_hwsim"]\n\n[gpio]\n'
ACCESS_POINT = b"""country=DE
network={
ssid="Stall"
mode=2
frequency=2412
key_mgmt=WPA-PSK
proto=RSN
pairwise=CCMP
psk="correct horse"
}
"""
DHCP = b"start 10.9.0.20\nend 10.9.0.40\ninterface wlan1\nlease_file /tmp/leases\n"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    text = (PROJECT / "boards/virt.toml").read_text().replace("[gpio]\n", RADIOS, 1)
    (tmp_path / "radio.toml").write_text(text)
    card = image_board.build_virt(tmp_path / "card.img", str(tmp_path / "radio.toml"))
    return image_board.preseed(
        card,
        '[node]\nname = "barn"\n[wifi]\nssid = "Stall"\npsk = "correct horse"\ncountry = "DE"\n',
    )


def test_a_board_joins_the_network_that_skerry_toml_names(card, board_cache):
    with image_board.board_of(card, board_cache) as board:
        board.power_on(within=BOOT_S)
        # Both radios look for the network; the second becomes it.
        board.check(
            "until [ -e /run/wpa.wlan1.pid ] && [ -e /run/udhcpc.wlan1.pid ]; do sleep 1; done",
            within=BOOT_S,
        )
        board.check("kill $(cat /run/wpa.wlan1.pid) $(cat /run/udhcpc.wlan1.pid)")
        board.check("while [ -e /run/wpa.wlan1.pid ]; do sleep 1; done", within=BOOT_S)
        board.put("/tmp/ap.conf", ACCESS_POINT)
        board.put("/tmp/dhcp.conf", DHCP)
        board.check("wpa_supplicant -B -i wlan1 -c /tmp/ap.conf")
        board.check("ip addr add 10.9.0.1/24 dev wlan1; touch /tmp/leases; udhcpd /tmp/dhcp.conf")
        joined = "until ip addr show wlan0 | grep -q 'inet 10.9.0'; do sleep 1; done"
        board.check(joined, within=BOOT_S)
        assert "country DE" in board.check("iw reg get")
