"""Errors a person at a desk sees; each text says what to do.

ClientError
├── UnreachableError   no cloud answers at the address
├── RefusedError       the cloud answered no: carries its reason and causes
└── InputError (ValueError)  what was typed or the file that was given is wrong
"""


class ClientError(Exception):
    """Base of what a verb reports and exits 1 for."""


class UnreachableError(ClientError):
    """No cloud answers."""


class RefusedError(ClientError):
    """The cloud refused; `reason` is the Kubernetes reason or the OCI code."""

    def __init__(self, message: str, *, code: int, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class InputError(ClientError, ValueError):
    """A wrong argument or file."""
