"""A server of mcumgr's image group in front of MCUboot, as their documents say: what Zephyr boards are.

Slot 0 runs, slot 1 takes uploads; a test swaps at the reset, and the next reset swaps back unless
the image was confirmed meanwhile. It says no `trial`: it confirms nothing by itself.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from hal.errors import BusTimeoutError
from hal.link.image import Image, ImageError, parse

OS, IMAGE = 0, 1
UNSUPPORTED = 8


class Mcumgr:
    """Is a `hal.link.upload.Link`. `deaf`: requests, counted from 0, whose answers are lost."""

    name = "zephyr"

    def __init__(self, runs: bytes, *, buffer: int | None = 475, hangs: bool = False) -> None:
        self.slots: list[Image | None] = [parse(runs), None]
        self.confirmed = True
        self.pending = False
        self.hangs = hangs
        """Images that are tried do not live to be confirmed."""
        self.buffer = buffer
        self.deaf: set[int] = set()
        self.requests: list[tuple[int, int, int, Mapping[str, Any]]] = []
        self.forgets_at: set[int] = set()
        """Requests at which it starts anew, and with that forgets an upload."""
        self._room = b""
        self._name = (0, b"")
        """Length and SHA-256 of the upload that goes on."""

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, Any],
        timeout: float = 1.0,  # noqa: ARG002 - it answers at once
    ) -> dict[str, Any]:
        number = len(self.requests)
        self.requests.append((operation, group, command, content))
        if number in self.forgets_at:
            self.restart()
        answer = self._answer(operation, group, command, content)
        if number in self.deaf:
            raise BusTimeoutError("no answer")
        return answer

    def restart(self) -> None:
        self._room, self._name = b"", (0, b"")
        swap = self.pending or not self.confirmed
        if self.pending and not self.hangs:
            self.confirmed = False
        elif not self.pending:
            self.confirmed = True
        self.pending = False
        if swap and not self.hangs:
            self.slots.reverse()

    def _answer(
        self, operation: int, group: int, command: int, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        match operation, group, command:
            case 0, 0, 6 if self.buffer is not None:
                return {"buf_size": self.buffer, "buf_count": 4}
            case 2, 0, 5:
                self.restart()
                return {}
            case 0, 1, 0:
                return self._state()
            case 2, 1, 0:
                return self._mark(content)
            case 2, 1, 1:
                return self._upload(content)
        return {"rc": UNSUPPORTED}

    def _state(self) -> dict[str, Any]:
        listed = [
            {
                "slot": slot,
                "version": str(image.version),
                "hash": image.digest,
                "bootable": True,
                "pending": slot == 1 and self.pending,
                "confirmed": slot == 0 and self.confirmed,
                "active": slot == 0,
                "permanent": False,
            }
            for slot, image in enumerate(self.slots)
            if image is not None
        ]
        return {"images": listed, "splitStatus": 0}

    def _mark(self, content: Mapping[str, Any]) -> dict[str, Any]:
        if content.get("confirm") and "hash" not in content:
            self.confirmed = True
        elif self.slots[1] is None or content.get("hash") != self.slots[1].digest:
            return {"err": {"group": 1, "rc": 9}}
        else:
            self.pending = True
        return self._state()

    def _upload(self, content: Mapping[str, Any]) -> dict[str, Any]:
        if content["off"] == 0:
            name = (content["len"], content["sha"])
            if name == self._name:
                return {"off": len(self._room)}
            self._room, self._name = b"", name
            self.slots[1] = None
        if content["off"] != len(self._room):
            return {"off": len(self._room)}
        self._room += content["data"]
        if len(self._room) < self._name[0]:
            return {"off": len(self._room)}
        match = hashlib.sha256(self._room).digest() == self._name[1]
        try:
            self.slots[1] = parse(self._room)
        except ImageError:
            match = False
        self._name = (0, b"")
        return {"off": len(self._room), "match": match}
