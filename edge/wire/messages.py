"""What travels between a node and the cloud; each message is one CBOR map with a `t` tag.

Times are nanoseconds since 1970 UTC as the sender believes them; sizes are bytes.
Unknown fields are ignored and new fields carry defaults, so that old and new peers meet.
"""

import hashlib
from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct, field

from edge.wire import limits
from edge.wire.manifest import AppManifest, Limits, Restart

Name = Annotated[str, Meta(pattern=limits.NAME_PATTERN)]
Text = Annotated[str, Meta(max_length=limits.TEXT_LIMIT)]
Counter = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Repository = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$(?!\n)", max_length=limits.REPOSITORY_LIMIT)
]
Signature = Annotated[bytes, Meta(max_length=limits.SIGNATURE_LIMIT)]
Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]


class Message(Struct, frozen=True, kw_only=True, tag_field="t"):
    """Base of everything that travels."""


# --- opening -----------------------------------------------------------------------------------


class Hello(Message, tag="hello", frozen=True):
    """First message of a node: who it is and what it holds."""

    versions: tuple[int, int]
    """Oldest and newest protocol it speaks."""
    node: Name
    boot_id: Text
    """Changes at each start of the agent; tells two processes with one identity apart."""
    agent: Text
    """Version of the agent."""
    epoch: Counter
    """Identity of its outbox; a new store has a new epoch."""
    last_seq: Counter
    """Highest sequence number it has ever assigned in this epoch; 0 when none."""
    revision: Counter
    """Desired revision it has persisted; 0 when it has none."""
    labels: Annotated[dict[Text, Text], Meta(max_length=limits.LABELS_LIMIT)] = field(
        default_factory=dict[str, str]
    )
    board: Text = ""
    resources: Annotated[list[Text], Meta(max_length=limits.RESOURCES_LIMIT)] = field(
        default_factory=list[str]
    )
    """Names that can be granted on this board."""
    root: Counter = 0
    """Version of the root of trust it holds; 0 without one."""
    unsigned: bool = False
    """It runs apps that nobody signed, because its configuration says so."""


class Welcome(Message, tag="welcome", frozen=True):
    """The cloud's answer to Hello."""

    version: int
    time_ns: Counter
    acked_seq: Counter
    """Telemetry of the node's epoch up to here is stored."""
    window: Counter = limits.WINDOW_DEFAULT
    """Telemetry bytes the node may have unacknowledged."""
    heartbeat: Annotated[float, Meta(ge=0.05, le=3600)] = limits.HEARTBEAT
    new_epoch: bool = False
    """The node's store went back in time (acked_seq > last_seq): start another epoch."""


class Close(Message, tag="close", frozen=True):
    """Why the sender ends the session."""

    code: "CloseCode"
    reason: Text = ""


class CloseCode(Enum):
    """Whose fault an end is, and whether trying again can help."""

    NORMAL = "normal"
    VERSION = "version"
    PROTOCOL = "protocol"
    REFUSED = "refused"
    REPLACED = "replaced"
    OVERLOAD = "overload"
    TIMEOUT = "timeout"


class Ping(Message, tag="ping", frozen=True):
    """Asks for a Pong."""

    id: Counter


class Pong(Message, tag="pong", frozen=True):
    """Answers a Ping."""

    id: Counter


# --- down: the desired set ---------------------------------------------------------------------


class DesiredItem(Struct, frozen=True, kw_only=True):
    """One object a node shall have; `spec` is CBOR of the Struct that `kind` names."""

    kind: Name
    name: Name
    generation: Counter
    spec: Annotated[bytes, Meta(max_length=limits.SPEC_LIMIT)]


class Desired(Message, tag="desired", frozen=True):
    """A step to `revision`, from `base` or, when base is None, from nothing (the whole set).

    A large step comes in parts: all but the last have `more`. The node persists the step whole
    and then acknowledges. One step is in flight at a time.
    """

    revision: Counter
    base: Counter | None
    put: Annotated[list[DesiredItem], Meta(max_length=limits.DESIRED_LIMIT)] = field(
        default_factory=list[DesiredItem]
    )
    remove: Annotated[list[tuple[Name, Name]], Meta(max_length=limits.DESIRED_LIMIT)] = field(
        default_factory=list[tuple[str, str]]
    )
    """(kind, name) of objects to drop."""
    more: bool = False


class DesiredAck(Message, tag="desired_ack", frozen=True):
    """`revision` is on the node's disk."""

    revision: Counter


class DesiredReset(Message, tag="desired_reset", frozen=True):
    """The node cannot use the step (it holds `revision`, not its base); send from there or whole."""

    revision: Counter
    reason: Text = ""


# --- up: status, telemetry, logs ---------------------------------------------------------------


class StatusItem(Struct, frozen=True, kw_only=True):
    """Observed state of one object; `status` is CBOR of the Struct that `kind` names."""

    kind: Name
    name: Name
    generation: Counter
    """Generation of the spec that was observed."""
    status: Annotated[bytes, Meta(max_length=limits.SPEC_LIMIT)]


class Status(Message, tag="status", frozen=True):
    """Observed state that changed, or with `whole` all of it. One is in flight at a time."""

    id: Counter
    items: Annotated[list[StatusItem], Meta(max_length=limits.STATUS_ITEMS_LIMIT)]
    whole: bool = False


class StatusAck(Message, tag="status_ack", frozen=True):
    """The status message is stored."""

    id: Counter


class EntryKind(Enum):
    """What a telemetry entry holds."""

    SENML = "senml"
    """`payload` is one SenML pack in CBOR (RFC 8428 section 6)."""
    GAP = "gap"
    """`payload` is CBOR of Gap: readings that the full outbox dropped."""


class Entry(Struct, frozen=True, kw_only=True, array_like=True):
    """One call of an app: a SenML pack of one stream."""

    seq: Counter
    kind: EntryKind
    app: Name
    stream: Annotated[str, Meta(max_length=limits.STREAM_LIMIT)]
    time_ns: int
    """When the call was made; base for relative SenML times."""
    payload: Annotated[bytes, Meta(max_length=limits.PACK_LIMIT)]


class Gap(Struct, frozen=True, kw_only=True):
    """How much of a stream was dropped, and between which times."""

    records: Counter
    first_ns: int
    last_ns: int


class Telemetry(Message, tag="telemetry", frozen=True):
    """Entries of one epoch with strictly rising sequence numbers (not always consecutive)."""

    epoch: Counter
    entries: Annotated[list[Entry], Meta(min_length=1, max_length=limits.BATCH_ENTRIES_LIMIT)]


class TelemetryAck(Message, tag="telemetry_ack", frozen=True):
    """Everything of `epoch` up to `seq` is committed; `window` replaces the earlier one."""

    epoch: Counter
    seq: Counter
    window: Counter = limits.WINDOW_DEFAULT


class LogLine(Struct, frozen=True, kw_only=True, array_like=True):
    """One line of an app (or of the agent itself when `app` is empty)."""

    seq: Counter
    app: Text
    level: int
    """RFC 5424 severity: 3 error, 4 warning, 6 info, 7 debug."""
    time_ns: int
    text: Annotated[str, Meta(max_length=limits.LOG_LINE_LIMIT)]


class Logs(Message, tag="logs", frozen=True):
    """Lines since the last acknowledged; sequence numbers belong to the boot. One in flight."""

    lines: Annotated[list[LogLine], Meta(min_length=1, max_length=limits.LOG_BATCH_LIMIT)]
    dropped: Counter = 0
    """Lines lost from the bounded buffer before the first of these."""


class LogsAck(Message, tag="logs_ack", frozen=True):
    """Lines up to `seq` are stored."""

    seq: Counter


# --- the specs and statuses that travel inside ------------------------------------------------


class Module(Struct, frozen=True, kw_only=True):
    """Where an app's code is: a blob in the registry."""

    repository: Repository
    digest: Digest
    size: Annotated[int, Meta(ge=1, le=limits.MODULE_LIMIT)]


class Files(Struct, frozen=True, kw_only=True):
    """Where the files of an app with a runtime are: a blob in the registry, `edge.wire.files`."""

    repository: Repository
    digest: Digest
    size: Annotated[int, Meta(ge=1, le=limits.FILES_LIMIT)]


class GrantedSecret(Struct, frozen=True, kw_only=True):
    """A value the operator grants an app."""

    ref: Text
    """`NAME/KEY@digest`: which value of which Secret; another value has another digest."""
    value: Annotated[bytes, Meta(max_length=limits.SECRET_LIMIT)] = b""
    """Plain on the wire, sealed in the node's store, empty in the cloud's objects."""

    def __repr__(self) -> str:
        return f"GrantedSecret({self.ref})"


class DesiredApp(Struct, frozen=True, kw_only=True):
    """Spec of kind `app`: everything a node needs to run it."""

    manifest: AppManifest
    module: Module
    grants: dict[str, str] = field(default_factory=dict[str, str])
    """Grant name of the manifest → resource of the board: `i2c-1:0x48`, `GPIO17`, `serial0`."""
    twin: dict[str, "Scalar"] = field(default_factory=dict[str, "Scalar"])
    """Desired values of writable twin properties; changing them does not restart the app."""
    limits: Limits = Limits()
    """Already merged: the manifest's with the operator's overrides."""
    restart: Restart = Restart()
    secrets: dict[str, GrantedSecret] = field(default_factory=dict[str, GrantedSecret])
    """Grant name of the manifest → the secret."""
    signature: Signature = b""
    """Who vouches for manifest, module and files: edge.trust.signed; nothing when nobody does."""
    files: Files | None = None
    """What the module runs, when the manifest names a runtime; older nodes refuse that manifest."""

    @property
    def code_digest(self) -> str:
        """Names what runs: the module, or of an app with files these files under this name in it.

        A runtime's digest is that of many apps, and two of them may have equal files.
        """
        if self.files is None:
            return self.module.digest
        whole = f"{self.manifest.name}\n{self.module.digest}\n{self.files.digest}"
        return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


Scalar = bool | int | float | str


class AppState(Enum):
    """Where an app is; the five ends stay visible until it runs again."""

    PENDING = "Pending"
    FETCHING = "Fetching"
    COMPILING = "Compiling"
    RUNNING = "Running"
    HELD = "Held"
    FAILED = "Failed"
    """Cannot start: bad module, missing grant, unknown import. Needs a change, not a retry."""
    EXITED = "Exited"
    TRAPPED = "Trapped"
    OUT_OF_BUDGET = "OutOfBudget"
    OUT_OF_MEMORY = "OutOfMemory"
    HUNG = "Hung"


class AppStatus(Struct, frozen=True, kw_only=True):
    """Status of kind `app`."""

    state: AppState
    reason: Text = ""
    """One word or short phrase: `CrashLoop`, `ImageInvalid`."""
    message: Text = ""
    """For a person: what happened and what to do."""
    digest: str = ""
    """`DesiredApp.code_digest` of what runs or ran last."""
    version: str = ""
    restarts: Counter = 0
    exit_code: int | None = None
    since_ns: int = 0
    """When this state began."""
    ready: bool = False
    """Running and past its start-up time without a failure."""
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Values the app reported."""
    dropped_records: Counter = 0
    """Telemetry records refused or dropped by limits since the agent started."""
    dropped_lines: Counter = 0


class BootStatus(Struct, frozen=True, kw_only=True):
    """Status of kind `boot`: how this start of the board went; its name is the node's.

    Seconds are the kernel's (CLOCK_BOOTTIME): what the firmware took before is not in them.
    """

    id: Text
    """The kernel's: changes with each start of the board."""
    slot: Text = ""
    """Which of two systems runs: `A` or `B`."""
    agent_seconds: Annotated[float, Meta(ge=0)]
    """Until the first agent of this boot."""
    app_seconds: Annotated[float, Meta(ge=0)] | None = None
    """Until its first app ran; None until then."""


UpMessage = Hello | DesiredAck | DesiredReset | Status | Telemetry | Logs | Ping | Pong | Close
DownMessage = Welcome | Desired | StatusAck | TelemetryAck | LogsAck | Ping | Pong | Close
