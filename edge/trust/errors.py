"""Errors of trust; each message says whose fault it is and what to do.

TrustError
├── MalformedError (ValueError)  bytes that are not what they should be
├── KeyFileError (ValueError)    a private key that cannot be read
├── RootError                    a root that cannot be trusted, or cannot follow the held one
└── Refused                      an artifact that may not run; carries a Reason
"""

from enum import Enum


class Reason(Enum):
    """Why an artifact may not run: one word, as people see it in an app's status."""

    NO_ROOT = "NoTrustRoot"
    UNSIGNED = "Unsigned"
    SIGNATURE_INVALID = "SignatureInvalid"
    SIGNER_UNKNOWN = "SignerUnknown"
    TOO_FEW_SIGNATURES = "TooFewSignatures"
    ROOT_EXPIRED = "RootExpired"
    EXPIRED = "SignatureExpired"
    MISMATCH = "SignatureMismatch"
    CAPABILITY = "CapabilityNotSigned"
    ROLLBACK = "VersionRollback"


CURABLE = frozenset({Reason.SIGNER_UNKNOWN, Reason.TOO_FEW_SIGNATURES, Reason.ROOT_EXPIRED})
"""What a newer root can change; everything else needs another signature."""


class TrustError(Exception):
    """Base of the tree."""


class MalformedError(TrustError, ValueError):
    """Not a document of ours."""


class KeyFileError(TrustError, ValueError):
    """The key file is damaged, encrypted or of another kind."""


class RootError(TrustError):
    """The root breaks a rule."""


class Refused(TrustError):  # noqa: N818 - a verdict, not a fault of this program
    """The artifact may not run."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
