"""The numbers a guest gets for errors: WASI preview 1's."""

from enum import IntEnum


class Errno(IntEnum):
    """Error numbers of WASI preview 1 that the node gives (witx: `$errno`)."""

    SUCCESS = 0
    ACCES = 2
    AGAIN = 6
    BADF = 8
    BUSY = 10
    EXIST = 20
    FAULT = 21
    FBIG = 22
    ILSEQ = 25
    INTR = 27
    INVAL = 28
    IO = 29
    ISDIR = 31
    LOOP = 32
    MFILE = 33
    MLINK = 34
    NAMETOOLONG = 37
    NFILE = 41
    NODEV = 43
    NOENT = 44
    NOMEM = 48
    NOSPC = 51
    NOTDIR = 54
    NOTEMPTY = 55
    NOTSUP = 58
    NXIO = 60
    OVERFLOW = 61
    PERM = 63
    PIPE = 64
    ROFS = 69
    SPIPE = 70
    TIMEDOUT = 73
    TXTBSY = 74
    XDEV = 75
    NOTCAPABLE = 76
