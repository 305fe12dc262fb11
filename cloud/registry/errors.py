"""Errors of the registry.

CloudError
├── RegistryError     the client's to mend; carries a code of the OCI distribution spec
└── ArtifactError
    ├── ArtifactNotFoundError (LookupError)
    └── ArtifactInvalidError (ValueError)     no app of ours; the text names the field
"""

from enum import Enum

from cloud.errors import CloudError


class Code(Enum):
    """Error codes of the distribution spec v1.1."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    NO_ROOM = "INSUFFICIENT_STORAGE"
    """Ours: the specification has no word for it."""


STATUS = {
    Code.BLOB_UNKNOWN: 404,
    Code.BLOB_UPLOAD_INVALID: 400,
    Code.BLOB_UPLOAD_UNKNOWN: 404,
    Code.DIGEST_INVALID: 400,
    Code.MANIFEST_BLOB_UNKNOWN: 404,
    Code.MANIFEST_INVALID: 400,
    Code.MANIFEST_UNKNOWN: 404,
    Code.NAME_INVALID: 400,
    Code.NAME_UNKNOWN: 404,
    Code.SIZE_INVALID: 413,
    Code.UNSUPPORTED: 405,
    Code.NO_ROOM: 507,
}
"""HTTP status of each code."""


class RegistryError(CloudError):
    """A request that cannot be done."""

    def __init__(self, code: Code, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS[code]


class OffsetError(RegistryError):
    """A chunk that does not start where the upload stands, at `offset`."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(Code.BLOB_UPLOAD_INVALID, message, status=416)
        self.offset = offset


class ArtifactError(CloudError):
    """An artifact that cannot be deployed."""


class ArtifactNotFoundError(ArtifactError, LookupError):
    """Nothing of this name, tag or digest is in the registry."""


class ArtifactInvalidError(ArtifactError, ValueError):
    """It is in the registry and is no app; the text names the field."""
