// machine.Pin: a granted line. Direction, pull and edges are the manifest's; what a program says
// of them is taken for the sake of programs for microcontrollers.
#include "grant.h"

#include "extmod/modmachine.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

enum { MODE_IN = 0, MODE_OUT = 1, MODE_OPEN_DRAIN = 2 };
enum { PULL_UP = 1, PULL_DOWN = 2 };
enum { IRQ_RISING = 1, IRQ_FALLING = 2 };

// Edges kept for a task that has not run yet; a button that bounces gives a dozen.
#define EDGES (32)

typedef struct {
    int64_t time_ns;
    bool rising;
} edge_t;

typedef struct {
    grant_t grant;
    mp_obj_t handler;
    uint8_t trigger;
    uint8_t first;
    uint8_t count;
    edge_t *edges;  // NULL until somebody wants them
} pin_t;

static int level(const pin_t *pin) {
    return host_check(host_gpio_read(pin->grant.handle));
}

static void set(const pin_t *pin, mp_obj_t wanted) {
    host_check(host_gpio_write(pin->grant.handle, mp_obj_is_true(wanted)));
}

static void keep_edges(pin_t *pin) {
    if (pin->edges == NULL) {
        pin->edges = m_new(edge_t, EDGES);
    }
}

void pin_edge(grant_t *grant, int64_t time_ns, bool rising) {
    pin_t *pin = (pin_t *)grant;
    if (pin->edges != NULL) {
        if (pin->count == EDGES) {
            pin->first = (pin->first + 1) % EDGES;
            pin->count--;
        }
        pin->edges[(pin->first + pin->count++) % EDGES] = (edge_t) { time_ns, rising };
    }
    if (pin->handler != mp_const_none && (pin->trigger & (rising ? IRQ_RISING : IRQ_FALLING))) {
        mp_sched_schedule(pin->handler, MP_OBJ_FROM_PTR(pin));
    }
}

static void init(pin_t *pin, size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_mode, ARG_pull, ARG_value };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_mode, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_pull, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, named, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[ARG_value].u_obj != mp_const_none) {
        set(pin, given[ARG_value].u_obj);
    }
}

static mp_obj_t pin_make_new(
    const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    pin_t *pin = (pin_t *)grant_find(type, args[0]);
    if (pin == NULL) {
        pin = mp_obj_malloc(pin_t, type);
        pin->handler = mp_const_none;
        pin->trigger = pin->first = pin->count = 0;
        pin->edges = NULL;
        grant_open(&pin->grant, args[0], host_gpio_open);
    }
    mp_map_t named;
    mp_map_init_fixed_table(&named, n_kw, args + n_args);
    init(pin, n_args - 1, args + 1, &named);
    return MP_OBJ_FROM_PTR(pin);
}

static void pin_print(const mp_print_t *print, mp_obj_t self, mp_print_kind_t kind) {
    (void)kind;
    pin_t *pin = MP_OBJ_TO_PTR(self);
    mp_printf(print, "Pin(\"%q\")", pin->grant.name);
}

static mp_obj_t pin_call(mp_obj_t self, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(level(MP_OBJ_TO_PTR(self)));
    }
    set(MP_OBJ_TO_PTR(self), args[0]);
    return mp_const_none;
}

static mp_obj_t pin_init(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    init(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, named);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_init_obj, 1, pin_init);

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args) {
    return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_on(mp_obj_t self) {
    set(MP_OBJ_TO_PTR(self), mp_const_true);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

static mp_obj_t pin_off(mp_obj_t self) {
    set(MP_OBJ_TO_PTR(self), mp_const_false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_toggle(mp_obj_t self) {
    pin_t *pin = MP_OBJ_TO_PTR(self);
    set(pin, mp_obj_new_bool(!level(pin)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_handler, ARG_trigger, ARG_hard };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_handler, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_trigger, MP_ARG_INT, { .u_int = IRQ_RISING | IRQ_FALLING } },
        { MP_QSTR_hard, MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, args + 1, named, MP_ARRAY_SIZE(allowed), allowed, given);
    pin_t *pin = MP_OBJ_TO_PTR(args[0]);
    pin->handler = given[ARG_handler].u_obj;
    pin->trigger = given[ARG_trigger].u_int;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_irq_obj, 1, pin_irq);

// The oldest edge that nobody took: (level, monotonic milliseconds), None when there is none.
// From the first call on edges are kept; a task waits for one as for a stream to be readable.
static mp_obj_t pin_edge_take(mp_obj_t self) {
    pin_t *pin = MP_OBJ_TO_PTR(self);
    keep_edges(pin);
    if (pin->count == 0) {
        return mp_const_none;
    }
    edge_t edge = pin->edges[pin->first];
    pin->first = (pin->first + 1) % EDGES;
    pin->count--;
    mp_obj_t taken[] = {
        MP_OBJ_NEW_SMALL_INT(edge.rising), mp_obj_new_int_from_ll(edge.time_ns / 1000000) };
    return mp_obj_new_tuple(2, taken);
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_edge_take_obj, pin_edge_take);

static mp_uint_t pin_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t argument, int *error) {
    pin_t *pin = MP_OBJ_TO_PTR(self);
    if (request != MP_STREAM_POLL) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    keep_edges(pin);
    return pin->count > 0 ? argument & MP_STREAM_POLL_RD : 0;
}

static const mp_rom_map_elem_t pin_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj) },
    { MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj) },
    { MP_ROM_QSTR(MP_QSTR_high), MP_ROM_PTR(&pin_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_low), MP_ROM_PTR(&pin_off_obj) },
    { MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_edge), MP_ROM_PTR(&pin_edge_take_obj) },
    { MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(MODE_IN) },
    { MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(MODE_OUT) },
    { MP_ROM_QSTR(MP_QSTR_OPEN_DRAIN), MP_ROM_INT(MODE_OPEN_DRAIN) },
    { MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(PULL_UP) },
    { MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(PULL_DOWN) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(IRQ_RISING) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(IRQ_FALLING) },
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);

static const mp_stream_p_t pin_stream = { .ioctl = pin_ioctl };

MP_DEFINE_CONST_OBJ_TYPE(
    machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE,
    make_new, pin_make_new, print, pin_print, call, pin_call,
    protocol, &pin_stream, locals_dict, &pin_locals);
