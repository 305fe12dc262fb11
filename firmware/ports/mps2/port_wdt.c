// machine.WDT (CMSDK APB watchdog, DDI 0479, 4.5); included by MicroPython's extmod/machine_wdt.c.
#include "py/mphal.h"

#define WATCHDOG (0x40008000u)
enum { LOAD = 0x0, CONTROL = 0x8, CLEAR = 0xC, LOCK = 0xC00 };
enum { CONTROL_INTERRUPT = 1, CONTROL_RESET = 2 };
#define UNLOCK (0x1ACCE551u)
#define LONGEST_MS (UINT32_MAX / (CLOCK_HZ / 1000))

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
    watchdog.load = timeout_ms * (CLOCK_HZ / 1000);
    REG(WATCHDOG + LOCK) = UNLOCK;
    REG(WATCHDOG + LOAD) = watchdog.load;
    REG(WATCHDOG + CONTROL) = CONTROL_INTERRUPT | CONTROL_RESET;
    return &watchdog;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    (void)self;
    REG(WATCHDOG + CLEAR) = 1;  // and it counts from LOAD again
}
