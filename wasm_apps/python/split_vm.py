"""Derives `vm.c` whose loop over bytecode is a function without setjmp: split_vm.py VM OUT.

LLVM puts a landing pad behind every call of a function that calls setjmp, and joins them all in
one block; the loop then keeps nothing in registers. So the loop becomes `run_bytecode`, and
`mp_execute_bytecode` keeps only nlr_push and the handling of exceptions. Made for MicroPython
1.25.0 and checked piece by piece: another version fails here, not at run time.
"""

import sys
from pathlib import Path

FUNCTION = "mp_vm_return_kind_t MICROPY_WRAP_MP_EXECUTE_BYTECODE(mp_execute_bytecode)("
MACROS = "#define SELECTIVE_EXC_IP (0)"
RAISE = "    // nlr_raise needs to be implemented as a goto"
LOOP = "            // local variables that are not visible to the exception handler\n"
HANDLER = "        } else {\nexception_handler:\n"
POPS = 7
"""Returns out of the loop, each of which pops the handler that its caller now pops."""

HEAD = """\
#if MICROPY_STACKLESS || MICROPY_PY_SYS_SETTRACE || MICROPY_PY_THREAD_GIL
#error "the loop is not split for these"
#endif

// What the loop and the handler of exceptions both change.
typedef struct {
    mp_exc_stack_t *exc_sp;
    mp_obj_t inject_exc;
} bytecode_shared_t;

static MP_NOINLINE mp_vm_return_kind_t run_bytecode(
    mp_code_state_t *code_state, bytecode_shared_t *shared) {
"""
LOOP_HEAD = """\
    #define RAISE(o) nlr_raise(o)
    #define exc_sp (shared->exc_sp)
    #define inject_exc (shared->inject_exc)
    mp_obj_t *const fastn = &code_state->state[code_state->n_state - 1];
    mp_exc_stack_t *const exc_stack = (mp_exc_stack_t *)(code_state->state + code_state->n_state);
    {
"""
EXECUTE = """\
    }
    #undef inject_exc
}

mp_vm_return_kind_t MICROPY_WRAP_MP_EXECUTE_BYTECODE(mp_execute_bytecode)(
    mp_code_state_t *code_state, volatile mp_obj_t inject_exc) {
    mp_exc_stack_t *const exc_stack = (mp_exc_stack_t *)(code_state->state + code_state->n_state);
    // In memory, so that what the loop did to it is there after a longjmp.
    bytecode_shared_t kept = {
        MP_CODE_STATE_EXC_SP_IDX_TO_PTR(exc_stack, code_state->exc_sp_idx), inject_exc };
    bytecode_shared_t *const shared = &kept;
    for (;;) {
        nlr_buf_t nlr;
outer_dispatch_loop:
        if (nlr_push(&nlr) == 0) {
            mp_vm_return_kind_t returned = run_bytecode(code_state, shared);
            nlr_pop();
            return returned;
        } else {
"""


def split(source: str) -> str:
    """The same virtual machine in two functions; ValueError when it is not the known one."""
    before, _, rest = _cut(source, FUNCTION)
    _, macros, rest = _cut(rest, MACROS)
    dispatch, _, rest = _cut(rest, RAISE)
    _, _, rest = _cut(rest, LOOP)
    loop, _, rest = _cut(rest, HANDLER)
    if loop.count("nlr_pop();") != POPS:
        raise ValueError(f"the loop has {loop.count('nlr_pop();')} exits, not {POPS}")
    loop = loop.replace("nlr_pop();", "")
    return "".join((before, HEAD, macros, dispatch, LOOP_HEAD, loop, EXECUTE, rest))


def _cut(text: str, mark: str) -> tuple[str, str, str]:
    before, found, after = text.partition(mark)
    if not found:
        raise ValueError(f"not MicroPython 1.25.0's vm.c: {mark!r} is not in it")
    return before, found, after


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(split(Path(sys.argv[1]).read_text()))
