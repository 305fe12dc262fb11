// NOR flash: erased by sectors to ones, programmed by clearing bits. Addresses count from its begin.
#ifndef BOOT_NOR_H
#define BOOT_NOR_H

#include <stdbool.h>
#include <stdint.h>

#define NOR_SECTOR (4096u)
// What a part programs at once; a power cut may leave any part of one.
#define NOR_PAGE (256u)

// False when it reaches beyond flash or is no sector.
bool nor_erase(uint32_t at);
// False when it reaches beyond flash, or needs a bit that was not erased. Page after page.
bool nor_program(uint32_t at, const void *data, uint32_t length);

// Of the machine:
extern const uint32_t nor_bytes;
const uint8_t *nor_read(uint32_t at);
// The only function that changes flash: an erased sector (data is NULL) or part of a page.
void nor_commit(uint32_t at, const uint8_t *data, uint32_t length);

#endif
