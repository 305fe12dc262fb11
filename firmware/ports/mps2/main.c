// MicroPython's life on this machine: _boot.py, main.py, then a prompt; again after a soft reset.
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

#define STACK_BYTES (32 * 1024)

static uint32_t heap[MICROPY_HEAP_SIZE / sizeof(uint32_t)];

static void run(void) {
    pyexec_frozen_module("_boot.py", false);
    int ended = 0;
    if (pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
        ended = pyexec_file_if_exists("main.py");
    }
    while (!(ended & PYEXEC_FORCED_EXIT)) {
        bool raw = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL;
        if ((raw ? pyexec_raw_repl() : pyexec_friendly_repl()) != 0) {
            return;
        }
    }
}

int main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    mp_stack_ctrl_init();
    mp_stack_set_limit(STACK_BYTES);
    for (;;) {
        gc_init(heap, (char *)heap + MICROPY_HEAP_SIZE);
        mp_init();
        pin_init0();
        run();
        mp_printf(&mp_plat_print, "MPY: soft reboot\n");
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value) {
    (void)value;
    mp_printf(&mp_plat_print, "an exception that nobody catches: reset\n");
    board_reset(RESET_FAULT);
}
