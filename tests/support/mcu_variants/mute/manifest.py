include("$(PROJECT_DIR)/firmware/manifest.py")
freeze("$(PORT_DIR)/frozen", "_boot.py")
freeze("main")
