// For a test alone (COLLECT_PROBE=1): does the collector find two pointers in one 64-bit local?
//
// Copying a pair of pointers is one load and one store of 64 bits to LLVM, and wasm-opt stores no
// 64-bit locals on the stack. What keeps the runtime right is that no function does what this one
// does: `boards/python_guest.py` refuses a module in which one could.
#include <string.h>

#include "py/gc.h"
#include "py/obj.h"
#include "py/runtime.h"

#if COLLECT_PROBE

#define OBJECT_BYTES (64)
#define OBJECTS (200)

typedef struct {
    uint8_t *first, *second;
} pair_t;

// Not among the roots.
static pair_t pair;

static MP_NOINLINE uint8_t *object(uint8_t pattern) {
    return memset(m_new(uint8_t, OBJECT_BYTES), pattern, OBJECT_BYTES);
}

static MP_NOINLINE void reuse_what_is_free(void) {
    gc_collect();
    for (int count = 0; count < OBJECTS; count++) {
        object(0);
    }
}

static MP_NOINLINE void fill(void) {
    pair.first = object(1);
    pair.second = object(2);
}

// How many of two objects outlived a collection while one local held both.
static mp_obj_t packed(void) {
    fill();
    pair_t kept = pair;
    pair = (pair_t) { NULL, NULL };
    reuse_what_is_free();
    pair = kept;
    return MP_OBJ_NEW_SMALL_INT((pair.first[0] == 1) + (pair.second[0] == 2));
}
static MP_DEFINE_CONST_FUN_OBJ_0(packed_obj, packed);

// The same with each in a local of its own.
static mp_obj_t apart(void) {
    fill();
    uint8_t *first = pair.first;
    uint8_t *second = pair.second;
    pair = (pair_t) { NULL, NULL };
    reuse_what_is_free();
    return MP_OBJ_NEW_SMALL_INT((first[0] == 1) + (second[0] == 2));
}
static MP_DEFINE_CONST_FUN_OBJ_0(apart_obj, apart);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__probe) },
    { MP_ROM_QSTR(MP_QSTR_packed), MP_ROM_PTR(&packed_obj) },
    { MP_ROM_QSTR(MP_QSTR_apart), MP_ROM_PTR(&apart_obj) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t probe_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__probe, probe_module);

#endif
