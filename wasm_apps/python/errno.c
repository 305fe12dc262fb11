// Numbers of errors: Linux's, which are MicroPython's, for WASI's.
#include <errno.h>

#include "port.h"
#include "py/mperrno.h"

int port_errno(int wasi) {
    #if __wasm__
    static const struct {
        uint8_t wasi, ours;
    } table[] = {
        { EPERM, MP_EPERM }, { ENOENT, MP_ENOENT }, { EIO, MP_EIO }, { EBADF, MP_EBADF },
        { EAGAIN, MP_EAGAIN }, { ENOMEM, MP_ENOMEM }, { EACCES, MP_EACCES }, { EFAULT, MP_EFAULT },
        { EBUSY, MP_EBUSY }, { EEXIST, MP_EEXIST }, { EXDEV, MP_EXDEV }, { ENOTDIR, MP_ENOTDIR },
        { EISDIR, MP_EISDIR }, { EINVAL, MP_EINVAL }, { ENFILE, MP_ENFILE }, { EMFILE, MP_EMFILE },
        { EFBIG, MP_EFBIG }, { ENOSPC, MP_ENOSPC }, { ESPIPE, MP_ESPIPE }, { EROFS, MP_EROFS },
        { EMLINK, MP_EMLINK }, { EPIPE, MP_EPIPE }, { ERANGE, MP_ERANGE },
        // A device that does not answer is ENODEV on every port of MicroPython.
        { ENXIO, MP_ENODEV }, { ENODEV, MP_ENODEV }, { ENOTSUP, MP_EOPNOTSUPP },
        { ETIMEDOUT, MP_ETIMEDOUT }, { ENOTCAPABLE, MP_EACCES },
        { ENAMETOOLONG, 36 }, { ENOTEMPTY, 39 }, { ELOOP, 40 }, { EOVERFLOW, 75 },
        { EILSEQ, 84 },
    };
    for (size_t at = 0; at < sizeof table / sizeof *table; at++) {
        if (table[at].wasi == wasi) {
            return table[at].ours;
        }
    }
    return MP_EIO;
    #else
    return wasi;
    #endif
}

int port_last_errno(void) {
    return port_errno(errno);
}
