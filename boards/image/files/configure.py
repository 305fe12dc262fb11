"""Turns `skerry.toml` of the boot partition into what the board's programs read, once a boot.

Runs on the board before network, SSH and agent. What cannot be understood or honoured is said at
the console, by its key; then the last settings that were good are used, kept on the data partition.
It never keeps a board from starting.
"""

import base64
import os
import socket
import sys
from pathlib import Path

from boards.errors import PreseedError
from boards.preseed import (
    FILE_LIMIT,
    FILE_NAME,
    Preseed,
    Wifi,
    parse,
    render,
    render_attached,
)

BOOT, DATA, RUN = Path("/boot"), Path("/data"), Path("/run/skerry")
BOARD = Path("/etc/skerry/board.toml")
SUPPLICANT = Path("/usr/sbin/wpa_supplicant")
"""In the image only when the board has Wi-Fi."""


def main() -> int:
    """Leave settings, host name, keys and Wi-Fi in RUN; always 0."""
    RUN.mkdir(parents=True, exist_ok=True)
    settings = settings_of(BOOT / FILE_NAME, DATA / FILE_NAME)
    write(RUN / FILE_NAME, render(settings))
    socket.sethostname(settings.node.name or _own_name(DATA / "name"))
    if settings.trust.root is not None:
        write(RUN / "root.cose", base64.b64decode(settings.trust.root))
    if settings.mcu:
        write(RUN / "board.toml", BOARD.read_bytes() + b"\n" + render_attached(settings))
    if settings.ssh.keys:
        write(RUN / "ssh/authorized_keys", "".join(f"{key}\n" for key in settings.ssh.keys))
    if settings.wifi.ssid is not None:
        if SUPPLICANT.exists():
            write(RUN / "wifi.conf", wifi_settings(settings.wifi))
        else:
            say("wifi.ssid: this board has no Wi-Fi: plug in a cable")
    return 0


def settings_of(file: Path, kept: Path) -> Preseed:
    """What `file` says; when it is wrong or gone, what was kept of it; else nothing."""
    try:
        with file.open("rb") as opened:
            settings = parse(opened.read(FILE_LIMIT + 1))
    except OSError as fault:
        say(f"{FILE_NAME} in the boot partition: {fault.strerror}")
    except PreseedError as fault:
        say(f"{FILE_NAME} in the boot partition is WRONG: {fault}")
    else:
        _keep(kept, render(settings))
        return settings
    try:
        settings = parse(kept.read_bytes())
    except (OSError, PreseedError):
        say(f"there are no earlier settings: correct {FILE_NAME} on the card and start again")
        return Preseed()
    say(f"the last good settings are used: correct {FILE_NAME} on the card and start again")
    return settings


def wifi_settings(wifi: Wifi) -> str:
    """`wpa_supplicant`'s file; the name in hex, for it may hold any byte."""
    lines = ["ctrl_interface=/run/wpa", "update_config=0"]
    if wifi.country is not None:
        lines.append(f"country={wifi.country}")
    else:
        say("wifi.country is missing: only channels that are allowed everywhere are used")
    lines += ["network={", f"ssid={(wifi.ssid or '').encode().hex()}", "scan_ssid=1"]
    if wifi.psk is None:
        lines.append("key_mgmt=NONE")
    else:
        raw = len(wifi.psk) == 64  # noqa: PLR2004 - a passphrase has at most 63 characters
        lines += ["key_mgmt=WPA-PSK", f"psk={wifi.psk}" if raw else f'psk="{wifi.psk}"']
    return "\n".join([*lines, "}", ""])


def write(file: Path, data: bytes | str) -> None:
    """A file that only root can read."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(data.encode() if isinstance(data, str) else data)
        opened.flush()
        os.fsync(opened.fileno())


def say(text: str) -> None:
    """To the person at the console."""
    try:
        Path("/dev/console").write_text(f"skerry: {text}\n")
    except OSError:
        sys.stderr.write(f"{text}\n")


def _keep(kept: Path, data: bytes) -> None:
    """Remember what was good; the card is written only when it changed."""
    try:
        if not kept.exists() or kept.read_bytes() != data:
            _replace(kept, data)
    except OSError as fault:
        say(f"the settings could not be kept on the data partition: {fault.strerror}")


def _replace(file: Path, data: bytes | str) -> None:
    """Durable when this returns: a power cut leaves what was there, or all of `data`."""
    part = file.with_suffix(".part")
    write(part, data)
    part.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _own_name(file: Path) -> str:
    """A name made at first boot, for a node that was given none."""
    try:
        if not file.exists():
            _replace(file, f"skerry-{os.urandom(3).hex()}")
        return file.read_text()
    except OSError as fault:
        say(f"the node's name could not be kept: {fault.strerror}")
        return f"skerry-{os.urandom(3).hex()}"


if __name__ == "__main__":
    sys.exit(main())
