"""Small images of cards, made by hand: an MBR, a FAT16 or FAT32 boot partition, and some data."""

import base64
import hashlib
import random
import struct
from pathlib import Path

from boards.board import signature

MIB = 1 << 20
BOOT_START = MIB
BLOCK = 4096
KEY_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
KEY = f"ssh-ed25519 {base64.b64encode(KEY_BLOB).decode()} me@desk"
PIN = "sha256:" + "0f" * 32
TEMPLATE = b'# Settings of this board.\nformat = 1\n\n[node]\nlabels = { kind = "test" }\n'


def card_image(
    path: Path,
    *,
    wide: bool = False,
    settings: bytes | None = TEMPLATE,
    size: int = 8 * MIB,
    data: bool = True,
) -> Path:
    """An image with `skerry.toml` in its boot partition; `wide` makes it FAT32, 48 MiB then."""
    size = max(size, 48 * MIB) if wide else size
    boot = 40 * MIB if wide else 4 * MIB
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(440)
        file.write(signature("rpi3") + bytes(2))
        file.write(_partition(0x0C, BOOT_START, boot))
        file.write(_partition(0x83, BOOT_START + boot, size - BOOT_START - boot))
        file.seek(510)
        file.write(b"\x55\xaa")
        _format(file, boot // 512, settings, wide=wide)
        if data:
            file.seek(BOOT_START + boot + 12_288)
            file.write(random.Random(7).randbytes(MIB))
    return path


def block_map(image: bytes, ranges: str = "0,2-3", *, kind: str = "sha256") -> bytes:
    """A map as bmaptool writes it."""
    entries = []
    for text in filter(None, ranges.split(",")):
        first, _, last = text.partition("-")
        part = image[int(first) * BLOCK : (int(last or first) + 1) * BLOCK]
        entries.append(f'<Range chksum="{hashlib.sha256(part).hexdigest()}"> {text} </Range>')
    text = (
        f'<?xml version="1.0" ?><bmap version="2.0"><ImageSize> {len(image)} </ImageSize>'
        f"<BlockSize> {BLOCK} </BlockSize><ChecksumType> {kind} </ChecksumType>"
        f"<BmapFileChecksum> {'0' * 64} </BmapFileChecksum>"
        f"<BlockMap>{''.join(entries)}</BlockMap></bmap>"
    )
    return text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest()).encode()


def _partition(kind: int, start: int, length: int) -> bytes:
    return struct.pack(
        "<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start // 512, length // 512
    )


def _format(file, sectors: int, settings: bytes | None, *, wide: bool) -> None:
    width = 4 if wide else 2
    reserved = 32 if wide else 4
    table = -(-(sectors * width) // 512)
    roots = 0 if wide else 512
    boot = bytearray(512)
    boot[:11] = b"\xeb\x3c\x90MSWIN4.1"
    small = sectors if sectors < 65536 else 0
    struct.pack_into(
        "<HBHBHHBHHHII",
        boot,
        11,
        512,
        1,
        reserved,
        2,
        roots,
        small,
        0xF8,
        0 if wide else table,
        63,
        255,
        BOOT_START // 512,
        0 if small else sectors,
    )
    if wide:
        struct.pack_into("<IHHIHH", boot, 36, table, 0, 0, 2, 1, 6)
    at = 64 if wide else 36
    struct.pack_into(
        "<BBBI11s8s",
        boot,
        at,
        0x80,
        0,
        0x29,
        1,
        b"BOOT       ",
        b"FAT32   " if wide else b"FAT16   ",
    )
    boot[510:] = b"\x55\xaa"
    root_sector = reserved + 2 * table
    clusters_at = root_sector + (0 if wide else 32)
    first = 3 if wide else 2
    content = settings or b""
    chain = range(first, first + -(-len(content) // 512))
    entries: dict[int, int] = {
        0: 0x0FFFFFF8 if wide else 0xFFF8,
        1: 0x0FFFFFFF if wide else 0xFFFF,
    }
    if wide:
        entries[2] = 0x0FFFFFFF
    entries |= {c: c + 1 if c != chain[-1] else entries[1] for c in chain}
    _at(file, 0, bytes(boot))
    if wide:
        info = bytearray(512)
        struct.pack_into(
            "<4s480x4sII", info, 0, b"RRaA", b"rrAa", sectors - clusters_at - len(entries) + 2, 2
        )
        info[510:] = b"\x55\xaa"
        _at(file, 1, bytes(info))
        _at(file, 6, bytes(boot))
        _at(file, 7, bytes(info))
    for copy in range(2):
        raw = b"".join(struct.pack("<I" if wide else "<H", entries[c]) for c in sorted(entries))
        _at(file, reserved + copy * table, raw)
    label = struct.pack("<11sB20x", b"BOOT       ", 0x08)
    files = label + _file("config.txt", b"CONFIG  TXT", 0, 0)
    if settings is not None:
        files += _file("skerry.toml", b"SKERRY~1TOM", first if content else 0, len(content))
    _at(file, clusters_at if wide else root_sector, files)
    for number, cluster in enumerate(chain):
        _at(file, clusters_at + cluster - 2, content[number * 512 : (number + 1) * 512])


def _file(name: str, short: bytes, first: int, size: int) -> bytes:
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    parts = []
    padded = (name + "\0").encode("utf-16-le").ljust(-(-(len(name) + 1) // 13) * 26, b"\xff")
    for number in range(len(padded) // 26):
        text = padded[number * 26 : number * 26 + 26]
        last = 0x40 if number == len(padded) // 26 - 1 else 0
        parts.append(
            struct.pack(
                "<B10sBBB12sH4s",
                number + 1 | last,
                text[:10],
                0x0F,
                0,
                total,
                text[10:22],
                0,
                text[22:],
            )
        )
    entry = struct.pack("<11sB8xH4xHI", short, 0x20, first >> 16, first & 0xFFFF, size)
    return b"".join(reversed(parts)) + entry


def _at(file, sector: int, data: bytes) -> None:
    file.seek(BOOT_START + sector * 512)
    file.write(data)
