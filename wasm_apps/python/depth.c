// What of MicroPython goes into nested values and sources without a look at the stack: the Makefile
// leads its calls here. Too deep is RuntimeError then, as everywhere else.
#include "py/cstack.h"
#include "py/emit.h"
#include "py/runtime.h"

// Of tuples and sets: the hash of each element.
mp_obj_t port_unary_op(mp_unary_op_t op, mp_obj_t value) {
    mp_cstack_check();
    return mp_unary_op(op, value);
}

// Of sequences and dicts: element by element.
bool port_obj_equal(mp_obj_t one, mp_obj_t other) {
    mp_cstack_check();
    return mp_obj_equal(one, other);
}

// The compiler tells the line of each node before it goes into it.
void port_set_source_line(emit_t *emit, mp_uint_t line) {
    mp_cstack_check();
    mp_emit_bc_set_source_line(emit, line);
}
