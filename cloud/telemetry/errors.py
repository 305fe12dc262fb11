"""Errors of the telemetry store.

TelemetryError (CloudError)
├── SenmlError (ValueError)     a pack that is not SenML; the text names record and label
└── EntryError (ValueError)     an entry that cannot be stored for another reason
"""

from cloud.errors import CloudError


class TelemetryError(CloudError):
    """Base of every error raised by `cloud.telemetry`."""


class SenmlError(TelemetryError, ValueError):
    """The payload is not a SenML pack (RFC 8428)."""


class EntryError(TelemetryError, ValueError):
    """The entry around the pack is wrong, or its node is over a bound."""
