# What is in the firmware as bytecode: what all ports share, and what runs first on this one.
include("$(PROJECT_DIR)/firmware/manifest.py")
freeze("$(PORT_DIR)/frozen")
