// The bootloader: decides, says so on the console, copies a program to its place and starts it.
#include <string.h>

#include "../boot.h"
#include "../nor.h"
#include "machine.h"
#include "map.h"

// For a start on trial: Python runs, and arms its own, a tenth of a second after the jump.
#define GUARD_MS (4000u)

#define UART0 (0x40004000u)
enum { UART_DATA = 0, UART_STATE = 4, UART_CONTROL = 8, UART_DIVISOR = 16 };

extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;
extern const uint8_t first_image[], first_image_end[];
// Too long for the stack.
static boot_t boot;

static void say(const char *text) {
    for (; *text != 0; text++) {
        while (REG(UART0 + UART_STATE) & 1) {
        }
        REG(UART0 + UART_DATA) = (uint8_t)*text;
    }
}

static void say_number(uint32_t number) {
    char text[11], *at = text + sizeof(text) - 1;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(at);
}

__attribute__((noreturn)) static void reset(cause_t cause) {
    KEPT_CAUSE = CAUSE_MARK | cause;
    SCB_AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

static cause_t last_cause(void) {
    uint32_t kept = KEPT_CAUSE;
    return (kept & 0xFFFF0000u) == CAUSE_MARK ? (cause_t)(kept & 0xFFFFu) : CAUSE_POWER;
}

static void guard(void) {
    WATCHDOG_LOCK = WATCHDOG_UNLOCK;
    WATCHDOG_LOAD = GUARD_MS * WATCHDOG_PER_MS;
    WATCHDOG_CONTROL = WATCHDOG_ON;
}

__attribute__((noreturn)) static void jump(uint32_t stack, uint32_t entry) {
    __asm volatile ("dsb\nisb\nmsr msp, %0\nbx %1" :: "r" (stack), "r" (entry));
    __builtin_unreachable();
}

static void start(void) {
    for (uint32_t *from = &_sidata, *to = &_sdata; to < &_edata;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_sbss; to < &_ebss;) {
        *to++ = 0;
    }
    REG(UART0 + UART_DIVISOR) = 16;
    REG(UART0 + UART_CONTROL) = 1;
    boot_decide(&boot, last_cause(), first_image, (uint32_t)(first_image_end - first_image));
    if (boot.slot < 0) {
        say("boot: no image that can be started\r\n");
        for (;;) {
            __asm volatile ("wfi");
        }
    }
    const image_t *image = &boot.image;
    say(boot.installed ? "boot: installed " : "boot: ");
    say_number(image->version.major);
    say(".");
    say_number(image->version.minor);
    say(".");
    say_number(image->version.revision);
    say(" in slot ");
    say_number((uint32_t)boot.slot);
    say(boot_on_trial(&boot.state) ? ", on trial\r\n" : "\r\n");
    const uint32_t *program = (const uint32_t *)PROGRAM_AT;
    memcpy((void *)PROGRAM_AT, nor_read(MAP_SLOT((uint32_t)boot.slot)) + image->begin, image->size);
    KEPT_SLOT = (uint32_t)boot.slot;
    if (boot.guarded) {
        guard();
    }
    // Exceptions stay here until the program has its own vectors: a broken one cannot lock up.
    jump(program[0], program[1]);
}

__attribute__((naked)) static void reset_handler(void) {
    __asm volatile ("ldr r0, =_estack\nmov sp, r0\nb %0" :: "i" (start));
}

static void nmi_handler(void) {
    reset(CAUSE_WATCHDOG);
}

static void fault_handler(void) {
    reset(CAUSE_FAULT);
}

__attribute__((section(".vectors"), used)) static const uint32_t vectors[16] = {
    [0] = (uint32_t)&_estack,
    [1] = (uint32_t)&reset_handler,
    [2] = (uint32_t)&nmi_handler,
    [3 ... 15] = (uint32_t)&fault_handler,
};
