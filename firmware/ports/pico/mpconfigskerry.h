// MicroPython's port `rp2` without what needs Mbed TLS; SHA-256 comes from MicroPython itself.
#include "ports/rp2/mpconfigport.h"

#undef MICROPY_SSL_MBEDTLS
#undef MICROPY_PY_CRYPTOLIB
#define MICROPY_PY_CRYPTOLIB (0)
#undef MICROPY_PY_HASHLIB_SHA1
#define MICROPY_PY_HASHLIB_SHA1 (0)
