// machine.Pin: lines of the I2C controllers (open drain), LEDs (outputs), buttons (inputs), and eight
// lines for both that no real part has: words at the end of flash, whose other end is its file.
#include <string.h>

#include "extmod/modmachine.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/mpirq.h"

enum { MODE_IN = 0, MODE_OUT = 1, MODE_OPEN_DRAIN = 2, MODE_BOTH = 3 };
enum { TRIGGER_FALLING = 4, TRIGGER_RISING = 8 };

// SBCON (DDI 0224): a write to +0 sets lines, to +4 clears them; +0 reads them.
// FPGAIO (AN385, 3.8): LEDs at +0, buttons at +8.
#define SBCON_CLEAR (4)
#define FPGAIO (0x40028000u)
#define FPGAIO_BUTTONS (FPGAIO + 8)

// The outside writes levels to +0; +4 and +8 are what is driven and which lines are; +12 repeats the
// levels once they were looked at, which is each millisecond.
#define LINES (0x21FFF000u)
#define LINES_IN REG(LINES)
#define LINES_OUT REG(LINES + 4)
#define LINES_DRIVEN REG(LINES + 8)
#define LINES_SEEN REG(LINES + 12)
#define LINES_COUNT (8)

struct _machine_pin_obj_t {
    mp_obj_base_t base;
    uint32_t address;
    uint8_t bit;
    uint8_t mode;  // the only one it has
    const char *name;
};

#define PIN(address, bit, mode, name) {{ &machine_pin_type }, address, bit, mode, name }
#define I2C(number, address) \
    PIN(address, 0, MODE_OPEN_DRAIN, "SCL" #number), PIN(address, 1, MODE_OPEN_DRAIN, "SDA" #number)
static const machine_pin_obj_t pins[] = {
    I2C(0, 0x40022000),
    I2C(1, 0x40023000),
    I2C(2, 0x40029000),
    I2C(3, 0x4002A000),
    PIN(FPGAIO, 0, MODE_OUT, "LED0"),
    PIN(FPGAIO, 1, MODE_OUT, "LED1"),
    PIN(FPGAIO_BUTTONS, 0, MODE_IN, "BUTTON0"),
    PIN(FPGAIO_BUTTONS, 1, MODE_IN, "BUTTON1"),
#define LINE(number) PIN(LINES, number, MODE_BOTH, "GPIO" #number)
    LINE(0), LINE(1), LINE(2), LINE(3), LINE(4), LINE(5), LINE(6), LINE(7),
};

// Of each line, what its handler is told of, and what happened since that asked.
static struct {
    uint8_t wanted, found;
} edges[LINES_COUNT];
MP_REGISTER_ROOT_POINTER(void *pin_irqs[8]);

void pin_init0(void) {
    memset(edges, 0, sizeof(edges));
    memset(MP_STATE_PORT(pin_irqs), 0, sizeof(MP_STATE_PORT(pin_irqs)));
    LINES_OUT = LINES_DRIVEN = 0;
    LINES_SEEN = LINES_IN;
}

void pin_tick(void) {
    uint32_t now = LINES_IN, changed = now ^ LINES_SEEN;
    for (unsigned line = 0; changed && line < LINES_COUNT; line++) {
        uint8_t edge = now >> line & 1 ? TRIGGER_RISING : TRIGGER_FALLING;
        if ((changed >> line & 1) && (edges[line].wanted & edge)) {
            edges[line].found |= edge;
            mp_irq_handler(MP_STATE_PORT(pin_irqs)[line]);
        }
    }
    LINES_SEEN = now;
}

int mp_hal_pin_read(mp_hal_pin_obj_t pin) {
    if (pin->mode == MODE_BOTH) {
        return (LINES_DRIVEN >> pin->bit & 1 ? LINES_OUT : LINES_IN) >> pin->bit & 1;
    }
    return (REG(pin->address) >> pin->bit) & 1;
}

void mp_hal_pin_write(mp_hal_pin_obj_t pin, int level) {
    uint32_t mask = 1u << pin->bit;
    if (pin->mode == MODE_OPEN_DRAIN) {
        REG(pin->address + (level ? 0 : SBCON_CLEAR)) = mask;
    } else if (pin->mode == MODE_BOTH) {
        LINES_OUT = level ? LINES_OUT | mask : LINES_OUT & ~mask;
    } else {
        REG(pin->address) = level ? REG(pin->address) | mask : REG(pin->address) & ~mask;
    }
}

static void check_mode(mp_hal_pin_obj_t pin, mp_int_t mode) {
    if (mode != pin->mode && !(pin->mode == MODE_BOTH && mode != MODE_OPEN_DRAIN)) {
        mp_raise_ValueError(MP_ERROR_TEXT("pin: it cannot be used that way"));
    }
}

void mp_hal_pin_open_drain(mp_hal_pin_obj_t pin) {
    check_mode(pin, MODE_OPEN_DRAIN);
}

unsigned mp_hal_pin_name(mp_hal_pin_obj_t pin) {
    return (unsigned)(pin - pins);
}

mp_hal_pin_obj_t mp_hal_get_pin_obj(void *object) {
    if (mp_obj_is_type(object, &machine_pin_type)) {
        return MP_OBJ_TO_PTR(object);
    }
    if (mp_obj_is_int(object)) {
        mp_int_t number = mp_obj_get_int(object);
        if (number >= 0 && number < (mp_int_t)MP_ARRAY_SIZE(pins)) {
            return &pins[number];
        }
    } else if (mp_obj_is_str(object)) {
        const char *name = mp_obj_str_get_str(object);
        for (size_t at = 0; at < MP_ARRAY_SIZE(pins); at++) {
            if (strcmp(name, pins[at].name) == 0) {
                return &pins[at];
            }
        }
    }
    mp_raise_ValueError(MP_ERROR_TEXT("pin: there is none of that name"));
}

static void set(mp_hal_pin_obj_t pin, mp_obj_t level) {
    if (pin->mode == MODE_IN) {
        mp_raise_ValueError(MP_ERROR_TEXT("pin: an input"));
    }
    mp_hal_pin_write(pin, mp_obj_is_true(level));
}

static void init(mp_hal_pin_obj_t pin, size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_mode, ARG_value };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_mode, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, named, MP_ARRAY_SIZE(allowed), allowed, given);
    mp_int_t mode = pin->mode;
    if (given[ARG_mode].u_obj != mp_const_none) {
        mode = mp_obj_get_int(given[ARG_mode].u_obj);
        check_mode(pin, mode);
    }
    if (given[ARG_value].u_obj != mp_const_none) {
        set(pin, given[ARG_value].u_obj);
    }
    if (pin->mode == MODE_BOTH && mode != MODE_BOTH) {
        uint32_t mask = 1u << pin->bit;
        LINES_DRIVEN = mode == MODE_OUT ? LINES_DRIVEN | mask : LINES_DRIVEN & ~mask;
    }
}

static mp_obj_t pin_make_new(
    const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_hal_pin_obj_t pin = mp_hal_get_pin_obj(args[0]);
    mp_map_t named;
    mp_map_init_fixed_table(&named, n_kw, args + n_args);
    init(pin, n_args - 1, args + 1, &named);
    return MP_OBJ_FROM_PTR(pin);
}

static void pin_print(const mp_print_t *print, mp_obj_t self, mp_print_kind_t kind) {
    (void)kind;
    mp_hal_pin_obj_t pin = MP_OBJ_TO_PTR(self);
    mp_printf(print, "Pin(\"%s\")", pin->name);
}

static mp_obj_t pin_call(mp_obj_t self, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    mp_hal_pin_obj_t pin = MP_OBJ_TO_PTR(self);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(mp_hal_pin_read(pin));
    }
    set(pin, args[0]);
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

static mp_hal_pin_obj_t line_of(mp_obj_t self) {
    mp_hal_pin_obj_t pin = MP_OBJ_TO_PTR(self);
    if (pin->mode != MODE_BOTH) {
        mp_raise_ValueError(MP_ERROR_TEXT("irq: only GPIO0 to GPIO7 have one"));
    }
    return pin;
}

static mp_uint_t irq_trigger(mp_obj_t self, mp_uint_t trigger) {
    edges[line_of(self)->bit].wanted = trigger;
    return 0;
}

static mp_uint_t irq_info(mp_obj_t self, mp_uint_t what) {
    unsigned line = line_of(self)->bit;
    if (what == MP_IRQ_INFO_TRIGGERS) {
        return edges[line].wanted;
    }
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    uint8_t found = edges[line].found;
    edges[line].found = 0;
    MICROPY_END_ATOMIC_SECTION(state);
    return found;
}

static const mp_irq_methods_t irq_methods = { irq_trigger, irq_info };

// irq(handler, trigger, hard=False); `flags()` of what it gives tells what happened since it did last.
static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    mp_hal_pin_obj_t pin = line_of(args[0]);
    void **irqs = MP_STATE_PORT(pin_irqs);
    if (irqs[pin->bit] == NULL) {
        irqs[pin->bit] = mp_irq_new(&irq_methods, args[0]);
    }
    mp_irq_obj_t *irq = irqs[pin->bit];
    if (n_args > 1 || named->used) {
        mp_arg_val_t given[MP_IRQ_ARG_INIT_NUM_ARGS];
        mp_arg_parse_all(
            n_args - 1, args + 1, named, MP_IRQ_ARG_INIT_NUM_ARGS, mp_irq_init_args, given);
        edges[pin->bit].wanted = 0;
        irq->handler = given[MP_IRQ_ARG_INIT_handler].u_obj;
        irq->ishard = given[MP_IRQ_ARG_INIT_hard].u_bool;
        edges[pin->bit].found = 0;
        if (irq->handler != mp_const_none) {
            edges[pin->bit].wanted = given[MP_IRQ_ARG_INIT_trigger].u_int;
        }
    }
    return MP_OBJ_FROM_PTR(irq);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_irq_obj, 1, pin_irq);

static const mp_rom_map_elem_t pin_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj) },
    { MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(TRIGGER_FALLING) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(TRIGGER_RISING) },
    { MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(MODE_IN) },
    { MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(MODE_OUT) },
    { MP_ROM_QSTR(MP_QSTR_OPEN_DRAIN), MP_ROM_INT(MODE_OPEN_DRAIN) },
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE,
    make_new, pin_make_new, print, pin_print, call, pin_call, locals_dict, &pin_locals);
