"""What happened to identities, one line each; the audit log takes these over."""

import logging

import msgspec

_log = logging.getLogger("skerry.audit")


def audit(event: str, subject: str, address: str = "", **detail: str) -> None:
    """Record an event: `join`, `join-refused`, `renew`, `revoke`… Never give it a secret."""
    facts = {"event": event, "subject": subject, "address": address, **detail}
    _log.info("%s", msgspec.json.encode(facts).decode())
