"""An image's first boots in QEMU: its settings, its watchdog, its slots, and a card left in peace."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.board import Role
from edge import slots
from edge.slots import Slot, Slots
from qemu.board.board import Board
from tests.support import image_board
from tests.support.image_board import BOOT_S, UP
from tests.support.system import ROOT, Cloud, skerry, skerry_json, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_board.build_virt(tmp_path_factory.mktemp("image") / "virt.img")


@pytest.fixture
def card(image: Path, tmp_path: Path) -> Path:
    return image_board.copy_of(image, tmp_path / "card.img")


@pytest.fixture
def boards(board_cache: Path, request: pytest.FixtureRequest) -> Iterator["list[Board]"]:
    made: list[Board] = []
    yield made
    for board in made:
        request.node.add_report_section("teardown", "serial log", board.log[-20_000:])
        board.close()


def put_in(card: Path, boards: "list[Board]", cache: Path, *append: str) -> Board:
    board = image_board.board_of(card, cache, *append)
    boards.append(board)
    return board


def test_every_setting_is_honoured_or_refused_aloud(card, boards, board_cache, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    image_board.preseed(
        card,
        f"""
        [node]
        name = "barn"
        labels = {{ site = "north" }}
        [cloud]
        url = "https://10.0.2.2:9"
        ca-pin = "sha256:{"a" * 64}"
        [wifi]
        ssid = "Stall"
        psk = "correct horse"
        [ssh]
        keys = ["{public}"]
        """,
    )
    board = put_in(card, boards, board_cache)
    board.power_on(ready="wifi.ssid: this board has no Wi-Fi", within=BOOT_S)
    board.expect("agent of barn starts", within=BOOT_S)
    assert board.check("hostname", within=BOOT_S) == "barn"
    status = board.check("until skerry agent status; do sleep 1; done 2>/dev/null", within=BOOT_S)
    assert "barn (board virt" in status
    assert "10.0.2.2" in status
    board.check(
        "until [ -s /data/ssh/host_ed25519 ] && pidof dropbear && ip r | grep -q default; "
        "do sleep 1; done",
        within=BOOT_S,
    )
    port = board.forward(22)
    command = [
        *("ssh", "-i", str(key), "-p", str(port), "-F", "/dev/null", "root@127.0.0.1"),
        *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"),
        *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"),
        "hostname",
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=BOOT_S, check=False)
    assert (said.stdout, said.returncode) == ("barn\n", 0), said.stderr
    key.unlink()
    refused = subprocess.run(command, capture_output=True, text=True, timeout=BOOT_S, check=False)
    assert "Permission denied (publickey)" in refused.stderr


def test_wrong_settings_are_told_by_key_and_the_last_good_ones_stay(card, boards, board_cache):
    image_board.preseed(card, '[node]\nname = "barn"\n[cloud]\nurl = "https://10.0.2.2:9"\n')
    board = put_in(card, boards, board_cache)
    board.power_on(ready="agent of barn starts", within=BOOT_S)
    board.check("mount -o remount,rw /boot", within=BOOT_S)
    board.put("/boot/skerry.toml", b'[node]\nname = "The Barn"\n[wifi]\npsk = "very secret"\n')
    board.check("mount -o remount,ro /boot; sync")
    board.power_cut()
    board.power_on(ready="is WRONG: node.name: 'The Barn' is not a DNS label", within=BOOT_S)
    board.expect("the last good settings are used", within=BOOT_S)
    board.expect("agent of barn starts", within=BOOT_S)
    assert "https://10.0.2.2:9" in board.check("cat /data/skerry.toml", within=BOOT_S)


def test_an_adapter_plugged_in_late_gets_an_address(card, boards, board_cache):
    board = put_in(card, boards, board_cache)
    board.power_on(within=BOOT_S)
    board.check("until ip r | grep -q default; do sleep 1; done", within=BOOT_S)
    net = "/sys/bus/virtio/drivers/virtio_net"
    device = board.check(f"basename {net}/virtio*")
    board.check(f"echo {device} >{net}/unbind; while [ -e /run/net.eth0 ]; do sleep 1; done")
    board.check(f"echo {device} >{net}/bind")
    board.check("until ip addr | grep -q 'inet 10.0.2.15/24'; do sleep 1; done", within=BOOT_S)


def test_an_agent_that_hangs_restarts_the_board(card, boards, board_cache):
    board = put_in(card, boards, board_cache)
    board.power_on(within=BOOT_S)
    board.check("until skerry agent status; do sleep 1; done 2>/dev/null", within=BOOT_S)
    board.check("kill -STOP $(pidof python3.11)")
    assert board.wait_event("WATCHDOG", within=BOOT_S).data["action"] == "reset"
    board.expect(UP, within=BOOT_S)


def test_a_slot_that_is_damaged_is_passed_over(card, boards, board_cache):
    image_board.duplicate_slot(card)
    image_board.write_at(card, image_board.PLACES[Role.SLOT_A].start, bytes(4096))
    board = put_in(card, boards, board_cache)
    board.power_on(ready="slot A holds no system that starts", within=BOOT_S)
    board.expect(UP, within=BOOT_S)
    assert board.check("cat /run/skerry/slot", within=BOOT_S) == "B"


def test_a_trial_that_never_confirms_gives_the_board_back(card, boards, board_cache, tmp_path):
    image_board.broken_slot(card, tmp_path)
    image_board.set_slots(card, slots.begin_trial(Slots(), Slot.B, tries=2))
    board = put_in(card, boards, board_cache)
    board.power_on(ready="slot B is on trial, 1 more tries", within=BOOT_S)
    for line in (
        "a broken system starts",
        "slot B is on trial, 0 more tries",
        "a broken system starts",
        "slot B was never confirmed: back to slot A",
        UP,
    ):
        board.expect(line, within=BOOT_S)
    assert board.check("cat /run/skerry/slot", within=BOOT_S) == "A"
    board.power_cycle()
    assert board.log.count("on trial") == 2


def test_a_trial_that_meets_its_cloud_is_confirmed_and_the_cloud_knows_the_boot(
    card, boards, board_cache, tmp_path
):
    skerry("app", "build", str(ROOT / "tests/system/guests/beeper-1"))
    image_board.duplicate_slot(card)
    image_board.set_slots(card, slots.begin_trial(Slots(), Slot.B))
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    root = base64.b64encode((keys / "root.cose").read_bytes()).decode()
    with Cloud(tmp_path / "cloud", secure=True, names=("10.0.2.2",)) as cloud:
        made = skerry(
            "token", "create", "--pattern", "barn", "--label", "site=barn", cloud=cloud.url
        )
        image_board.preseed(
            card,
            f"""
            [node]
            name = "barn"
            labels = {{ site = "barn" }}
            [cloud]
            url = "https://10.0.2.2:{cloud.port}"
            token = "{made.stdout.strip()}"
            [trust]
            root = "{root}"
            """,
        )
        board = put_in(card, boards, board_cache)
        board.power_on(ready="slot B is on trial", within=BOOT_S)
        beeper = str(ROOT / "tests/system/guests/beeper-1")
        skerry("app", "deploy", beeper, "-l", "site=barn", cloud=cloud.url, keys=keys)
        board.expect_line(
            r"skerry: first app: beeper runs [\d.]+ s after the kernel", within=BOOT_S
        )

        def told():
            node = skerry_json("get", "node", "barn", cloud=cloud.url)
            return node["status"].get("boot", {}).get("firstAppSeconds") and node["status"]["boot"]

        boot = until(told, "the cloud knows when the first app ran", BOOT_S)
        assert boot["slot"] == "B"
        assert 0 < boot["agentSeconds"] < boot["firstAppSeconds"]
        shown = skerry("describe", "node", "barn", cloud=cloud.url).stdout
        assert "firstAppSeconds" in shown
        board.check("while [ -e /run/skerry/trial ]; do sleep 1; done", within=BOOT_S)
        board.power_cut()
    board.power_on(within=BOOT_S)
    assert board.check("cat /run/skerry/slot; ls /run/skerry", within=BOOT_S).startswith("B")
    assert "trial" not in board.check("ls /run/skerry")


def test_an_idle_board_leaves_its_card_alone(card, boards, board_cache):
    board = put_in(card, boards, board_cache)
    board.power_on(within=BOOT_S)
    board.check("until skerry agent status; do sleep 1; done 2>/dev/null", within=BOOT_S)
    # What was written while it started is flushed; ext4's commit timer is 5 s.
    board.check("sync; sleep 12; sync", within=BOOT_S)
    written = "set -- $(cat /sys/block/vda/stat); echo $7"
    before = int(board.check(written))
    after = int(board.check(f"sleep 60; sync; {written}", within=BOOT_S + 60))
    assert after == before, "sectors of 512 bytes written in a minute in which nothing happened"
