// Serial ports (CMSDK APB UART, DDI 0479, 4.3): received bytes are kept until somebody takes them.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

#define KEPT (2048)  // bytes of each port; what comes while they are full is lost

enum { DATA = 0, STATE = 4, CONTROL = 8, INTERRUPT = 12, DIVIDER = 16 };
enum { STATE_SENDING = 1, STATE_RECEIVED = 2, INTERRUPT_RECEIVED = 2 };
enum { CONTROL_SEND = 1, CONTROL_RECEIVE = 2, CONTROL_INTERRUPT = 8 };
#define NVIC_ISER0 REG(0xE000E100)

static const uint32_t bases[UARTS] = {
    0x40004000, 0x40005000, 0x40006000, 0x40007000, 0x40009000,
};
static const uint8_t irqs[UARTS] = { 0, 2, 4, 18, 20 };

// One writer, the interrupt, and one reader: `head` is the writer's, `tail` the reader's.
static struct {
    uint8_t bytes[KEPT];
    volatile uint16_t head, tail;
} ports[UARTS];

void uart_init(void) {
    for (unsigned port = 0; port < UARTS; port++) {
        REG(bases[port] + DIVIDER) = 16;  // the least; an emulated line has no speed
        REG(bases[port] + CONTROL) = CONTROL_SEND | CONTROL_RECEIVE | CONTROL_INTERRUPT;
        NVIC_ISER0 = 1u << irqs[port];
    }
}

void uart_interrupt(unsigned port) {
    REG(bases[port] + INTERRUPT) = INTERRUPT_RECEIVED;
    while (REG(bases[port] + STATE) & STATE_RECEIVED) {
        uint8_t byte = REG(bases[port] + DATA);
        if (port == 0 && byte == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
            continue;
        }
        uint16_t next = (ports[port].head + 1) % KEPT;
        if (next != ports[port].tail) {
            ports[port].bytes[ports[port].head] = byte;
            ports[port].head = next;
        }
    }
}

size_t uart_waiting(unsigned port) {
    return (ports[port].head + KEPT - ports[port].tail) % KEPT;
}

int uart_take(unsigned port) {
    uint16_t tail = ports[port].tail;
    if (ports[port].head == tail) {
        return -1;
    }
    uint8_t byte = ports[port].bytes[tail];
    ports[port].tail = (tail + 1) % KEPT;
    return byte;
}

void uart_send(unsigned port, const uint8_t *data, size_t length) {
    for (size_t at = 0; at < length; at++) {
        while (REG(bases[port] + STATE) & STATE_SENDING) {
        }
        REG(bases[port] + DATA) = data[at];
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t wanted) {
    uintptr_t ready = wanted & MP_STREAM_POLL_WR;
    if ((wanted & MP_STREAM_POLL_RD) && uart_waiting(0)) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int byte = uart_take(0);
        if (byte >= 0) {
            return byte;
        }
        mp_event_wait_indefinite();
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    uart_send(0, (const uint8_t *)text, length);
    return length;
}
