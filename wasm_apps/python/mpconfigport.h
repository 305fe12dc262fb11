// What of MicroPython is in, and what a guest of the sandbox calls its types.
#include <alloca.h>
#include <stdint.h>
#include <stdlib.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_HW_BOARD_NAME "Skerry app"
#define MICROPY_HW_MCU_NAME "wasm32"
#define MICROPY_PY_SYS_PLATFORM "skerry"

#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_FINALISER (1)
#define MICROPY_GC_SPLIT_HEAP (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO (1)
// The heap doubles; near the limit it grows by what is left. `to_alloc` and `needed` are gc.c's.
#define MP_PLAT_ALLOC_HEAP(size) port_more_heap(&to_alloc, needed)
#define MP_PLAT_FREE_HEAP(heap) free(heap)
#define MICROPY_STACK_CHECK (1)
// Between two checks the deepest way is through the compiler and the printing of floats.
#define MICROPY_STACK_CHECK_MARGIN (16 * 1024)
#define MICROPY_NLR_SETJMP (1)
#define MICROPY_ENABLE_SCHEDULER (1)
#define MICROPY_KBD_EXCEPTION (0)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_ENABLE_SOURCE_LINE (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)
#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_DETAILED)
#define MICROPY_ERROR_PRINTER (&port_error_print)
#define MICROPY_HELPER_REPL (0)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
// mpy-tool.py freezes numbers for this size.
#define MPZ_DIG_SIZE (16)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_DOUBLE)
#define MICROPY_EPOCH_IS_1970 (1)
// Numbers as on a microcontroller, whatever libc's are: drivers compare with them.
#define MICROPY_USE_INTERNAL_ERRNO (1)
#define MICROPY_USE_INTERNAL_PRINTF (0)
// What the node can answer; sockets, which there are not, are left out.
#define MICROPY_PY_ERRNO_LIST \
    X(EPERM) X(ENOENT) X(EIO) X(EBADF) X(EAGAIN) X(ENOMEM) X(EACCES) X(EFAULT) X(EBUSY) \
    X(EEXIST) X(EXDEV) X(ENODEV) X(ENOTDIR) X(EISDIR) X(EINVAL) X(EMFILE) X(EFBIG) X(ENOSPC) \
    X(EROFS) X(EOPNOTSUPP) X(ETIMEDOUT) X(EALREADY) X(EINPROGRESS)

#define MICROPY_VFS (1)
#define MICROPY_VFS_POSIX (1)
#define MICROPY_READER_VFS (1)
// A read is a host call, and this the most that the reader's own fields can count.
#define MICROPY_READER_VFS_DEFAULT_BUFFER_SIZE (240)
#define MICROPY_ALLOC_PATH_MAX (256)

#define MICROPY_PY_BUILTINS_HELP (0)
#define MICROPY_PY_BUILTINS_INPUT (0)
#define MICROPY_PY_SYS_STDFILES (1)
#define MICROPY_PY_SYS_STDIO_BUFFER (0)
#define MICROPY_PY_SYS_PATH_ARGV_DEFAULTS (0)
#define MICROPY_PY_OS_DUPTERM (0)
#define MICROPY_PY_OS_STATVFS (0)
#define MICROPY_PY_OS_SYNC (0)
#define MICROPY_PY_OS_UNAME (0)
#define MICROPY_PY_OS_SEP (1)
#define MICROPY_PY_ASYNCIO (1)
#define MICROPY_PY_SELECT (1)
#define MICROPY_PY_SELECT_SELECT (0)
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_INCLUDEFILE "port_time.c"
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC (port_random())
#define MICROPY_PY_HASHLIB_SHA256 (1)
#define MICROPY_PY_BINASCII_CRC32 (1)
#define MICROPY_SCHEDULER_DEPTH (32)

#define MICROPY_PY_MACHINE (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE "port_machine.c"
#define MICROPY_PY_MACHINE_I2C (1)
#define MICROPY_PY_MACHINE_I2C_TRANSFER_WRITE1 (1)
#define MICROPY_PY_MACHINE_UART (1)
#define MICROPY_PY_MACHINE_UART_INCLUDEFILE "port_uart.c"
// No memory to poke, no pulses to time; a display's frame has no way out.
#define MICROPY_PY_MACHINE_MEMX (0)
#define MICROPY_PY_MACHINE_RESET (0)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (0)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (0)
#define MICROPY_PY_MACHINE_BITSTREAM (0)
#define MICROPY_PY_MACHINE_PULSE (0)
#define MICROPY_PY_MACHINE_SIGNAL (0)
#define MICROPY_PY_MACHINE_SOFTI2C (0)
#define MICROPY_PY_MACHINE_SPI (0)
#define MICROPY_PY_MACHINE_SOFTSPI (0)
#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_ONEWIRE (0)
#define MICROPY_PY_UCTYPES (0)

#define MP_SSIZE_MAX INTPTR_MAX
#define UINT_FMT "%lu"
#define INT_FMT "%ld"
#define HEX_FMT "%lx"
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;

#define MP_STATE_PORT MP_STATE_VM
uint32_t port_random(void);
void *port_more_heap(size_t *bytes, size_t least);
extern const struct _mp_print_t port_error_print;
extern const struct _mp_obj_type_t machine_pin_type;
