"""What an app declares about itself: `app.toml` on a desk, JSON in the registry."""

from enum import Enum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$(?!\n)"
RELEASE = r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]{1,32})?$(?!\n)"
"""Three numbers, as edge.trust orders them, and what people add."""
STREAM = r"^[A-Za-z0-9][-A-Za-z0-9:._/]{0,63}$(?!\n)"
"""Characters SenML allows in a name (RFC 8428 section 4.5.1), without an empty one."""


class GrantKind(Enum):
    """Which host module a grant opens."""

    GPIO = "gpio"
    I2C = "i2c"
    SERIAL = "serial"
    SECRET = "secret"  # noqa: S105 - a kind, not one


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of hardware, or a secret, that the app asks for by a name of its own."""

    kind: GrantKind
    description: Annotated[str, Meta(max_length=200)] = ""
    optional: bool = False
    direction: Annotated[str, Meta(pattern=r"^(in|out)$(?!\n)")] = "in"
    pull: Annotated[str, Meta(pattern=r"^(none|up|down)$(?!\n)")] = "none"
    edge: Annotated[str, Meta(pattern=r"^(none|rising|falling|both)$(?!\n)")] = "none"
    active_low: bool = False
    initial: bool = False
    baudrate: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    parity: Annotated[str, Meta(pattern=r"^[NEO]$(?!\n)")] = "N"
    stopbits: Annotated[int, Meta(ge=1, le=2)] = 1


class Durability(Enum):
    """When an app's call returns: docs/telemetry.md says what survives what."""

    SYNCED = "synced"
    RELAXED = "relaxed"


class OnFull(Enum):
    """What a stream does when the outbox has no room for it."""

    DROP_OLDEST = "drop-oldest"
    REFUSE = "refuse"


class Stream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One telemetry stream; its name is the SenML base of its records."""

    unit: Annotated[str, Meta(max_length=16)] = ""
    """SenML unit, RFC 8428 section 12.1: `Cel`, `%RH`, `Pa`."""
    durability: Durability = Durability.RELAXED
    on_full: OnFull = OnFull.DROP_OLDEST
    description: Annotated[str, Meta(max_length=200)] = ""


class TwinType(Enum):
    """Type of a twin property."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"


class TwinProperty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value shared with the cloud: desired there, reported here (KubeEdge v1beta1 words)."""

    type: TwinType
    access: Annotated[str, Meta(pattern=r"^(ReadWrite|ReadOnly)$(?!\n)")] = "ReadWrite"
    default: bool | int | float | str | None = None
    min: float | None = None
    max: float | None = None
    unit: Annotated[str, Meta(max_length=16)] = ""
    description: Annotated[str, Meta(max_length=200)] = ""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an app may use; the node may grant less, never more than its own maximum."""

    memory: Annotated[int, Meta(ge=65536, le=1 << 30)] = 8 << 20
    """Bytes of linear memory."""
    cpu_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of one core over a second; above it the app is slowed down."""
    cpu_budget: Annotated[float, Meta(ge=0.01, le=3600)] = 5.0
    """CPU seconds between two waits; above it the app is ended as OutOfBudget."""
    watchdog: Annotated[float, Meta(ge=0.1, le=86400)] = 60.0
    """Seconds without a return to wait before the app counts as Hung."""
    storage: Annotated[int, Meta(ge=0, le=1 << 30)] = 1 << 20
    """Bytes of data directory and key-value store together."""
    files: Annotated[int, Meta(ge=0, le=1024)] = 16
    """Files and directories open at once."""
    telemetry_rate: Annotated[float, Meta(gt=0, le=1e6)] = 1000.0
    """SenML records a second, with a burst of ten seconds' worth."""
    log_rate: Annotated[float, Meta(gt=0, le=1e4)] = 10.0
    """Log lines a second, with a burst of ten seconds' worth."""


class RestartPolicy(Enum):
    """When an app that ended is started again."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class Restart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Restart policy; the delay doubles from `backoff` to `backoff_max` and resets after `settle`."""

    policy: RestartPolicy = RestartPolicy.ALWAYS
    backoff: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    backoff_max: Annotated[float, Meta(gt=0, le=86400)] = 300.0
    settle: Annotated[float, Meta(ge=0, le=86400)] = 10.0
    """Seconds of running after which a start counts as good."""


class Runtime(Enum):
    """What runs an app's files when its module is shared with others: docs/apps.md."""

    PYTHON = "python"


Name = Annotated[str, Meta(pattern=NAME)]
Key = Annotated[str, Meta(pattern=STREAM)]


class AppManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`app.toml`: the app's name and version, what it asks for and what it sends."""

    name: Name
    version: Annotated[str, Meta(pattern=RELEASE)]
    description: Annotated[str, Meta(max_length=200)] = ""
    abi: Annotated[int, Meta(ge=1, le=1)] = 1
    """Guest ABI it was built for: docs/guest-abi.md."""
    runtime: Runtime | UnsetType = UNSET
    """The app is files, and its module runs them. Not written when unset, and refused by who does not
    know it: a node too old for files says so, and does not run the bare module."""
    grants: Annotated[dict[Name, Grant], Meta(max_length=64)] = field(
        default_factory=dict[str, Grant]
    )
    telemetry: Annotated[dict[Key, Stream], Meta(max_length=64)] = field(
        default_factory=dict[str, Stream]
    )
    twin: Annotated[dict[Key, TwinProperty], Meta(max_length=64)] = field(
        default_factory=dict[str, TwinProperty]
    )
    limits: Limits = Limits()
    restart: Restart = Restart()
