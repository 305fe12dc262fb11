// machine.WDT (CMSDK APB watchdog, DDI 0479, 4.5); included by MicroPython's extmod/machine_wdt.c.
#include "py/mphal.h"

#define LONGEST_MS (UINT32_MAX / WATCHDOG_PER_MS)

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
    uint32_t load;
};

static machine_wdt_obj_t watchdog = {{ &machine_wdt_type }, 0 };

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms) {
    if (id != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("WDT: there is only 0"));
    }
    if (timeout_ms < 1 || (uint32_t)timeout_ms > LONGEST_MS) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout: 1 to 171798 ms"));
    }
    watchdog.load = timeout_ms * WATCHDOG_PER_MS;
    WATCHDOG_LOCK = WATCHDOG_UNLOCK;
    WATCHDOG_LOAD = watchdog.load;
    WATCHDOG_CONTROL = WATCHDOG_ON;
    return &watchdog;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    (void)self;
    WATCHDOG_CLEAR = 1;  // and it counts from LOAD again
}
