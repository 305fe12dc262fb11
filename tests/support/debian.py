"""A Debian for arm64 with systemd, as a disk that a virtual board boots: bookworm's own packages.

The packages are pinned by `debian.lock`; `python -m tests.support.debian --refresh` writes it
anew. They are unpacked and written down as installed without their maintainer scripts, which
would need a machine of that architecture: what those scripts do and a test needs is done here.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from boards.debian import Package, Pinned, Wanted
from qemu.board import VIRT, Media
from qemu.board.tiny import tiny_media

_ROOTS = """systemd-sysv udev dpkg adduser init-system-helpers usr-is-merged python3 base-files
base-passwd perl-base bash coreutils debianutils dash mawk grep sed findutils tar gzip login passwd
util-linux mount libc-bin hostname diffutils ncurses-base ncurses-bin procps"""
_SET = "debian-arm64"
_PINNED = Pinned(
    {_SET: Wanted(architecture="arm64", suites=("bookworm",), roots=tuple(_ROOTS.split()))},
    Path(__file__).with_name("debian.lock"),
    "python -m tests.support.debian --refresh",
)
_DISK_BYTES = 1 << 30

_INIT = b"""#!/bin/busybox sh
# Mount the disk, bring the network up, and hand over to the disk's own init.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
dmesg -n 1
while read -r module; do
  insmod "/lib/modules/$module"
done </lib/modules/order
until [ -b /dev/vda ] && [ -e /sys/class/net/eth0 ]; do usleep 50000; done
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /mnt
for at in proc sys dev; do mount --move /$at /mnt/$at; done
exec switch_root /mnt /sbin/init
"""
_APPEND = (
    "quiet",
    "net.ifnames=0",
    "systemd.show_status=no",
    "systemd.getty_auto=no",
    # Without D-Bus it only fails and tries again.
    "systemd.mask=systemd-logind.service",
)
_SHELL = f"""[Unit]
Description=A shell for the test at the console

[Service]
Type=idle
Environment=HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
WorkingDirectory=/root
ExecStart=/bin/sh -c 'read -r up idle </proc/uptime; echo "board is up after $up s"; exec sh'
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/{VIRT.console}
Restart=always

[Install]
WantedBy=multi-user.target
"""
_WANTS = "etc/systemd/system/multi-user.target.wants"
_FILES = {
    "etc/hostname": "barn\n",
    "etc/machine-id": "5ce5be5ce5be5ce5be5ce5be5ce5be5c\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/fstab": "",
    "etc/systemd/system/board-shell.service": _SHELL,
}
_FILES |= {
    f"etc/pam.d/common-{kind}": f"{kind} required pam_permit.so\n"
    for kind in ("auth", "account", "password", "session")
}
_LINKS = {
    "usr/bin/awk": "mawk",
    f"{_WANTS}/board-shell.service": "/etc/systemd/system/board-shell.service",
}


def debian_media(folder: Path, cache: Path, qemu_cache: Path, more: Mapping[str, Path]) -> Media:
    """What `VIRT` boots: Debian with systemd and a root's shell at the console.

    `more` are files for the disk, by where they lie on it. Makes `folder/debian.img`.
    """
    root = folder / "root"
    _unpack(root, cache)
    for name, source in more.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / name)
    disk = folder / "debian.img"
    with disk.open("wb") as file:
        file.truncate(_DISK_BYTES)
    subprocess.run(
        ["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", root, disk],
        check=True,
    )
    shutil.rmtree(root)
    tiny = tiny_media(VIRT, qemu_cache, modules=("ext4", "crc32c_generic"), init=_INIT)
    return msgspec.structs.replace(tiny, disk=disk, append=_APPEND)


def _unpack(root: Path, cache: Path) -> None:
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    lock = _PINNED.read_lock()
    places = _PINNED.unpacked(_SET, lock, cache, print)
    for place in places.values():
        shutil.copytree(place, root, symlinks=True, dirs_exist_ok=True)
    _write_down(root, places, _PINNED.files(_SET, lock, cache, print))
    for kind in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{kind}.master", root / "etc" / kind)
    for kind in ("shadow", "gshadow"):
        (root / "etc" / kind).touch(0o600)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target in _LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)


def _write_down(root: Path, places: Mapping[Package, Path], files: Mapping[Package, Path]) -> None:
    """In dpkg's own database: every package is installed, and what lies where is whose."""
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    for name in ("updates", "triggers", "parts", "alternatives"):
        (root / "var/lib/dpkg" / name).mkdir(exist_ok=True)
    status: list[str] = []
    for package, place in places.items():
        control = subprocess.run(
            ["dpkg-deb", "--field", files[package]], capture_output=True, text=True, check=True
        ).stdout
        status.append(control.replace("\n", "\nStatus: install ok installed\n", 1))
        same = re.search(r"^Multi-Arch: same$", control, re.MULTILINE)
        listed = f"{package.name}:{package.architecture}" if same else package.name
        (info / f"{listed}.list").write_text(_listing(place))
    (root / "var/lib/dpkg/status").write_text("\n".join(status))
    (info / "format").write_text("1\n")


def _listing(place: Path) -> str:
    found: Iterable[Path] = sorted(place.rglob("*"))
    return "/.\n" + "".join(f"/{path.relative_to(place)}\n" for path in found)


if __name__ == "__main__":
    if sys.argv[1:] != ["--refresh"]:
        sys.exit("python -m tests.support.debian --refresh")
    _PINNED.refresh_lock(Path(".cache/boards").absolute(), print)
