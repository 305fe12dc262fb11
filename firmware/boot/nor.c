#include "nor.h"

#include <stddef.h>

bool nor_erase(uint32_t at) {
    if (at % NOR_SECTOR != 0 || at >= nor_bytes) {
        return false;
    }
    nor_commit(at, NULL, NOR_SECTOR);
    return true;
}

bool nor_program(uint32_t at, const void *data, uint32_t length) {
    const uint8_t *from = data;
    if (at > nor_bytes || length > nor_bytes - at) {
        return false;
    }
    const uint8_t *there = nor_read(at);
    for (uint32_t i = 0; i < length; i++) {
        if ((there[i] & from[i]) != from[i]) {
            return false;
        }
    }
    while (length > 0) {
        uint32_t part = NOR_PAGE - at % NOR_PAGE;
        part = part < length ? part : length;
        nor_commit(at, from, part);
        at += part;
        from += part;
        length -= part;
    }
    return true;
}
