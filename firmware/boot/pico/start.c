// The bootloader: decides, has the program where it runs, arms the watchdog and starts it. When nothing
// can be started the boot loader in ROM has the word: a computer sees its USB drive.
#include "../boot.h"
#include "../nor.h"
#include "hardware/structs/nvic.h"
#include "hardware/structs/scb.h"
#include "hardware/structs/watchdog.h"
#include "hardware/watchdog.h"
#include "machine.h"
#include "pico/bootrom.h"

// For a start on trial: Python runs, and arms its own, well within a second.
#define GUARD_MS (4000u)

// Too long for the stack.
static boot_t boot;

uint32_t flash_alone(void) {
    return 0; // no interrupt is on, and the other core sleeps in ROM
}

void flash_shared(uint32_t before) {
    (void)before;
}

// The SDK's word for what cannot be.
__attribute__((noreturn)) void boot_panic(const char *text, ...) {
    (void)text;
    watchdog_reboot(0, 0, 0);
    for (;;) {
    }
}

static cause_t last_cause(void) {
    uint32_t reason = watchdog_hw->reason;
    if (reason & WATCHDOG_REASON_TIMER_BITS) {
        return CAUSE_WATCHDOG;
    }
    return reason & WATCHDOG_REASON_FORCE_BITS ? CAUSE_RESET : CAUSE_POWER;
}

__attribute__((noreturn)) static void give_in(void) {
    reset_usb_boot(0, 0);
    __builtin_unreachable();
}

__attribute__((noreturn)) static void jump(uint32_t stack, uint32_t entry) {
    // As it is after a reset.
    nvic_hw->icer = ~0u;
    nvic_hw->icpr = ~0u;
    scb_hw->vtor = PROGRAM_AT;
    __asm volatile ("dsb\nisb\nmsr msp, %0\nbx %1" :: "r" (stack), "r" (entry));
    __builtin_unreachable();
}

int main(void) {
    boot_decide(&boot, last_cause(), NULL, 0);
    if (boot.slot < 0) {
        give_in();
    }
    watchdog_hw->scratch[KEPT_SLOT] = (uint32_t)boot.slot;
    if (!boot_place(&boot)) {
        if (slots_give_up(WHY_FLASH) != SLOTS_DONE) {
            give_in();
        }
        watchdog_reboot(0, 0, 0);
        for (;;) {
        }
    }
    if (boot.guarded) {
        watchdog_enable(GUARD_MS, false);
    }
    const uint32_t *program = (const uint32_t *)PROGRAM_AT;
    jump(program[0], program[1]);
}
