// What of mps2-an385 the bootloader and the firmware agree on.
#ifndef BOOT_MPS2_MACHINE_H
#define BOOT_MPS2_MACHINE_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define CLOCK_HZ (25000000u)

#define BOARD "mps2"
// Programs are copied here; the bootloader lies below.
#define PROGRAM_AT (0x00010000u)
#define PROGRAM_LIMIT (0x001F0000u)
#define RAM_BEGIN (0x20000000u)
#define RAM_END (0x20400000u)
#define FLASH_AT (0x21000000u)
#define FLASH_BYTES (16u << 20)

// Why the last reset was: a word that a reset leaves as it is. After power-on it lacks the mark.
#define KEPT_CAUSE REG(RAM_BEGIN)
#define CAUSE_MARK (0x5C4E0000u)
// The slot that was started.
#define KEPT_SLOT REG(RAM_BEGIN + 4)

#define SCB_VTOR REG(0xE000ED08)
#define SCB_AIRCR REG(0xE000ED0C)
#define AIRCR_RESET (0x05FA0004u)

// CMSDK APB watchdog, DDI 0479, 4.5: an NMI, and a reset if that did not help.
#define WATCHDOG_LOAD REG(0x40008000)
#define WATCHDOG_CONTROL REG(0x40008008)
#define WATCHDOG_CLEAR REG(0x4000800C)
#define WATCHDOG_LOCK REG(0x40008C00)
#define WATCHDOG_UNLOCK (0x1ACCE551u)
#define WATCHDOG_ON (3u)
#define WATCHDOG_PER_MS (CLOCK_HZ / 1000)

#endif
