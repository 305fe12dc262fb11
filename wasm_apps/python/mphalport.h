// What MicroPython's own modules ask of this machine.
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "port.h"

#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) port_wait((int32_t)(TIMEOUT_MS))

// Only for the sake of what declares it: no bus here is made of pins.
#define mp_hal_pin_obj_t const void *

static inline void mp_hal_set_interrupt_char(int c) {
    (void)c;
}

// Files are libc's: its numbers become MicroPython's.
#undef errno
#define errno port_last_errno()
#define MP_HAL_RETRY_SYSCALL(ret, syscall, raise) \
    { \
        ret = syscall; \
        if (ret == -1) { \
            int err = errno; \
            raise; \
        } \
    }
