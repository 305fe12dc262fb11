# What is in the firmware as bytecode: what all ports share, the port's own `rp2`, and what runs first
# here, in place of the port's `_boot`, which formats what it cannot read.
include("$(PROJECT_DIR)/firmware/manifest.py")
freeze("$(PORT_DIR)/modules", "rp2.py")
freeze("$(BOARD_DIR)/frozen")
