// Start of the machine, its exceptions, its clock, and how it is reset.
#include "py/mphal.h"
#include "py/runtime.h"

// ARMv7-M system registers (DDI 0403, B3.2).
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ISER0 REG(0xE000E100)

#define COUNTS_PER_MS (CLOCK_HZ / 1000)
#define COUNTS_PER_US (CLOCK_HZ / 1000000)

static uint32_t cause;

volatile uint32_t board_ticks_ms;

extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;
int main(int argc, char **argv);

void board_reset(uint32_t why) {
    KEPT_CAUSE = CAUSE_MARK | why;
    SCB_AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

uint32_t board_reset_cause(void) {
    return cause;
}

static void start(void) {
    for (uint32_t *from = &_sidata, *to = &_sdata; to < &_edata;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_sbss; to < &_ebss;) {
        *to++ = 0;
    }
    uint32_t kept = KEPT_CAUSE;
    cause = (kept & 0xFFFF0000u) == CAUSE_MARK ? kept & 0xFFFFu : RESET_POWER_ON;
    KEPT_CAUSE = CAUSE_MARK | RESET_HARD;
    extern const uint32_t isr_vector[];
    SCB_VTOR = (uint32_t)isr_vector;
    SYST_RVR = COUNTS_PER_MS - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;  // enabled, with its interrupt, on the processor's clock
    uart_init();
    main(0, NULL);
    board_reset(RESET_HARD);
}

__attribute__((naked)) static void reset_handler(void) {
    __asm volatile ("ldr r0, =_estack\nmov sp, r0\nb %0" :: "i" (start));
}

// The watchdog's first stage: what hangs is over, whatever it masked.
static void nmi_handler(void) {
    board_reset(RESET_WATCHDOG);
}

static void fault_handler(void) {
    static const char said[] = "\r\nfault: reset\r\n";
    uart_send(0, (const uint8_t *)said, sizeof(said) - 1);
    board_reset(RESET_FAULT);
}

static void systick_handler(void) {
    board_ticks_ms += 1;
    pin_tick();
}

static void uart0_handler(void) {
    uart_interrupt(0);
}

static void uart1_handler(void) {
    uart_interrupt(1);
}

static void uart2_handler(void) {
    uart_interrupt(2);
}

static void uart3_handler(void) {
    uart_interrupt(3);
}

static void uart4_handler(void) {
    uart_interrupt(4);
}

// AN385, table 3-7: receive interrupts are even, transmit interrupts odd.
enum { IRQ_UART0 = 0, IRQ_UART1 = 2, IRQ_UART2 = 4, IRQ_UART3 = 18, IRQ_UART4 = 20, IRQS = 32 };

#define HANDLER(function) ((uint32_t)&(function))
const uint32_t isr_vector[16 + IRQS] __attribute__((section(".isr_vector"), used)) = {
    [0] = (uint32_t)&_estack,
    [1] = HANDLER(reset_handler),
    [2] = HANDLER(nmi_handler),
    [3 ... 6] = HANDLER(fault_handler),
    [11 ... 14] = HANDLER(fault_handler),
    [15] = HANDLER(systick_handler),
    [16 + IRQ_UART0] = HANDLER(uart0_handler),
    [16 + IRQ_UART1] = HANDLER(uart1_handler),
    [16 + IRQ_UART2] = HANDLER(uart2_handler),
    [16 + IRQ_UART3] = HANDLER(uart3_handler),
    [16 + IRQ_UART4] = HANDLER(uart4_handler),
};

mp_uint_t mp_hal_ticks_ms(void) {
    return board_ticks_ms;
}

mp_uint_t mp_hal_ticks_us(void) {
    uint32_t ms, left;
    do {
        ms = board_ticks_ms;
        left = SYST_CVR;
    } while (ms != board_ticks_ms);
    return ms * 1000 + (COUNTS_PER_MS - 1 - left) / COUNTS_PER_US;
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return mp_hal_ticks_us();
}

uint64_t mp_hal_time_ns(void) {
    return (uint64_t)mp_hal_ticks_us() * 1000;
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint32_t began = board_ticks_ms;
    for (;;) {
        mp_event_handle_nowait();
        if (board_ticks_ms - began >= ms) {
            return;
        }
        __asm volatile ("wfi");
    }
}

void mp_hal_delay_us(mp_uint_t us) {
    uint32_t began = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - began < us) {
    }
}
