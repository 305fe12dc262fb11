# Runs before anything else: mounts the file system. Only blank flash is formatted; what is there
# and cannot be read is left for somebody who wants it back.
import vfs
from mps2 import Flash

flash = Flash()
try:
    vfs.mount(flash, "/")
except OSError:
    first = bytearray(512)
    flash.readblocks(0, first)
    if bytes(first) in (bytes(512), b"\xff" * 512):
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(flash, "/")
    else:
        print("the file system in flash is damaged, and left as it is")
del flash
