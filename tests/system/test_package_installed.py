"""The Debian package on a Debian of arm64 with systemd, in the order of its life on a machine.

Each test goes on where the one before it stopped: installed, configured, upgraded, cut off from
its power, removed, purged.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boards.package.build import build
from qemu.board import VIRT, Board, Fittings, Programs
from tests.support.debian import debian_media
from tests.support.images import CACHE
from tests.support.pi import FROM_GUEST, SLOW
from tests.support.system import ROOT, Cloud, Node, readings, skerry, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
BEEPER = str(ROOT / "tests/system/guests/beeper-1")
PACKAGE = "/root/skerry-agent.deb"
SETTINGS = "/etc/skerry/skerry.toml"
UNIT = "skerry-agent.service"


class Debian(Node):
    """The node that the package makes of a machine, asked by its administrator."""

    deadline = SLOW

    def __init__(self, board: Board) -> None:
        self.board = board

    def ask(self, verb: str, **fields: Any) -> list[dict[str, Any]]:
        words = " ".join(["skerry agent", verb, *map(str, fields.values()), "-o json"])
        answer = json.loads(self.check(words))
        return answer if isinstance(answer, list) else [answer]

    def check(self, command: str) -> str:
        return self.board.check(command, within=SLOW)

    def unit(self, name: str) -> str:
        """A property of the unit, as systemd sees it."""
        return self.check(f"systemctl show --value -p {name} {UNIT}")

    def until_answering(self) -> None:
        self.check("until skerry agent status >/dev/null 2>&1; do sleep 0.2; done")

    def process(self, field: str) -> str:
        """A field of the agent's /proc/PID/status."""
        return self.check(
            f"sed -n 's/^{field}:[[:space:]]*//p' /proc/{self.unit('MainPID')}/status"
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's signing keys."""
    keys = tmp_path_factory.mktemp("desk") / "keys"
    skerry("keys", "init", keys=keys)
    skerry("app", "build", BEEPER)
    return keys


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud"), secure=True, names=(FROM_GUEST,)) as service:
        yield service


@pytest.fixture(scope="module")
def debian(
    desk: Path,
    board_programs: Programs,
    board_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Debian]:
    """A running Debian with the package and the root of trust on its disk, not yet installed."""
    folder = tmp_path_factory.mktemp("debian")
    build(folder / "agent.deb", CACHE, print, compiled=False)
    more = {PACKAGE[1:]: folder / "agent.deb", "root/root.cose": desk / "root.cose"}
    media = debian_media(folder, CACHE, board_cache, more)
    with Board(VIRT, media, board_programs, Fittings(memory_mb=512)) as board:
        board.power_on(within=SLOW)
        yield Debian(board)


@pytest.fixture
def board(debian: Debian) -> Board:
    """Its serial log ends the report of a failing test."""
    return debian.board


def test_installed_it_runs_as_a_user_of_its_own_in_a_sandbox(debian: Debian, board: Board) -> None:
    debian.check(f"dpkg --install {PACKAGE}")
    debian.until_answering()
    assert debian.status()["node"] == "barn"
    assert debian.check(f"systemctl is-active {UNIT}") == "active"
    assert debian.check(f"systemctl is-enabled {UNIT}") == "enabled"
    assert debian.check("dpkg-query -W -f '${Status}' skerry-agent") == "install ok installed"
    assert debian.check("dpkg --verify skerry-agent") == ""
    user, groups = (debian.check(f"id -{flag} skerry") for flag in ("u", "g"))
    assert debian.process("Uid").split() == [user] * 4
    joined = debian.check("getent group gpio i2c dialout | cut -d: -f3").split()
    assert set(debian.process("Groups").split()) == {*joined, groups}
    assert debian.process("CapEff") == "0000000000000000"
    assert debian.process("NoNewPrivs") == "1"
    assert debian.process("Seccomp") == "2"
    assert debian.check("stat -c %U:%a /var/lib/skerry") == "skerry:750"
    # The rule that came with the package holds for pins that were there before it.
    assert debian.check("stat -c %G:%a /dev/gpiochip0") == "gpio:660"


def test_killed_it_is_started_again(debian: Debian, board: Board) -> None:
    before = debian.unit("MainPID")
    debian.check(f"systemctl kill --signal=KILL {UNIT}")
    debian.check(
        f"until [ $(systemctl show --value -p NRestarts {UNIT}) = 1 ]; do sleep 0.2; done"
    )
    debian.until_answering()
    assert debian.unit("MainPID") not in {before, "0"}


def test_wrong_settings_are_said_once_and_not_tried_again(debian: Debian, board: Board) -> None:
    debian.check(f"cp {SETTINGS} /root/kept && echo 'cloud = 5' >{SETTINGS}")
    debian.check(f"systemctl restart {UNIT}")
    debian.check(f"until systemctl is-failed --quiet {UNIT}; do sleep 0.2; done")
    assert debian.unit("ExecMainStatus") == "2"
    assert debian.unit("NRestarts") == "0"
    said = debian.check(f"journalctl --no-pager -o cat -u {UNIT} -n 20")
    assert f"{SETTINGS}: cloud is not a table; write [cloud]" in said
    debian.check(f"cp /root/kept {SETTINGS}")


def test_told_of_a_cloud_it_joins_and_runs_a_signed_app(
    debian: Debian, cloud: Cloud, desk: Path, board: Board
) -> None:
    made = skerry("token", "create", "--pattern", "barn", "--label", "site=barn", cloud=cloud.url)
    settings = f"""format = 1
[node]
name = "barn"
labels = {{ site = "barn" }}
[cloud]
url = "https://{FROM_GUEST}:{cloud.port}"
token = "{made.stdout.strip()}"
"""
    board.put(SETTINGS, settings.encode())
    debian.check("install -m 644 /root/root.cose /etc/skerry/root.cose")
    debian.check(f"systemctl restart {UNIT}")
    debian.until_answering()
    skerry("app", "deploy", BEEPER, "-l", "site=barn", cloud=cloud.url, keys=desk)
    debian.until_app("beeper", "Running")
    until(lambda: readings(cloud, name="beep"), "its readings are in the cloud", SLOW)


def test_an_upgrade_keeps_settings_identity_and_apps(
    debian: Debian, cloud: Cloud, board: Board
) -> None:
    settings, before = debian.check(f"cat {SETTINGS}"), debian.unit("MainPID")
    debian.check(f"dpkg --install {PACKAGE}")
    debian.until_answering()
    assert debian.unit("MainPID") != before
    assert debian.check(f"cat {SETTINGS}") == settings
    debian.until_app("beeper", "Running")
    seen = len(readings(cloud, name="beep"))
    until(lambda: len(readings(cloud, name="beep")) > seen, "readings go on", SLOW)


def test_after_a_power_cut_it_starts_with_the_system(
    debian: Debian, cloud: Cloud, board: Board
) -> None:
    board.check("sync", within=SLOW)
    board.power_cut()
    board.power_on(within=SLOW)
    debian.until_answering()
    debian.until_app("beeper", "Running")
    assert debian.check(f"systemctl is-active {UNIT}") == "active"


def test_removed_it_stops_and_keeps_its_data_purged_it_leaves_nothing(
    debian: Debian, board: Board
) -> None:
    debian.check("dpkg --remove skerry-agent")
    assert debian.check("pgrep -u skerry || echo none") == "none"
    assert debian.check("ls /var/lib/skerry/agent") != ""
    assert debian.check(f"test -e {SETTINGS} && echo kept") == "kept"
    debian.check("dpkg --purge skerry-agent")
    left = "/var/lib/skerry /etc/skerry /usr/lib/skerry /lib/systemd/system/skerry-agent.service"
    assert debian.check(f"ls -d {left} 2>/dev/null || echo none") == "none"
    assert debian.check(f"find /etc/systemd /var/lib/systemd -name '{UNIT}*'") == ""
