"""A folder that behaves as the USB drive of an RP2040's boot loader: when the last block of a firmware
is on it, it takes the blocks and is gone."""

import threading
from pathlib import Path

from boards.uf2 import BLOCK

INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"


class Uf2Drive:
    """Made with the folder; what it was given is `taken` when `gone` was waited for."""

    def __init__(self, folder: Path, info: str = INFO) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "INFO_UF2.TXT").write_text(info)
        self.taken = b""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended.wait(0.01):
            for file in self._folder.glob("*.uf2"):
                data = file.read_bytes()
                count = int.from_bytes(data[24:28], "little") if len(data) >= BLOCK else 0
                if count and len(data) == count * BLOCK:
                    self.taken = data
                    for each in self._folder.iterdir():
                        each.unlink()
                    return
