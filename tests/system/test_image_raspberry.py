"""Images for boards that nothing here can boot: they build, and every part is in its place."""

import gzip
import subprocess
import tomllib

import pytest

from boards.board import Role, find_board
from boards.image.boot import INITRAMFS, KERNEL
from boards.image.build import PROJECT, build
from boards.image.errors import PackageError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
CACHE = PROJECT / ".cache/boards"
MODULES = {
    "rpi4": ("genet", "bcm2835_wdt", "xhci_pci", "brcmfmac"),
    "rpi5": ("rp1_pci", "pinctrl_rp1", "macb", "sdhci_brcmstb", "bcm2835_wdt", "brcmfmac"),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_image_holds_what_its_board_starts_with(tmp_path, name):
    CACHE.mkdir(parents=True, exist_ok=True)
    board = find_board(name)
    try:
        built = build(name, tmp_path / "image.img", CACHE, print, compiled=False)
    except PackageError as fault:
        if "-backports" not in board.kernel.suite:
            raise
        # Backports are replaced every few weeks: their going is not a fault of this tree.
        pytest.skip(f"{fault}")
    places = {place.partition.role: place for place in board.layout.places()}

    def file(path: str) -> bytes:
        fat = f"{built.image}@@{places[Role.BOOT].start}"
        command = ["mcopy", "-n", "-i", fat, f"::/{path}", tmp_path / "file"]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        data = (tmp_path / "file").read_bytes()
        (tmp_path / "file").unlink()
        return data

    for tree in board.kernel.device_trees:
        assert file(tree.rpartition("/")[2]).startswith(b"\xd0\x0d\xfe\xed")
    assert file("start4.elf").startswith(b"\x7fELF")
    assert len(file("fixup4.dat")) > 1000
    config = file("config.txt").decode()
    assert f"kernel={KERNEL}\n" in config
    assert f"initramfs {INITRAMFS} followkernel\n" in config
    assert f"console={board.console.device},115200" in file("cmdline.txt").decode()
    assert file(KERNEL)[56:60] == b"ARM\x64"
    inside = gzip.decompress(file(INITRAMFS))
    for module in MODULES[name]:
        assert f"/{module}.ko\0".encode() in inside, f"{module} is not in the initramfs"
    listing = subprocess.run(
        ["unsquashfs", "-l", "-d", "", "-o", str(places[Role.SLOT_A].start), built.image],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert "/usr/sbin/wpa_supplicant" in listing
    assert "/usr/lib/firmware/brcm/brcmfmac43455-sdio.bin" in listing
    assert "/usr/lib/firmware/regulatory.db" in listing
    assert built.slot_size < 64_000_000
    assert tomllib.loads(file("skerry.toml").decode())["format"] == 1
