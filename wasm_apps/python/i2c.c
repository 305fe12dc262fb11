// machine.I2C: a granted device on a bus. MicroPython's own methods, one host call each. A grant
// is one device, so the address that a driver gives is not looked at.
#include <string.h>

#include "grant.h"

#include "extmod/modmachine.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"

// Seven-bit addresses that devices can have.
#define FIRST_ADDRESS (0x08)
#define LAST_ADDRESS (0x77)

typedef struct {
    grant_t grant;
    // A write without a stop: it goes on the wire with what follows it.
    uint8_t *held;
    size_t held_length;
} i2c_t;

static int failed(int32_t result) {
    return result < 0 ? -port_errno(-result) : 0;
}

static void let_go(i2c_t *self) {
    m_del(uint8_t, self->held, self->held_length);
    self->held = NULL;
    self->held_length = 0;
}

static int read_device(i2c_t *self, mp_machine_i2c_buf_t out, mp_machine_i2c_buf_t in) {
    if (self->held != NULL) {
        out = (mp_machine_i2c_buf_t) { self->held_length, self->held };
    }
    int32_t handle = self->grant.handle;
    int32_t result = 0;
    if (out.len > 0 && in.len > 0) {
        result = host_i2c_write_read(handle, out.buf, out.len, in.buf, in.len);
    } else if (out.len > 0) {
        result = host_i2c_write(handle, out.buf, out.len);
    } else if (in.len > 0) {
        result = host_i2c_read(handle, in.buf, in.len);
    }
    let_go(self);
    return failed(result);
}

static int write_device(i2c_t *self, const uint8_t *data, size_t length, bool stop) {
    if (!stop) {
        uint8_t *both = m_new(uint8_t, self->held_length + length);
        memcpy(both, self->held, self->held_length);
        memcpy(both + self->held_length, data, length);
        size_t together = self->held_length + length;
        let_go(self);
        self->held = both;
        self->held_length = together;
        return length;
    }
    int32_t result;
    if (self->held != NULL) {
        host_message_t messages[] = {
            { 0, self->held, self->held_length }, { 0, data, length } };
        // Ending a write that was held is a message of nothing on a bus, and none here.
        result = host_i2c_transaction(self->grant.handle, messages, length > 0 ? 2 : 1);
        let_go(self);
    } else {
        result = host_i2c_write(self->grant.handle, data, length);
    }
    return result < 0 ? failed(result) : (int)length;
}

static int transfer(
    mp_obj_base_t *base, uint16_t address, size_t n, mp_machine_i2c_buf_t *buffers, unsigned flags) {
    (void)address;
    i2c_t *self = (i2c_t *)base;
    if (flags & MP_MACHINE_I2C_FLAG_READ) {
        mp_machine_i2c_buf_t none = { 0, NULL };
        bool writes = flags & MP_MACHINE_I2C_FLAG_WRITE1;
        return read_device(self, writes ? buffers[0] : none, buffers[n - 1]);
    }
    bool stop = flags & MP_MACHINE_I2C_FLAG_STOP;
    if (n == 1) {
        return write_device(self, buffers[0].buf, buffers[0].len, stop);
    }
    size_t length = 0;
    for (size_t at = 0; at < n; at++) {
        length += buffers[at].len;
    }
    uint8_t *joined = m_new(uint8_t, length);
    uint8_t *end = joined;
    for (size_t at = 0; at < n; at++) {
        memcpy(end, buffers[at].buf, buffers[at].len);
        end += buffers[at].len;
    }
    int result = write_device(self, joined, length, stop);
    m_del(uint8_t, joined, length);
    return result;
}

// `scl`, `sda`, `freq` and the like: the board's, whatever a program says.
static void init(mp_obj_base_t *self, size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    (void)self, (void)n_args, (void)args, (void)named;
}

static mp_obj_t make_new(
    const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    i2c_t *self = (i2c_t *)grant_find(type, args[0]);
    if (self == NULL) {
        self = mp_obj_malloc(i2c_t, type);
        self->held = NULL;
        self->held_length = 0;
        grant_open(&self->grant, args[0], host_i2c_open);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void print_i2c(const mp_print_t *print, mp_obj_t self, mp_print_kind_t kind) {
    (void)kind;
    mp_printf(print, "I2C(\"%q\")", ((i2c_t *)MP_OBJ_TO_PTR(self))->grant.name);
}

// A device that is there is found at every address: whichever a driver looks for.
static mp_obj_t scan(mp_obj_t self_in) {
    i2c_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t found = mp_obj_new_list(0, NULL);
    int result = failed(host_i2c_write(self->grant.handle, NULL, 0));
    if (result == -MP_ENODEV) {
        return found;
    }
    host_check(result);
    for (int address = FIRST_ADDRESS; address <= LAST_ADDRESS; address++) {
        mp_obj_list_append(found, MP_OBJ_NEW_SMALL_INT(address));
    }
    return found;
}
static MP_DEFINE_CONST_FUN_OBJ_1(scan_obj, scan);

static void attribute(mp_obj_t self, qstr name, mp_obj_t *found) {
    if (found[0] == MP_OBJ_NULL && name == MP_QSTR_scan) {
        found[0] = MP_OBJ_FROM_PTR(&scan_obj);
        found[1] = self;
    } else {
        found[1] = MP_OBJ_SENTINEL;
    }
}

static const mp_machine_i2c_p_t protocol = {
    .transfer_supports_write1 = true,
    .init = init,
    .transfer = transfer,
};

MP_DEFINE_CONST_OBJ_TYPE(
    machine_i2c_type, MP_QSTR_I2C, MP_TYPE_FLAG_NONE,
    make_new, make_new, print, print_i2c, attr, attribute,
    protocol, &protocol, locals_dict, &mp_machine_i2c_locals_dict);
