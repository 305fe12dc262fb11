// While flash is written the other core waits and no interrupt is served, as MicroPython's own
// `rp2.Flash` has it. What follows is read at half the processor's clock, as MicroPython sets it.
#include "machine.h"

#include "hardware/sync.h"
#include "py/mpthread.h"
#include "pico/multicore.h"

// A core that ended is still a victim to the SDK (its issue 2201).
static bool is_other_running(void) {
    return multicore_lockout_victim_is_initialized(1 - get_core_num()) && core1_entry != NULL;
}

uint32_t flash_alone(void) {
    if (is_other_running()) {
        multicore_lockout_start_blocking();
    }
    return save_and_disable_interrupts();
}

void flash_shared(uint32_t before) {
    restore_interrupts(before);
    if (is_other_running()) {
        multicore_lockout_end_blocking();
    }
}
