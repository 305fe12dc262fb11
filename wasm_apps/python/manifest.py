# What is in the runtime as bytecode.
include("$(MPY_DIR)/extmod/asyncio")
