// What of the RP2040 the bootloader and the firmware agree on.
#ifndef BOOT_PICO_MACHINE_H
#define BOOT_PICO_MACHINE_H

#include <stdint.h>

#include "map.h"

#define BOARD "pico"
#define FLASH_BYTES (2u << 20)
// Where the processor sees flash.
#define FLASH_AT (0x10000000u)
#define PROGRAM_AT (FLASH_AT + MAP_RUN)
#define PROGRAM_LIMIT MAP_RUN_BYTES
#define RAM_BEGIN (0x20000000u)
#define RAM_END (0x20042000u)
// Of the watchdog's scratch registers, which a reset by the watchdog leaves: the slot that was started.
#define KEPT_SLOT (0)

// Flash cannot be read while it is written: nothing else may run. What is returned is for the second.
uint32_t flash_alone(void);
void flash_shared(uint32_t before);

#endif
