// machine.UART: a granted port; included by MicroPython's extmod/machine_uart.c. Speed and parity
// are the manifest's. What has arrived is kept here, as hardware keeps it: until `rxbuf` is full.
#include "grant.h"

#include "py/mphal.h"
#include "py/ringbuf.h"

#define MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS

#define RXBUF (1024)
#define RXBUF_MOST (32768)
#define PIECE (256)

struct _machine_uart_obj_t {
    grant_t grant;
    ringbuf_t arrived;
    uint32_t timeout_ms;  // for the first byte, and between bytes
    bool closed;
};

// Takes over what the host has. It tells of waiting bytes again and again, so what does not fit
// is taken too, and lost.
static void take_over(machine_uart_obj_t *self) {
    uint8_t piece[PIECE];
    while (!self->closed) {
        int32_t count = host_serial_read(self->grant.handle, piece, sizeof piece);
        if (count < 0) {
            self->closed = true;
        } else if (count > 0) {
            size_t room = ringbuf_free(&self->arrived);
            ringbuf_put_bytes(&self->arrived, piece, (size_t)count < room ? (size_t)count : room);
        }
        if (count < PIECE) {
            return;
        }
    }
}

void uart_readable(grant_t *grant) {
    take_over((machine_uart_obj_t *)grant);
}

void uart_closed(grant_t *grant) {
    ((machine_uart_obj_t *)grant)->closed = true;
}

static void mp_machine_uart_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "UART(\"%q\")", self->grant.name);
}

static void mp_machine_uart_init_helper(
    machine_uart_obj_t *self, size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_baudrate, ARG_bits, ARG_parity, ARG_stop, ARG_tx, ARG_rx, ARG_timeout, ARG_char,
           ARG_rxbuf };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_baudrate, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_bits, MP_ARG_INT, { .u_int = 8 } },
        { MP_QSTR_parity, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_stop, MP_ARG_INT, { .u_int = 1 } },
        { MP_QSTR_tx, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_rx, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_timeout_char, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_rxbuf, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, named, MP_ARRAY_SIZE(allowed), allowed, given);
    mp_int_t rxbuf = given[ARG_rxbuf].u_int;
    if (given[ARG_timeout].u_int < 0 || rxbuf < 0 || rxbuf > RXBUF_MOST) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout: milliseconds; rxbuf: at most 32768 bytes"));
    }
    self->timeout_ms = given[ARG_timeout].u_int;
    if (rxbuf > 0 || self->arrived.buf == NULL) {
        ringbuf_alloc(&self->arrived, (rxbuf > 0 ? rxbuf : RXBUF) + 1);
    }
}

static mp_obj_t mp_machine_uart_make_new(
    const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    machine_uart_obj_t *self = (machine_uart_obj_t *)grant_find(type, args[0]);
    bool fresh = self == NULL;
    if (fresh) {
        self = mp_obj_malloc(machine_uart_obj_t, type);
        self->arrived.buf = NULL;
        self->closed = false;
    }
    mp_map_t named;
    mp_map_init_fixed_table(&named, n_kw, args + n_args);
    mp_machine_uart_init_helper(self, n_args - 1, args + 1, &named);
    if (fresh) {
        grant_open(&self->grant, args[0], host_serial_open);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void mp_machine_uart_deinit(machine_uart_obj_t *self) {
    if (self->grant.handle != 0) {
        host_serial_close(self->grant.handle);
        grant_forget(&self->grant);
        self->closed = true;
    }
}

static mp_int_t mp_machine_uart_any(machine_uart_obj_t *self) {
    if (ringbuf_avail(&self->arrived) == 0) {
        take_over(self);
    }
    return ringbuf_avail(&self->arrived);
}

static bool mp_machine_uart_txdone(machine_uart_obj_t *self) {
    (void)self;
    return true;
}

static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *into, mp_uint_t size, int *error) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint8_t *bytes = into;
    mp_uint_t count = 0;
    uint64_t until = 0;
    while (count < size) {
        size_t ready = mp_machine_uart_any(self);
        if (ready > 0) {
            ready = ready < size - count ? ready : size - count;
            ringbuf_get_bytes(&self->arrived, bytes + count, ready);
            count += ready;
            until = 0;
            continue;
        }
        if (self->closed || self->timeout_ms == 0) {
            break;
        }
        uint64_t now = port_monotonic_ns() / 1000000;
        until = until ? until : now + self->timeout_ms;
        if (now >= until) {
            break;
        }
        port_wait(until - now);
        mp_handle_pending(true);
    }
    if (count == 0 && size > 0) {
        *error = self->closed ? MP_EIO : MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return count;
}

static mp_uint_t mp_machine_uart_write(
    mp_obj_t self_in, const void *from, mp_uint_t size, int *error) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int32_t taken = host_serial_write(self->grant.handle, from, size, -1);
    if (taken < 0) {
        *error = port_errno(-taken);
        return MP_STREAM_ERROR;
    }
    return taken;
}

static mp_uint_t mp_machine_uart_ioctl(
    mp_obj_t self_in, mp_uint_t request, uintptr_t argument, int *error) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_STREAM_POLL: {
            uintptr_t ready = argument & MP_STREAM_POLL_WR;
            // Who reads a closed port learns it.
            if ((argument & MP_STREAM_POLL_RD) &&
                (self->closed || ringbuf_avail(&self->arrived) > 0)) {
                ready |= MP_STREAM_POLL_RD;
            }
            return ready;
        }
        case MP_STREAM_FLUSH:
            return 0;
        case MP_STREAM_CLOSE:
            mp_machine_uart_deinit(self);
            return 0;
        default:
            *error = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}
