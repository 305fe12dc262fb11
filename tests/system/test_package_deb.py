"""The Debian package: the same bytes every time; unpacked on a Debian of arm64, its agent answers.

The root file system is bookworm's own packages for arm64. systemd is not in it: the agent starts
by the command of the unit, as the unit's user.
"""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from boards.package.build import FILES, build
from boards.packages import read_lock, unpacked
from qemu.board import VIRT, Board, Fittings
from qemu.board.plugin import MediaOf
from qemu.board.programs import Programs
from qemu.board.tiny import tiny_media
from tests.support.board_image import CACHE

UNIT = (FILES / "skerry-agent.service").read_text()
_BESIDE = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nskerry:x:999:999::/var/lib/skerry:/bin/sh\n",
    "etc/group": "root:x:0:\nskerry:x:999:\n",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("package") / "agent.deb"
    build(file, CACHE, print, compiled=False)
    return file


def dpkg_deb(*arguments: object) -> str:
    done = subprocess.run(
        ["dpkg-deb", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_building_twice_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "elsewhere/again.deb", CACHE, print, compiled=False)
    assert again == hashlib.sha256(package.read_bytes()).hexdigest()


def test_all_files_are_roots_and_settings_survive_an_upgrade(package: Path) -> None:
    listing = dpkg_deb("--contents", package).splitlines()
    assert all(line.split()[1] == "root/root" for line in listing)
    assert dpkg_deb("--info", package, "conffiles") == "/etc/skerry/skerry.toml\n"
    assert dpkg_deb("--field", package, "Architecture") == "arm64\n"
    assert "python3 (<< 3.12)" in dpkg_deb("--field", package, "Depends")


@pytest.mark.qemu
def test_its_agent_answers_on_a_debian_of_arm64(
    package: Path,
    tmp_path: Path,
    board_programs: Programs,
    board_cache: Path,
    board_media: MediaOf,
) -> None:
    board_media(VIRT)  # skips, or fails, where no board can be had
    media = tiny_media(VIRT, board_cache, modules=("ext4", "crc32c_generic"))
    disk = debian_with(package, tmp_path)
    media = type(media)(kernel=media.kernel, initrd=media.initrd, disk=disk)
    start = re.search(r"^ExecStart=(.+)$", UNIT, re.MULTILINE)
    assert start is not None
    with Board(VIRT, media, board_programs, Fittings(memory_mb=512)) as board:
        board.power_on(within=300)
        board.check("hostname barn")
        board.check("mkdir -p /mnt && mount -t ext4 /dev/vda /mnt", within=120)
        board.check("for at in proc dev sys; do mount --bind /$at /mnt/$at; done")
        # As the package's udev rule does; nothing runs udev here.
        board.check("chgrp 999 /dev/gpiochip* && chmod 660 /dev/gpiochip*")
        as_user = "chroot /mnt /bin/busybox su -s /bin/sh skerry -c"
        board.check(f"({as_user} 'exec {start[1]}' >/tmp/agent.log 2>&1 &)")
        asks = (
            f"{as_user} '/usr/bin/skerry agent status --state /var/lib/skerry/agent' 2>/dev/null"
        )
        status = board.run(
            f"until {asks}; do pidof python3.11 >/dev/null || exit 1; done", within=300
        )
        assert status.status == 0, board.run("cat /tmp/agent.log").output
        assert "barn" in status.output
        assert "MB PSS" in status.output
        assert board.check("stat -c %u /mnt/var/lib/skerry/agent/control.sock") == "999"


def debian_with(package: Path, folder: Path) -> Path:
    """A disk with bookworm's Python for arm64 and the package, unpacked."""
    root = folder / "root"
    for place in unpacked("system", read_lock(), CACHE, print).values():
        shutil.copytree(place, root, symlinks=True, dirs_exist_ok=True)
    dpkg_deb("--extract", package, root)
    (root / "bin/sh").symlink_to("busybox")
    for name, text in _BESIDE.items():
        (root / name).write_text(text)
    for name in ("proc", "dev", "sys", "run/skerry", "tmp", "var/lib/skerry"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("run/skerry", "var/lib/skerry", "tmp"):
        (root / name).chmod(0o777)
    disk = folder / "debian.img"
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, disk], check=True)
    return disk
