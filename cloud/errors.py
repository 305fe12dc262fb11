"""Errors of the cloud: what a client did wrong, in Kubernetes' words, and what we could not do.

CloudError
├── StatusError            the client's to mend; rendered as a `Status` object
│   ├── BadRequest 400     the request cannot be read
│   ├── Unauthorized 401   nobody known
│   ├── Forbidden 403      understood, and refused
│   ├── NotFound 404
│   ├── MethodNotAllowed 405
│   ├── NotAcceptable 406
│   ├── AlreadyExists 409, Conflict 409
│   ├── Expired 410        history is compacted: list again
│   ├── TooLarge 413
│   ├── UnsupportedMediaType 415
│   ├── Invalid 422        `causes` name the fields
│   ├── TooManyRequests 429 asked too often; it says when to come back
│   ├── Unavailable 503    stopping: try again
│   └── NoRoom 507         the disk is full: the operator's to mend, then try again
├── InsecureAddress        the operator's: listening there needs an explicit word
├── DataInUse              the operator's: another service has this directory
└── StoreError             the service's to mend
    ├── NewerDatabase      written by a newer Skerry
    ├── UnreadableDatabase not a database, damaged, or not to be written
    ├── UnsupportedDatabase
    └── StoreClosed
"""

# ruff: noqa: N818 - Kubernetes' reasons are the names

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct


class CloudError(Exception):
    """Base of everything the cloud raises on purpose."""


class Cause(Struct, frozen=True, omit_defaults=True):
    """One field that is wrong, and what to do: a StatusCause of Kubernetes."""

    field: str
    message: str
    reason: str = ""


class StatusDetails(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a Status is about."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: Sequence[Cause] = ()
    retry_after_seconds: int = 0


class Status(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Kubernetes' meta/v1 Status."""

    status: str
    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None
    # Without defaults these two are always written.
    kind: str | None = None
    api_version: str | None = None
    metadata: dict[str, str] | None = None


class StatusError(CloudError):
    """The client's fault, said as Kubernetes says it."""

    code: ClassVar[int] = 400
    reason: ClassVar[str] = "BadRequest"

    def __init__(
        self, message: str, *, name: str = "", kind: str = "", causes: Sequence[Cause] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.kind = kind
        self.causes = tuple(causes)

    def status(self) -> Status:
        """The object to send."""
        group = "skerry.dev" if self.kind else ""
        details = StatusDetails(name=self.name, group=group, kind=self.kind, causes=self.causes)
        return Status(
            kind="Status",
            api_version="v1",
            metadata={},
            status="Failure",
            message=self.message,
            reason=self.reason,
            code=self.code,
            details=details,
        )


class BadRequest(StatusError, ValueError):
    """The request cannot be read."""


class Unauthorized(StatusError):
    """No credential, or none that is valid."""

    code = 401
    reason = "Unauthorized"


class Forbidden(StatusError):
    """Understood, and refused."""

    code = 403
    reason = "Forbidden"


class NotFound(StatusError, LookupError):
    """No such object, kind or path."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(StatusError):
    """The path exists, this verb on it does not."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(StatusError):
    """None of the media types asked for can be written."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(StatusError):
    """An object of this name is there."""

    code = 409
    reason = "AlreadyExists"


class Conflict(StatusError):
    """The object changed since the client read it."""

    code = 409
    reason = "Conflict"


class Expired(StatusError):
    """The revision asked for is compacted away, or the watcher fell too far behind."""

    code = 410
    reason = "Expired"


class TooLarge(StatusError):
    """The body is larger than the bound."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    """The body's media type is not understood here."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(StatusError, ValueError):
    """Fields are wrong; `causes` names each with a remedy."""

    code = 422
    reason = "Invalid"


class TooManyRequests(StatusError):
    """Asked too often."""

    code = 429
    reason = "TooManyRequests"

    def __init__(self, message: str, *, retry_after: float) -> None:
        """`retry_after` is in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(StatusError):
    """Not now; the client should try again."""

    code = 503
    reason = "ServiceUnavailable"


class NoRoom(StatusError):
    """The disk is full; nothing of the request was kept."""

    code = 507
    reason = "InsufficientStorage"


class InsecureAddress(CloudError, ValueError):
    """Others could reach the service, and there is no TLS."""


class DataInUse(CloudError):
    """Another service works in this directory."""


class StoreError(CloudError):
    """The store could not do it; not the client's fault."""


class NewerDatabase(StoreError):
    """The file was written by a newer Skerry."""


class UnreadableDatabase(StoreError):
    """The file is no database, is damaged, or may not be written."""


class UnsupportedDatabase(StoreError, ValueError):
    """The URL names a database this version does not speak."""


class StoreClosed(StoreError):
    """The database is closed or closing."""
