"""Updates over the link: group 1 as mcumgr speaks it, and the judgement of an image on trial.

    STATE    read {} → {"images": [{"slot", "version", "hash", "bootable", "pending", "confirmed",
                 "active", "permanent"} …], "board": text, "trial": bool, "rollback": {"count": n,
                 "reason": text, "version": text, "hash": bytes}, "patch": bytes that one may have}
             write {"hash": bytes} → the same: have that image tried at the next start
             write {"confirm": true} → the same: keep the image that runs
    UPLOAD   write {"len": n, "sha": 32 bytes, "off": 0, "data": bytes}, then {"off": n, "data": bytes}
                 → {"off": what is expected next}
    ERASE    write {} → {}

`sha` is of the whole upload. One that begins again with the same goes on where it was; a power cut
costs at most the sector that was being written. Whatever is refused says why in "rsn", before the
upload where that can be known. "downgrade": true says that an older version is meant.

On trial: linked, configured and with everything readable that was so before, for HEALTHY_FOR, and
the image is kept. Not so within GIVE_UP_AFTER: it says why, starts anew, and the bootloader goes back.

`slots` is the port's module of that name (`firmware/ports/shared/port_slots.c`).
"""

import struct
from binascii import crc32

from firmware.link import cbor, smp

PARAMETERS = 6
"""Command of group 0: how long a message may be."""
ERASE = 5
MESSAGE_LIMIT = 1195
"""Bytes of a message in a frame."""
HEALTHY_FOR = 3_000
GIVE_UP_AFTER = 20_000
"""Milliseconds. A node looks for its devices every few seconds."""
READABLE_FILE = "/readable.cbor"
"""Names of properties that could be read when the image on trial was marked."""

LINK, CONFIG, PROPERTIES, ENDED, TOLD = range(6, 11)
WHY = (
    "nothing",
    "it hung: the watchdog ended it",
    "it crashed",
    "it was reset before it was confirmed",
    "the power went before it was confirmed",
    "its SHA-256 in flash is wrong",
    "it met no node",
    "it could not use its configuration",
    "it could not read what could be read before",
    "its program ended",
    "it was told to",
    "flash did not hold it where programs run",
)
"""As `firmware/boot/state.h` numbers them."""
GOOD, _MISSING, _CUT, _DAMAGED, _BOARD, _PLACE = range(6)
_FAULTS = (
    "",
    "no image",
    "image: its lengths cannot be",
    "image: its SHA-256 is wrong",
    "board: the image is for another board than this",
    "image: its program lies where this board runs none",
)
_MAGIC = 0x96F3B83D
_HEADER_BYTES = 32
_RECORD = "<32sI"
"""At the begin of a slot's last sector: what is uploaded there. Then its CRC-32, and from
_MARKS on a byte for each sector of the slot, cleared when that sector is written."""
_RECORD_BYTES = 36
_MARKS = 64


class RefusedError(ValueError):
    """Said to whoever asked; `args[1]` is the MGMT_ERR."""


class Update:
    """Belongs to the event loop of its device."""

    def __init__(self, slots, board, file=READABLE_FILE):
        self._slots = slots
        self._board = board
        self._file = file
        self._images = {}
        self._other = None
        """The slot that uploads go to; None: none now."""
        self.upload = None
        """SHA-256 and length of what is uploaded, or was."""
        self.at = 0
        self._healthy_since = None
        self._began = None
        self._awaited = ()
        self.requests = {
            (smp.READ, smp.GROUP_OS, PARAMETERS): self._parameters,
            (smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE): self._state,
            (smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE): self._mark,
            (smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD): self._take,
            (smp.WRITE, smp.GROUP_IMAGE, ERASE): self._erase,
        }
        self.patches = None
        """Where there are any: `patches.Patches`."""
        self.readable = tuple
        """Is asked for the names of properties that can be read."""
        active, pending, running, trial = slots.state()[:4]
        self.running = running
        self.trial = trial
        self.version = self.image(running)[1]
        if not trial and pending < 0:
            self._other = 1 - active
            self._remember()
        if trial:
            self._awaited = _names(self._file)

    @property
    def takes(self):
        """Whether a slot is free for an image."""
        return self._other is not None

    # --- trial -----------------------------------------------------------------------------------

    def judge(self, now, linked, configured, readable, properties):
        """Whether to start anew, because this image is not fit. `readable`: those of `properties`."""
        if not self.trial:
            return False
        if self._began is None:
            self._began = now
        why = 0
        if not configured:
            why = CONFIG
        elif not linked:
            why = LINK
        elif any(name in properties and name not in readable for name in self._awaited):
            why = PROPERTIES
        if why:
            self._healthy_since = None
            if now - self._began < GIVE_UP_AFTER:
                return False
            self._slots.give_up(why)
            return True
        if self._healthy_since is None:
            self._healthy_since = now
        if now - self._healthy_since >= HEALTHY_FOR:
            self._confirm()
        return False

    def ended(self):
        """The program is over; True when the image was on trial, and is not any more."""
        if self.trial:
            self._slots.give_up(ENDED)
        return self.trial

    def brief(self):
        """What a state tells: slot, trial, and the last rollback if there was one."""
        why, count, version, _ = self._slots.state()[4:]
        told = {"slot": self.running, "version": self.version, "trial": self.trial}
        if count:
            told["rollback"] = WHY[why]
            told["rolled_back"] = version
        return told

    def _confirm(self):
        self._slots.confirm()
        self.trial = False
        self._other = 1 - self.running
        self.forget()

    # --- requests --------------------------------------------------------------------------------

    def _parameters(self, _content):
        return {"buf_size": MESSAGE_LIMIT, "buf_count": 1}

    def _state(self, _content):
        active, pending, running, trial, why, count, version, digest = self._slots.state()
        images = []
        for slot in (0, 1):
            fault, its_version, its_digest = self.image(slot)
            if fault == GOOD:
                images.append(
                    {
                        "slot": slot,
                        "version": its_version,
                        "hash": its_digest,
                        "bootable": True,
                        "pending": slot == pending and not trial,
                        "confirmed": slot == active,
                        "active": slot == running,
                        "permanent": False,
                    }
                )
        told = {"images": images, "board": self._board, "trial": trial}
        if self.patches:
            told["patch"] = self.patches.limit
        if count:
            told["rollback"] = {
                "count": count,
                "reason": WHY[why],
                "version": version,
                "hash": digest,
            }
        return told

    def _mark(self, content):
        digest, confirm = content.get("hash"), content.get("confirm", False)
        runs = self.image(self.running)[2]
        if digest in (None, runs):
            if not confirm:
                raise RefusedError("hash: is missing, or that image runs", smp.INVALID)
            if self.trial:
                self._confirm()
            return self._state(content)
        other = 1 - self.running
        fault, version, its_digest = self.image(other)
        if fault != GOOD or digest != its_digest:
            raise RefusedError("hash: no such image in a slot", smp.MISSING)
        if confirm:
            raise RefusedError("confirm: it is tried first, and keeps itself", smp.BAD_STATE)
        if self.trial:
            raise RefusedError("an image is on trial; wait", smp.BAD_STATE)
        if self._slots.state()[1] == other:
            return self._state(content)  # the answer was lost, as marking takes a while
        self._compare(version, content)
        if self.patches:
            self.patches.drop()
        with open(self._file, "wb") as file:
            file.write(cbor.encode(list(self.readable())))
        self._slots.mark(other)
        self._other = None
        return self._state(content)

    def _erase(self, _content):
        self.free()
        if self.patches:
            self.patches.drop()
        self.forget()
        self._sector(0)
        return {}

    def _take(self, content):
        at, data = content["off"], content["data"]
        if content.get("image", 0) != 0:
            raise RefusedError("image: there is only 0", smp.INVALID)
        if self.patches and (at == 0 or self.patches.busy):
            self.patches.drop()
        if at == 0:
            told = (sha(content), content["len"])
            if told != self.upload:
                self.begin(told, content, data)
        if self.upload is None:
            return {"off": 0}
        if at != self.at:
            return {"off": self.at}
        if at + len(data) > self.upload[1]:
            raise RefusedError("data: more than len", smp.INVALID)
        self.free()
        self.write(memoryview(data))
        if self.at == self.upload[1]:
            self.finish()
            return {"off": self.at, "match": True}
        return {"off": self.at}

    # --- uploads ---------------------------------------------------------------------------------

    def begin(self, told, content, data):
        """What can be refused now need not be sent."""
        self.free()
        length = told[1]
        if not 0 < length <= self._slots.BYTES:
            raise RefusedError(
                f"len: {length} bytes, a slot has {self._slots.BYTES}", smp.TOO_LARGE
            )
        if len(data) < _HEADER_BYTES or struct.unpack("<I", data[:4])[0] != _MAGIC:
            raise RefusedError("data: no image begins here", smp.INVALID)
        major, minor, revision, build = struct.unpack("<BBHI", data[20:28])
        version = f"{major}.{minor}.{revision}" + (f"+{build}" if build else "")
        self._compare(version, content)
        self.forget()
        self._sector(0)
        record = struct.pack(_RECORD, *told)
        self._program(self._slots.BYTES, record + struct.pack("<I", crc32(record)))
        self.upload, self.at = told, 0

    def write(self, data):
        """What comes next of the upload."""
        size = self._slots.SECTOR
        while data:
            sector, inside = self.at // size, self.at % size
            part = data[: size - inside]
            if inside == 0:
                self._sector(self.at)
            self._program(self.at, part)
            self.at += len(part)
            data = data[len(part) :]
            if self.at % size == 0 or self.at == self.upload[1]:
                self._program(self._slots.BYTES + _MARKS + sector, b"\0")

    def finish(self):
        """Judge what was written."""
        self._images.pop(self._other, None)
        fault = self.image(self._other)[0]
        if fault != GOOD:
            self.forget()
            self._sector(0)
            raise RefusedError(_FAULTS[fault], smp.INVALID)

    def _remember(self):
        """What an earlier start of this device was sent."""
        head = self._slots.read(self._other, self._slots.BYTES, _RECORD_BYTES + 4)
        if crc32(head[:_RECORD_BYTES]) != struct.unpack("<I", head[_RECORD_BYTES:])[0]:
            return
        digest, length = struct.unpack(_RECORD, head[:_RECORD_BYTES])
        sectors = self._slots.BYTES // self._slots.SECTOR
        marks = self._slots.read(self._other, self._slots.BYTES + _MARKS, sectors)
        written = 0
        while written < sectors and marks[written] == 0:
            written += 1
        self.upload = (digest, length)
        self.at = min(written * self._slots.SECTOR, length)
        if self.at == length and self.image(self._other)[0] != GOOD:
            self.upload = None

    def forget(self):
        """Nothing goes on from what was written."""
        self.upload, self.at = None, 0
        self._sector(self._slots.BYTES)

    def free(self):
        """RefusedError when no slot is."""
        if self._other is None:
            words = "is on trial" if self.trial else "waits for the next start"
            raise RefusedError(f"an image {words}; no slot is free", smp.BAD_STATE)

    def _compare(self, version, content):
        if not content.get("downgrade") and _ordered(version) < _ordered(self.version):
            raise RefusedError(
                f"version: {version} is older than {self.version}, which runs", smp.INVALID
            )

    def image(self, slot):
        """Fault, version and digest of what is in a slot; kept, as all of it must be read."""
        if slot not in self._images:
            self._images[slot] = self._slots.image(slot)
        return self._images[slot]

    def _sector(self, at):
        self._images.pop(self._other, None)
        self._slots.erase(self._other, at)

    def _program(self, at, data):
        self._slots.program(self._other, at, data)


def sha(content):
    """Of an upload, as its first request has it."""
    found = content.get("sha", b"")
    if not isinstance(found, bytes) or len(found) != 32:  # noqa: PLR2004 - SHA-256
        raise RefusedError("sha: must be the 32 bytes of SHA-256 of the upload", smp.INVALID)
    return found


def _ordered(version):
    short, _, build = version.partition("+")
    return [int(part) for part in short.split(".")] + [int(build or 0)]


def _names(file):
    try:
        with open(file, "rb") as opened:
            return cbor.decode(opened.read())
    except (OSError, ValueError):
        return ()
