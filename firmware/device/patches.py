"""Updates by patch: group 66. What changed travels; the rest is copied from the slot that runs.

    PATCH  write {"len": n, "sha": 32 bytes, "off": 0, "data": bytes}, then {"off": n, "data": bytes}
               → {"off": what is expected next}
           read {} → {"off": n, "len": n, "at": n, "of": n, "rsn": text}: how much of the patch is
               here, how much of the image is made of it, and why it was not, if so
           read {"slot": n} → the same with "sha": SHA-256 of all bytes of the image in that slot, if
               there is one. Who has not the image, but its signature, knows by it what was made.

The patch is kept in a file, so it goes on where it was after a lost line and after a power cut. `sha`
is of all of it. It is refused at its begin when it is not one of the image that runs. When it is here
whole, the image is made in the other slot, a block at each `step`, and then judged by its digest like
one that was sent, and by the SHA-256 that the patch says. A power cut in between: it is made anew,
without writing sectors that are written.

Nothing is marked by this: the node does that, as after an upload.
"""

import hashlib
import os
import struct

from firmware.device.patch import COMMAND, GROUP, HEAD_BYTES, LIMIT, Patch, PatchError, head
from firmware.device.update import GOOD, RefusedError
from firmware.device.update import sha as sha_of
from firmware.link import smp

FILE = "/patch"
_NAME = "<32sI"
"""SHA-256 and length; the file begins with them."""
_NAME_BYTES = 36
_PIECE = 2048
"""Bytes that are hashed in a step."""
_SIZES_AT = 8
"""In an image's header: lengths of header, protected values and program."""


class Patches:
    """Gives an `Update` its other way; belongs to the same event loop."""

    limit = LIMIT

    def __init__(self, update, slots, file=FILE):
        self._update = update
        self._slots = slots
        self._file = file
        self._work = None
        """A generator: what is left to do with a patch that is here."""
        self._made = self._length = 0
        self._resumed = False
        """An earlier start worked at it, and nobody knows how far it came."""
        self._why = ""
        self._done = None
        """Name of the patch that made what is in the slot; its last answer may have been lost."""
        update.patches = self
        update.requests[smp.WRITE, GROUP, COMMAND] = self._take
        update.requests[smp.READ, GROUP, COMMAND] = self._tell
        if update.takes:
            self._go_on()
            self._resumed = self.busy
        else:
            self._remove()

    @property
    def busy(self):
        """Whether it makes an image."""
        return self._work is not None

    def step(self):
        """Do a little; whether there is more."""
        if self._work is None:
            return False
        try:
            next(self._work)
        except StopIteration:
            self._finish("")
        except (RefusedError, PatchError) as error:
            self._finish(error.args[0])
        except OSError as error:
            self._finish(f"patch: errno {error.args[0]}")
        return self._work is not None

    def drop(self):
        """Something else is wanted of the slot."""
        if self._work is not None:
            self._finish("patch: the slot was needed otherwise")
        self._done = None
        self._remove()

    # --- requests --------------------------------------------------------------------------------

    def _tell(self, content):
        name, at = self._stored()
        told = {"off": at, "len": name[1], "at": self._made, "of": self._length}
        if self._why:
            told["rsn"] = self._why
        slot = content.get("slot")
        if slot is not None:
            if slot not in (0, 1):
                raise RefusedError("slot: there are 0 and 1", smp.INVALID)
            found = self._sha(slot)
            if found:
                told["sha"] = found
        return told

    def _sha(self, slot):
        """Of all bytes of the image in a slot; None where there is none."""
        if self._update.image(slot)[0] != GOOD:
            return None
        begin, protected, size = struct.unpack("<HHI", self._slots.read(slot, _SIZES_AT, 8))
        tail = begin + protected + size
        length = tail + struct.unpack("<HH", self._slots.read(slot, tail, 4))[1]
        digest = hashlib.sha256()
        for at in range(0, length, _PIECE):
            digest.update(self._slots.read(slot, at, min(_PIECE, length - at)))
        return digest.digest()

    def _take(self, content):
        at, data = content["off"], content["data"]
        self._update.free()
        name, here = self._stored()
        if at == 0:
            told = (sha_of(content), content["len"])
            if told == self._done:
                return {"off": told[1]}
            if told != name:
                self.drop()
                self._begin(told, data)
                name, here = told, 0
        if at != here or here == name[1]:
            return {"off": here}
        if at + len(data) > name[1]:
            raise RefusedError("data: more than len", smp.INVALID)
        self._append("ab", data)
        here += len(data)
        if here == name[1]:
            self._go_on()
        return {"off": here}

    def _begin(self, told, data):
        """What can be refused now need not be sent."""
        if not HEAD_BYTES < told[1] <= LIMIT:
            raise RefusedError(f"len: {told[1]} bytes, a patch has up to {LIMIT}", smp.TOO_LARGE)
        try:
            length, base = head(data)[:2]
        except PatchError as error:
            raise RefusedError(error.args[0], smp.INVALID) from error
        if not self._is_base(length, base):
            raise RefusedError("patch: of another image than the one that runs", smp.BAD_STATE)
        self._why = ""
        self._made = self._length = 0
        self._append("wb", struct.pack(_NAME, *told))

    def _append(self, mode, data):
        try:
            with open(self._file, mode) as file:
                file.write(data)
        except OSError as error:
            self._remove()
            raise RefusedError(
                f"patch: errno {error.args[0]}, the file system has no room", smp.NO_MEMORY
            ) from error

    def _is_base(self, length, digest):
        runs = self._update.image(self._update.running)[2]
        return digest == runs and length <= self._slots.BYTES

    # --- work ------------------------------------------------------------------------------------

    def _go_on(self):
        """With a patch that is here whole."""
        name, here = self._stored()
        if name[1] and here == name[1]:
            self._work = self._make(name)

    def _make(self, name):
        with open(self._file, "rb") as file:
            file.seek(_NAME_BYTES)
            digest = hashlib.sha256()
            data = file.read(_PIECE)
            while data:
                digest.update(data)
                yield
                data = file.read(_PIECE)
            if digest.digest() != name[0]:
                raise PatchError("patch: its SHA-256 is wrong")
            file.seek(_NAME_BYTES)
            length, base, result, sha = head(file.read(HEAD_BYTES))
            if not self._is_base(length, base):
                raise PatchError("patch: of another image than the one that runs")
            running = self._update.running
            patch = Patch(
                file.read, lambda at, count: self._slots.read(running, at, count), length
            )
            yield from self._write(patch, (sha, patch.length))
        if self._update.image(1 - running)[2] != result or self._sha(1 - running) != sha:
            self._update.forget()
            raise PatchError("patch: it makes another image than it says")

    def _write(self, patch, told):
        """The image, into the slot: what was written of it already is made and not written."""
        update = self._update
        self._made, self._length = 0, patch.length
        for block in patch.blocks():
            if not block:
                yield
                continue
            if update.upload != told:
                # Whether an older one is meant is asked when it is marked.
                update.begin(told, {"downgrade": True}, block)
            skip = min(max(0, update.at - self._made), len(block))
            if skip < len(block):
                update.write(memoryview(block)[skip:])
            self._made += len(block)
            yield
        if self._made != patch.length:
            raise PatchError("patch: it makes less than it says")
        update.finish()

    def _finish(self, why):
        """`why` not: empty when the image is made."""
        begun = self._made > 0 or self._resumed
        self._resumed = False
        self._work.close()
        self._work, self._why = None, why
        if not why:
            self._done = self._stored()[0]
        if why and begun and self._update.takes:
            self._update.forget()
        self._remove()

    # --- the file --------------------------------------------------------------------------------

    def _stored(self):
        """((SHA-256, length), bytes that are here) of the patch in the file; length 0: of none."""
        try:
            with open(self._file, "rb") as file:
                name = file.read(_NAME_BYTES)
                here = file.seek(0, 2) - _NAME_BYTES
        except OSError:
            here = -1
        return ((b"", 0), 0) if here < 0 else (struct.unpack(_NAME, name), here)

    def _remove(self):
        try:
            os.remove(self._file)
        except OSError:  # there was none
            return
