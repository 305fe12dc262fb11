"""Every bound of the protocol, each with its reason."""

VERSION = 1
"""Protocol spoken by this code."""
OLDEST_VERSION = 1
"""Oldest protocol still understood."""

FRAME_LIMIT = 1 << 20
"""Bytes in one message: a security limit; the largest honest frame is a telemetry batch."""
NESTING_LIMIT = 16
"""Depth of CBOR nesting accepted; our messages need 6."""
SPEC_LIMIT = 256 << 10
"""Bytes of one desired object; a manifest with 64 grants is under 8 KiB."""
DESIRED_LIMIT = 1024
"""Objects in one node's desired set; a board runs tens of apps."""
DESIRED_CHUNK = 512 << 10
"""Bytes of desired objects put into one frame before the set is split with `more`."""
STATUS_ITEMS_LIMIT = 1024
"""Status objects in one frame; bounded by the desired set."""
BATCH_ENTRIES_LIMIT = 4096
"""Telemetry entries in one batch."""
BATCH_BYTES = 256 << 10
"""Payload bytes at which a batch is closed: several batches fit a window on a slow link."""
PACK_LIMIT = 64 << 10
"""Bytes of one SenML pack (one call of an app)."""
PACK_RECORDS_LIMIT = 1000
"""Records of one SenML pack."""
WINDOW_DEFAULT = 1 << 20
"""Telemetry bytes a node may have unacknowledged unless the cloud grants another amount."""
LOG_LINE_LIMIT = 4096
"""Bytes of one log line; longer ones are cut by the node."""
LOG_BATCH_LIMIT = 256
"""Log lines in one frame."""
TEXT_LIMIT = 1024
"""Characters of a reason, message or error text."""
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""RFC 1123 label: names of nodes, apps, grants."""

HEARTBEAT = 15.0
"""Seconds of silence after which a side sends Ping, unless Welcome says otherwise."""
DEADLINE_FACTOR = 3
"""A peer silent for this many heartbeats is lost."""
HANDSHAKE_TIMEOUT = 10.0
"""Seconds from opening to Welcome."""
