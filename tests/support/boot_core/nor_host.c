// The bootloader's core on a desk: flash in memory, whose power goes before a write of one's choice.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "boot.h"
#include "machine.h"
#include "nor.h"

#define BYTES (4u << 20)

const uint32_t nor_bytes = BYTES;
const machine_t machine = {
    .board = BOARD,
    .load = PROGRAM_AT,
    .limit = PROGRAM_LIMIT,
    .ram_begin = RAM_BEGIN,
    .ram_end = RAM_END,
};
uint8_t host_flash[BYTES];
// Writes before the power goes, of which the last is done as far as `host_torn` bytes; -1: it stays.
long host_left = -1;
uint32_t host_torn;
long host_writes;
unsigned host_started;
// A sector that holds nothing any more; -1: there is none.
long host_worn = -1;

unsigned boot_started(void) {
    return host_started;
}

const uint8_t *nor_read(uint32_t at) {
    return host_flash + at;
}

void nor_commit(uint32_t at, const uint8_t *data, uint32_t length) {
    host_writes += 1;
    // What a processor without power goes on to do does not reach flash.
    if (host_left == 0) {
        return;
    }
    if (host_worn >= 0 && at / NOR_SECTOR == (uint32_t)host_worn / NOR_SECTOR) {
        return;
    }
    if (host_left > 0 && --host_left == 0 && host_torn < length) {
        length = host_torn;
    }
    for (uint32_t i = 0; i < length; i++) {
        host_flash[at + i] = data == NULL ? 0xFF : host_flash[at + i] & data[i];
    }
}
