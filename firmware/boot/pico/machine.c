// What the core asks of this machine; the bootloader and the firmware each have it.
#include "machine.h"

#include <string.h>

#include "../boot.h"
#include "../nor.h"
#include "hardware/flash.h"
#include "hardware/structs/watchdog.h"

const uint32_t nor_bytes = FLASH_BYTES;
const machine_t machine = {
    .board = BOARD,
    .load = PROGRAM_AT,
    .limit = PROGRAM_LIMIT,
    .ram_begin = RAM_BEGIN,
    .ram_end = RAM_END,
};

unsigned boot_started(void) {
    return watchdog_hw->scratch[KEPT_SLOT] & 1;
}

const uint8_t *nor_read(uint32_t at) {
    return (const uint8_t *)(FLASH_AT + at);
}

void nor_commit(uint32_t at, const uint8_t *data, uint32_t length) {
    // What is written may itself lie in flash. A page is written whole; a one changes nothing.
    static uint8_t page[NOR_PAGE];
    if (data != NULL) {
        memset(page, 0xFF, sizeof(page));
        memcpy(page + at % NOR_PAGE, data, length);
    }
    uint32_t before = flash_alone();
    if (data == NULL) {
        flash_range_erase(at, length);
    } else {
        flash_range_program(at - at % NOR_PAGE, page, NOR_PAGE);
    }
    flash_shared(before);
}
