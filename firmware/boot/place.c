// Where flash is executed, a program runs at one address: it is copied there from its slot, which stays
// whole meanwhile. The first sector goes first and comes last. So a copy that was cut lacks it, and the
// next start writes all of it anew: no sector is trusted because it reads well after a cut.
#include <string.h>

#include "boot.h"
#include "map.h"
#include "nor.h"

#ifdef MAP_RUN

static bool copied(uint32_t from, uint32_t to, uint32_t length) {
    return nor_erase(to) && nor_program(to, nor_read(from), length)
        && memcmp(nor_read(to), nor_read(from), length) == 0;
}

bool boot_place(const boot_t *boot) {
    const image_t *image = &boot->image;
    uint32_t from = MAP_SLOT((uint32_t)boot->slot) + image->begin;
    if (memcmp(nor_read(MAP_RUN), nor_read(from), image->size) == 0) {
        return true;
    }
    if (!nor_erase(MAP_RUN)) {
        return false;
    }
    for (uint32_t at = NOR_SECTOR; at < image->size; at += NOR_SECTOR) {
        uint32_t left = image->size - at;
        if (!copied(from + at, MAP_RUN + at, left < NOR_SECTOR ? left : NOR_SECTOR)) {
            return false;
        }
    }
    return copied(from, MAP_RUN, image->size < NOR_SECTOR ? image->size : NOR_SECTOR);
}

#endif
