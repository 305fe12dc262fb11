"""Errors of the agent itself; `edge.wire`, `edge.store` and `edge.sandbox` have trees of their own.

AgentError
├── GrantError (ValueError)    an app's grant does not fit the board
├── PrepareError               an app's code cannot be fetched or compiled
│   ├── RetryableError         the network or the disk: trying again can help
│   ├── UnusableError          the bytes themselves: only another version helps
│   └── RefusedError           nobody who may has signed it; carries a reason
├── ControlError (ValueError)  a request on the control socket that cannot be served
├── TrustConfigError (ValueError) the root of trust that was given cannot be used
└── ScenarioError (ValueError) an app's test, its manifest or its module is not in order
"""


class AgentError(Exception):
    """Base of the agent's own errors."""


class GrantError(AgentError, ValueError):
    """A grant is missing, malformed or names nothing on this board."""


class PrepareError(AgentError):
    """An app's code is not ready to run."""


class RetryableError(PrepareError):
    """Trying again can help."""


class UnusableError(PrepareError):
    """Only another version of the app can help."""


class RefusedError(PrepareError):
    """The signature does not allow it; `curable` when a newer root of trust may."""

    def __init__(self, reason: str, message: str, *, curable: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.curable = curable


class TrustConfigError(AgentError, ValueError):
    """The file with the root of trust is missing or is none."""


class KeyStoreError(AgentError, ValueError):
    """`--key-store` names no token as RFC 7512 does, or the library for tokens is not here."""


class ControlError(AgentError, ValueError):
    """The request names an unknown verb, app or value."""


class ScenarioError(AgentError, ValueError):
    """A test cannot be run; the message names the file and the key."""
