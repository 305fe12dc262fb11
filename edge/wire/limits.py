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
DESIRED_BYTES = 4 << 20
"""Bytes of one whole step: the node holds it in memory until its last part arrives."""
STATUS_ITEMS_LIMIT = 1024
"""Status objects in one frame; bounded by the desired set."""
BATCH_ENTRIES_LIMIT = 4096
"""Telemetry entries in one batch: as many of the smallest as BATCH_BYTES has room for."""
ENTRY_OVERHEAD = 64
"""Bytes counted for an entry beside its payload, so that tiny entries use up a window too."""
BATCH_BYTES = 256 << 10
"""Counted bytes of one batch at most: several batches fit a window on a slow link."""
PACK_LIMIT = 64 << 10
"""Bytes of one SenML pack (one call of an app)."""
PACK_RECORDS_LIMIT = 1000
"""Records of one SenML pack."""
WINDOW_DEFAULT = 1 << 20
"""Counted bytes a node may have unacknowledged unless the cloud grants another amount."""
WINDOW_MIN = PACK_LIMIT + ENTRY_OVERHEAD
"""Smallest window but 0 (which means pause): the largest entry must fit, or all would stop."""
LOG_LINE_LIMIT = 4096
"""Bytes of one log line; longer ones are cut by the node."""
LOG_BATCH_LIMIT = 256
"""Log lines in one frame."""
MODULE_LIMIT = 16 << 20
"""Bytes of an app's module, at the desk, on the wire and in the sandbox: MicroPython with its library
is 0.4 MB, and compiling takes many times a module's size in memory."""
FIRMWARE_LIMIT = 4 << 20
"""Bytes of a firmware image: a Pico has 2 MB of flash, with two slots for images."""
PATCH_LIMIT = 128 << 10
"""Bytes of a patch to an image: what our microcontrollers keep of one (firmware/device/patch.py)."""
PATCHES_LIMIT = 4
"""Patches to one image: from the versions that a fleet still runs; who is further behind gets it whole."""
MICROCONTROLLERS_LIMIT = 32
"""Microcontrollers of one node: a hub full of them is fewer."""
FILES_LIMIT = 1 << 20
"""Bytes of the files that a runtime runs: a large program in Python is a tenth of it, and the agent
holds them in memory while they run."""
FILES_COUNT_LIMIT = 256
"""Files of one app."""
FILE_NAME_LIMIT = 128
"""Characters of a file's name, folders included."""
FILE_DEPTH_LIMIT = 8
"""Parts of a file's name: packages in packages."""
SECRET_LIMIT = 16 << 10
"""Bytes of a secret's value; sealed, it is a few longer."""
SIGNATURE_LIMIT = 64 << 10
"""Bytes of an app's signatures: each repeats the signed manifest, which is under 6 KiB."""
LABELS_LIMIT = 64
"""Labels of a node; each has a key and a value of at most TEXT_LIMIT."""
RESOURCES_LIMIT = 1024
"""Resources of a board: a Raspberry Pi has about 40."""
STREAM_LIMIT = 64
"""Characters of a stream's name, as in the manifest."""
TEXT_LIMIT = 1024
"""Characters of a reason, message or error text."""
REPOSITORY_LIMIT = 255
"""Characters of a repository's name, as registries bound it (OCI distribution-spec)."""
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$(?!\n)"
"""RFC 1123 label: names of nodes, apps, grants. `$` alone would let a final newline pass."""

HEARTBEAT = 15.0
"""Seconds of silence after which a side sends Ping, unless Welcome says otherwise."""
DEADLINE_FACTOR = 3
"""A peer silent for this many heartbeats is lost."""
HANDSHAKE_TIMEOUT = 10.0
"""Seconds from opening to Welcome."""
CLOSE_TIMEOUT = 2.0
"""Seconds to wait for the peer's Close after ours."""
