"""Errors of a node's identity.

AgentError
└── IdentityError (ValueError)   what was configured or lies on the disk does not do
    └── WorkerError              the child that does the cryptography failed
"""

from edge.errors import AgentError


class IdentityError(AgentError, ValueError):
    """No identity can be had with what the node was given."""


class WorkerError(IdentityError):
    """The child failed; its last words are in the text."""
