# What is in the firmware as bytecode: asyncio, what runs first, and the link to the node.
include("$(MPY_DIR)/extmod/asyncio")
freeze("$(PORT_DIR)/frozen")
freeze(
    "$(PROJECT_DIR)",
    tuple(
        "firmware/link/%s.py" % name
        for name in ("__init__", "cbor", "console", "errors", "frame", "session", "smp")
    ),
)
