"""Our own pytest plugin, for a checkout that is not installed."""

pytest_plugins = ["qemu.board.plugin"]
