// machine.UART; included by MicroPython's extmod/machine_uart.c.
#include "py/mphal.h"

#define MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS

struct _machine_uart_obj_t {
    mp_obj_base_t base;
    uint8_t port;
    uint32_t timeout_ms;  // for the first byte, and between bytes
};

#define PORT(number) [number] = {{ &machine_uart_type }, number, 0 }
static machine_uart_obj_t uarts[UARTS] = { PORT(0), PORT(1), PORT(2), PORT(3), PORT(4) };

static void mp_machine_uart_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "UART(%u, timeout=%u)", self->port, (unsigned)self->timeout_ms);
}

// An emulated line has no speed: `baudrate` is taken for the sake of programs for real ones.
static void mp_machine_uart_init_helper(
    machine_uart_obj_t *self, size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_baudrate, ARG_timeout };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_baudrate, MP_ARG_INT, { .u_int = 115200 } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, named, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[ARG_timeout].u_int < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout: milliseconds, not below 0"));
    }
    self->timeout_ms = given[ARG_timeout].u_int;
}

static mp_obj_t mp_machine_uart_make_new(
    const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_int_t port = mp_obj_get_int(args[0]);
    if (port < 0 || port >= UARTS) {
        mp_raise_ValueError(MP_ERROR_TEXT("UART: there are 0 to 4"));
    }
    mp_map_t named;
    mp_map_init_fixed_table(&named, n_kw, args + n_args);
    mp_machine_uart_init_helper(&uarts[port], n_args - 1, args + 1, &named);
    return MP_OBJ_FROM_PTR(&uarts[port]);
}

static void mp_machine_uart_deinit(machine_uart_obj_t *self) {
    (void)self;
}

static mp_int_t mp_machine_uart_any(machine_uart_obj_t *self) {
    return uart_waiting(self->port);
}

static bool mp_machine_uart_txdone(machine_uart_obj_t *self) {
    (void)self;
    return true;
}

static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *into, mp_uint_t size, int *error) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint8_t *bytes = into;
    mp_uint_t count = 0;
    uint32_t since = mp_hal_ticks_ms();
    while (count < size) {
        int byte = uart_take(self->port);
        if (byte >= 0) {
            bytes[count++] = byte;
            since = mp_hal_ticks_ms();
        } else if (mp_hal_ticks_ms() - since >= self->timeout_ms) {
            break;
        } else {
            mp_event_wait_ms(1);
        }
    }
    if (count == 0) {
        *error = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return count;
}

static mp_uint_t mp_machine_uart_write(
    mp_obj_t self_in, const void *from, mp_uint_t size, int *error) {
    (void)error;
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uart_send(self->port, from, size);
    return size;
}

static mp_uint_t mp_machine_uart_ioctl(
    mp_obj_t self_in, mp_uint_t request, uintptr_t argument, int *error) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_STREAM_POLL: {
            uintptr_t ready = argument & MP_STREAM_POLL_WR;
            if ((argument & MP_STREAM_POLL_RD) && uart_waiting(self->port)) {
                ready |= MP_STREAM_POLL_RD;
            }
            return ready;
        }
        case MP_STREAM_FLUSH:
            return 0;
        default:
            *error = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}
