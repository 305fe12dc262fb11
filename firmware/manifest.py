# What every port has in it as bytecode: asyncio, the link, the device, the drivers of sensors.
# Sorted, because the order is in the firmware's bytes and a folder's own order is anybody's.
import os

include("$(MPY_DIR)/extmod/asyncio")
for folder in ("link", "device", "drivers"):
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    package("firmware/" + folder, names, base_path="..")
