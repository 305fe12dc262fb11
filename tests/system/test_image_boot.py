"""An image starts in QEMU: the data partition is made, and the agent answers at the console."""

import os
import selectors
import shutil
import subprocess
import time

import pytest

from boards.board import find_board
from boards.image.boot import INITRAMFS, KERNEL, command_line
from boards.image.build import PROJECT, build

QEMU = "qemu-system-aarch64"
CACHE = PROJECT / ".cache/boards"
DEADLINE = 120.0

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed"),
]


def read_until(machine, wanted: bytes, seen: bytes = b"") -> bytes:
    until = time.monotonic() + DEADLINE
    with selectors.DefaultSelector() as ready:
        ready.register(machine.stdout, selectors.EVENT_READ)
        while wanted not in seen:
            assert ready.select(until - time.monotonic()), f"no {wanted!r} in {seen[-2000:]!r}"
            data = os.read(machine.stdout.fileno(), 1 << 16)
            assert data, f"QEMU ended: {seen[-2000:]!r}"
            seen += data
    return seen


def test_the_agent_answers_at_the_console_of_a_first_boot(tmp_path):
    CACHE.mkdir(parents=True, exist_ok=True)
    image = build("virt", tmp_path / "virt.img", CACHE, print, compiled=False).image
    os.truncate(image, 1 << 30)
    for name in (KERNEL, INITRAMFS):
        subprocess.run(["mcopy", "-i", f"{image}@@4M", f"::/{name}", tmp_path / name], check=True)
    command = [
        *(
            QEMU,
            "-M",
            "virt",
            "-cpu",
            "cortex-a53",
            "-m",
            "512",
            "-nographic",
            "-no-reboot",
            "-nic",
            "none",
        ),
        *("-kernel", tmp_path / KERNEL, "-initrd", tmp_path / INITRAMFS),
        *("-append", command_line(find_board("virt"))),
        *("-drive", f"if=none,id=d,format=raw,file={image}", "-device", "virtio-blk-pci,drive=d"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        try:
            seen = read_until(machine, b"s after the kernel")
            assert b"data partition grown to 544 MiB" in seen
            assert b"CANNOT BE MOUNTED" not in seen
            ask = b"until skerry agent status 2>/dev/null; do :; done; mount\n"
            machine.stdin.write(ask)
            machine.stdin.flush()
            status = read_until(machine, b"on /data type ext4")
            assert b"board virt, agent" in status
            assert b"MB PSS" in status
        finally:
            machine.kill()
