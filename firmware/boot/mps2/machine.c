// What the core asks of this machine; the bootloader and the firmware each have it. Flash is memory
// that QEMU keeps in a file.
#include <string.h>

#include "../boot.h"
#include "../nor.h"
#include "machine.h"

const uint32_t nor_bytes = FLASH_BYTES;
const machine_t machine = {
    .board = BOARD,
    .load = PROGRAM_AT,
    .limit = PROGRAM_LIMIT,
    .ram_begin = RAM_BEGIN,
    .ram_end = RAM_END,
};

unsigned boot_started(void) {
    return KEPT_SLOT & 1;
}

const uint8_t *nor_read(uint32_t at) {
    return (const uint8_t *)(FLASH_AT + at);
}

// Not inlined: a test stops the machine here to cut its power.
__attribute__((noinline)) void nor_commit(uint32_t at, const uint8_t *data, uint32_t length) {
    uint8_t *to = (uint8_t *)(FLASH_AT + at);
    if (data == NULL) {
        memset(to, 0xFF, length);
    } else {
        for (uint32_t i = 0; i < length; i++) {
            to[i] &= data[i];
        }
    }
    __asm volatile ("dsb" ::: "memory");
}
