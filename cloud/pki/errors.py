"""Errors of the cloud's certificate authority.

CloudError
├── PkiError                     the operator's: keys on the disk, or a step out of order
└── StatusError
    ├── JoinRefused 403          a token or certificate that does not do; the text names which rule
    ├── NotProven 401            no certificate, or a signature that does not fit
    ├── NameTaken 409            another key has this name
    └── TooMany 429              of unanswered requests
"""

# ruff: noqa: N818 - named as the statuses are

from cloud.errors import CloudError, StatusError


class PkiError(CloudError):
    """The CA's files are unusable, or a step of its rotation is out of order."""


class JoinRefused(StatusError):
    """The token or the certificate does not allow it."""

    code = 403
    reason = "Forbidden"


class NotProven(StatusError):
    """The asker has not shown who it is."""

    code = 401
    reason = "Unauthorized"


class NameTaken(StatusError):
    """Another key has this name."""

    code = 409
    reason = "AlreadyExists"


class TooMany(StatusError):
    """More than is kept; try again later."""

    code = 429
    reason = "TooManyRequests"
