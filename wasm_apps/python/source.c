// Sources of events as streams that are readable once something happened, so that select.poll
// and asyncio can wait for them.
#include "source.h"

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

static const mp_obj_type_t source_type;
const source_t sources[SOURCES] = {
    { { &source_type }, SOURCE_STOP },
    { { &source_type }, SOURCE_TWIN },
};
static struct {
    bool told;
    bool waited_for;
    int64_t value;
} states[SOURCES];

void source_tell(int number, int64_t value) {
    states[number].told = true;
    states[number].value = value;
}

bool source_is_waited_for(int number) {
    return states[number].waited_for;
}

static mp_uint_t source_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t argument, int *error) {
    int number = ((const source_t *)MP_OBJ_TO_PTR(self))->number;
    if (request != MP_STREAM_POLL) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    states[number].waited_for = true;
    // A loop of tasks that never idles comes by here at each turn.
    port_look();
    return states[number].told ? argument & MP_STREAM_POLL_RD : 0;
}

// take(): the value when it happened, once; None otherwise.
static mp_obj_t source_take(mp_obj_t self) {
    int number = ((const source_t *)MP_OBJ_TO_PTR(self))->number;
    states[number].waited_for = false;
    if (!states[number].told) {
        return mp_const_none;
    }
    states[number].told = false;
    return mp_obj_new_int_from_ll(states[number].value);
}
static MP_DEFINE_CONST_FUN_OBJ_1(source_take_obj, source_take);

static const mp_rom_map_elem_t source_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&source_take_obj) },
};
static MP_DEFINE_CONST_DICT(source_locals, source_locals_table);
static const mp_stream_p_t source_stream = { .ioctl = source_ioctl };

static MP_DEFINE_CONST_OBJ_TYPE(
    source_type, MP_QSTR_Source, MP_TYPE_FLAG_NONE,
    protocol, &source_stream, locals_dict, &source_locals);
