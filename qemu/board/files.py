"""Files into and out of a guest through its shell, each checked by its SHA-256."""

import base64
import binascii
import hashlib
import shlex
from typing import Protocol

from qemu.board.errors import GuestError
from qemu.board.shell import Completed, put_batches

# A busy guest decodes some hundred kilobytes a second; the bound is for one that is stuck.
_TRANSFER_S = 120.0


class Guest(Protocol):
    """What a transfer needs of a board whose shell is open."""

    def send(self, text: str) -> None:
        """Type `text`."""
        ...

    def run(self, command: str, *, within: float = ...) -> Completed:
        """Run a command and wait for its end."""
        ...


def put(guest: Guest, path: str, data: bytes, *, executable: bool) -> None:
    """Leave `data` at `path`; raises GuestError when the guest does not hold it then."""
    quoted = shlex.quote(path)
    emptied = guest.run(f": >{quoted}")
    if emptied.status:
        raise GuestError(f"{path}: {emptied.output}")
    for batch in put_batches(path, data):
        guest.send(batch)
        guest.run(":", within=_TRANSFER_S)
    if executable:
        guest.run(f"chmod 755 {quoted}")
    _same(guest, path, data)


def get(guest: Guest, path: str) -> bytes:
    """The file at `path`; raises GuestError when it cannot be read or came over damaged."""
    read = guest.run(f"base64 {shlex.quote(path)}", within=_TRANSFER_S)
    if read.status:
        raise GuestError(f"{path}: {read.output}")
    try:
        data = base64.b64decode("".join(read.output.split()), validate=True)
    except binascii.Error as fault:
        raise GuestError(f"{path} came over damaged: {fault}") from fault
    _same(guest, path, data)
    return data


def _same(guest: Guest, path: str, data: bytes) -> None:
    summed = guest.run(f"sha256sum {shlex.quote(path)}", within=_TRANSFER_S)
    if summed.output.split(" ")[0] != hashlib.sha256(data).hexdigest():
        raise GuestError(f"{path} differs between host and guest: {summed.output!r}")
