// The machine below MicroPython: start, clock, serial ports, reset.
#ifndef MPS2_BOARD_H
#define MPS2_BOARD_H

#include <stddef.h>
#include <stdint.h>

#include "../../boot/mps2/machine.h"

#define UARTS (5)

// Values of machine.reset_cause(), and of the bootloader's cause_t.
enum { RESET_POWER_ON = 1, RESET_HARD = 2, RESET_WATCHDOG = 3, RESET_FAULT = 4 };

__attribute__((noreturn)) void board_reset(uint32_t cause);
uint32_t board_reset_cause(void);
extern volatile uint32_t board_ticks_ms;

// Each millisecond: what changed at the pins.
void pin_tick(void);
// Before a program: every line is an input, nobody listens.
void pin_init0(void);

void uart_init(void);
void uart_interrupt(unsigned port);
// Bytes that wait.
size_t uart_waiting(unsigned port);
// The next byte, or -1.
int uart_take(unsigned port);
void uart_send(unsigned port, const uint8_t *data, size_t length);

#endif
