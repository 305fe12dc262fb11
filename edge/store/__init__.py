"""What the node must not lose: desired set, outbox, key-value; only importer of lmdb.

`Store.open` is the way in; docs/telemetry.md says what survives what.
"""

from edge.store.store import Store

__all__ = ["Store"]
