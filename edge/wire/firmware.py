"""Firmware of attached microcontrollers, as it travels: what a node shall install, and how it went.

`FirmwareManifest` is also the config of the artifact in the registry, there as JSON.
"""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct, field

from edge.wire import limits
from edge.wire.manifest import RELEASE
from edge.wire.messages import Counter, Digest, Module, Name, Signature, Text

MaybeName = Annotated[
    str, Meta(pattern=rf"^({limits.NAME_PATTERN[1:].partition('$')[0]})?$(?!\n)")
]


class FirmwareManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image is, said by who pushed it; the signature covers all of it."""

    name: Name
    version: Annotated[str, Meta(pattern=RELEASE)]
    board: Name
    """The kind of microcontroller it is built for: `mps2`, `pico`."""
    digest: Digest
    size: Annotated[int, Meta(ge=1, le=limits.FIRMWARE_LIMIT)]


class FirmwarePatch(Struct, frozen=True, kw_only=True):
    """A shorter way to an image, from one that a microcontroller may run: a blob beside the image.

    Nobody signs it, and nothing it says of itself is believed: what it makes is judged by the digest
    of the image, which is signed.
    """

    base: Digest
    """Of the image that must run, as bootloaders name it: not of all its bytes, as MCUboot has it."""
    digest: Digest
    size: Annotated[int, Meta(ge=1, le=limits.PATCH_LIMIT)]


class DesiredFirmware(Struct, frozen=True, kw_only=True):
    """Spec of kind `firmware`: what one microcontroller of the node shall run."""

    manifest: FirmwareManifest
    image: Module
    """Where the bytes are: a blob in the registry, of the manifest's digest and size."""
    microcontroller: MaybeName = ""
    """By the node's name for it; empty: the only one of the manifest's board."""
    signature: Signature = b""
    """Who vouches for it: edge.trust.signed; nothing when nobody does."""
    patches: Annotated[list[FirmwarePatch], Meta(max_length=limits.PATCHES_LIMIT)] = field(
        default_factory=list[FirmwarePatch]
    )
    """Ways to it that are shorter; older nodes fetch the image."""

    def blob(self, patch: FirmwarePatch) -> Module:
        """Where the bytes of one of the patches are."""
        return Module(repository=self.image.repository, digest=patch.digest, size=patch.size)


class FirmwareState(Enum):
    """Where an update is; the last four stay until the spec or the hardware changes."""

    WAITING = "Waiting"
    """No microcontroller that it is for is attached."""
    VERIFYING = "Verifying"
    FETCHING = "Fetching"
    UPLOADING = "Uploading"
    TRIAL = "Trial"
    """The microcontroller has it and must show that it runs."""
    RUNNING = "Running"
    ROLLED_BACK = "RolledBack"
    """It was tried, and the microcontroller went back to what it ran before."""
    REFUSED = "Refused"
    """The node or the microcontroller will not have it: signature, board, version."""
    FAILED = "Failed"
    """Tried as often as it may be."""


class FirmwareStatus(Struct, frozen=True, kw_only=True):
    """Status of kind `firmware`."""

    state: FirmwareState
    reason: Text = ""
    """One word: `NotAttached`, `WrongBoard`, `VersionRollback`."""
    message: Text = ""
    """For a person: what happened and what to do."""
    digest: str = ""
    """Of the image that this state is about."""
    version: Text = ""
    """What the microcontroller runs, as it says itself; empty while none is attached."""
    microcontroller: Text = ""
    """Which one it is, by the node's name for it."""
    slot: Text = ""
    """The slot it runs from, where it has two."""
    progress: Annotated[int, Meta(ge=0, le=100)] = 0
    """Percent of the image that is on the microcontroller."""
    attempts: Counter = 0
    """How often it was tried and did not succeed."""
    since_ns: int = 0
    """When this state began."""
    patched: bool = False
    """It came as a patch."""
    unpatched: Text = ""
    """Why the image is fetched and sent whole although there are patches; empty where there are none."""
    fetched: Counter = 0
    """Bytes that came from the registry for it."""
    sent: Counter = 0
    """Bytes of image and patch that went over the link for it, again ones included."""


class Microcontroller(Struct, frozen=True, kw_only=True):
    """One that is attached to the node, or was since the agent started."""

    name: Text
    id: Text = ""
    """Its serial number, or what else tells it from others."""
    board: Text = ""
    version: Text = ""
    """Of the firmware it runs, as it says itself."""
    slot: Text = ""
    """Where it runs from, if it has two."""
    connected: bool = False
    since_ns: int = 0
    """When it became connected, or was lost."""
    rollback: Text = ""
    """Why it went back to an older image last; empty when it did not."""


class AttachedStatus(Struct, frozen=True, kw_only=True):
    """Status of kind `microcontrollers`: all of them; its name is the node's."""

    microcontrollers: Annotated[
        list[Microcontroller], Meta(max_length=limits.MICROCONTROLLERS_LIMIT)
    ] = field(default_factory=list[Microcontroller])
