"""Taking a node out of a flattened device tree (Devicetree Specification, chapter 5).

Its tokens become no-operations, so that no offset moves and the rest keeps its bytes.
"""

import struct

from qemu.board.errors import ImageError

_MAGIC = 0xD00DFEED
_BEGIN, _END, _PROPERTY, _NOP, _FINISH = 1, 2, 3, 4, 9


def without(blob: bytes, path: str) -> bytes:
    """`blob` without the node at `path` (`/soc/serial@7e201000/bluetooth`).

    Raises ImageError when it is no device tree or has no such node.
    """
    try:
        magic, _, start = struct.unpack_from(">3I", blob)
        if magic != _MAGIC:
            raise ImageError("not a flattened device tree")
        begin, end = _find(blob, start, path)
    except (struct.error, ValueError) as fault:
        if isinstance(fault, ImageError):
            raise
        raise ImageError(f"a broken device tree: {fault}") from fault
    nops = struct.pack(">I", _NOP) * ((end - begin) // 4)
    return blob[:begin] + nops + blob[end:]


def _find(blob: bytes, at: int, path: str) -> tuple[int, int]:
    """Where the node's tokens begin and end."""
    names: list[str] = []
    begin = depth = 0
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        here, at = at, at + 4
        if token == _BEGIN:
            stop = blob.index(b"\0", at)
            names.append(blob[at:stop].decode())
            at = (stop + 4) & ~3
            if not begin and "/".join(names) == path:
                begin, depth = here, len(names)
        elif token == _END:
            names.pop()
            if begin and len(names) == depth - 1:
                return begin, at
        elif token == _PROPERTY:
            (length,) = struct.unpack_from(">I", blob, at)
            at = (at + 8 + length + 3) & ~3
        elif token == _FINISH:
            raise ImageError(f"the device tree has no node {path}")
        elif token != _NOP:
            raise ImageError(f"a broken device tree: token {token} at {here}")
