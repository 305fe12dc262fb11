"""Errors of the agent itself; `edge.wire`, `edge.store` and `edge.sandbox` have trees of their own.

AgentError
├── GrantError (ValueError)    an app's grant does not fit the board
├── PrepareError               an app's code cannot be fetched or compiled
│   ├── RetryableError         the network or the disk: trying again can help
│   └── UnusableError          the bytes themselves: only another version helps
├── ControlError (ValueError)  a request on the control socket that cannot be served
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


class ControlError(AgentError, ValueError):
    """The request names an unknown verb, app or value."""


class ScenarioError(AgentError, ValueError):
    """A test cannot be run; the message names the file and the key."""
