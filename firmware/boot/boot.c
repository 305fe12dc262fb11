#include "boot.h"

#include <stddef.h>
#include <string.h>

#include "map.h"
#include "nor.h"

static bool install(const uint8_t *first, uint32_t bytes) {
    for (uint32_t at = 0; at < MAP_SLOT_BYTES; at += NOR_SECTOR) {
        if (!nor_erase(MAP_SLOT(0) + at)) {
            return false;
        }
    }
    return nor_program(MAP_SLOT(0), first, bytes);
}

void boot_decide(boot_t *boot, cause_t cause, const uint8_t *first, uint32_t first_bytes) {
    memset(boot, 0, sizeof(*boot));
    state_load(&boot->state);
    boot_state_t before = boot->state;
    boot->slot = boot_choose(&boot->state, slots_image, cause, &boot->image, &boot->guarded);
    image_t image;
    if (boot->slot < 0 && first != NULL && first_bytes <= MAP_IMAGE_BYTES
        && image_read(first, first_bytes, &image) == IMAGE_GOOD
        && image_suits(first, &image, &machine) == IMAGE_GOOD && install(first, image.total)) {
        boot->installed = true;
        boot->state.active = 0;
        boot->slot = slots_image(0, &boot->image) == IMAGE_GOOD ? 0 : -1;
        boot->guarded = false;
    }
    bool changed = memcmp(&before, &boot->state, sizeof(before)) != 0;
    if (changed && !state_store(&boot->state) && boot_on_trial(&boot->state)) {
        // A try that cannot be counted is not made.
        boot->state = before;
        bool good = slots_image(before.active, &boot->image) == IMAGE_GOOD;
        boot->slot = good ? before.active : -1;
    }
}

image_fault_t slots_image(unsigned slot, image_t *image) {
    const uint8_t *data = nor_read(MAP_SLOT(slot & 1));
    image_fault_t fault = image_read(data, MAP_IMAGE_BYTES, image);
    return fault == IMAGE_GOOD ? image_suits(data, image, &machine) : fault;
}

image_fault_t slots_told(unsigned slot, image_t *image) {
    if (slot != boot_started()) {
        return slots_image(slot, image);
    }
    const uint8_t *data = nor_read(MAP_SLOT(slot & 1));
    image_fault_t fault = image_look(data, MAP_IMAGE_BYTES, image);
    return fault == IMAGE_GOOD ? image_suits(data, image, &machine) : fault;
}

static slots_fault_t writable(unsigned slot, uint32_t offset, uint32_t length) {
    if (slot > 1 || offset > MAP_SLOT_BYTES || length > MAP_SLOT_BYTES - offset) {
        return SLOTS_OUTSIDE;
    }
    boot_state_t state;
    state_load(&state);
    return slot == state.active || slot == state.pending ? SLOTS_IN_USE : SLOTS_DONE;
}

slots_fault_t slots_erase(unsigned slot, uint32_t offset) {
    slots_fault_t fault = writable(slot, offset, NOR_SECTOR);
    if (fault != SLOTS_DONE) {
        return fault;
    }
    return nor_erase(MAP_SLOT(slot) + offset) ? SLOTS_DONE : SLOTS_OUTSIDE;
}

slots_fault_t slots_program(unsigned slot, uint32_t offset, const void *data, uint32_t length) {
    slots_fault_t fault = writable(slot, offset, length);
    if (fault != SLOTS_DONE) {
        return fault;
    }
    const uint8_t *there = nor_read(MAP_SLOT(slot) + offset);
    bool done = nor_program(MAP_SLOT(slot) + offset, data, length)
        && memcmp(there, data, length) == 0;
    return done ? SLOTS_DONE : SLOTS_FLASH;
}

bool slots_on_trial(const boot_state_t *state) {
    return boot_on_trial(state) && state->pending == boot_started();
}

slots_fault_t slots_mark(unsigned slot) {
    image_t image;
    if (slot > 1 || slots_image(slot, &image) != IMAGE_GOOD) {
        return SLOTS_NO_IMAGE;
    }
    boot_state_t state;
    state_load(&state);
    if (!boot_mark(&state, (uint8_t)slot, &image)) {
        return SLOTS_IN_USE;
    }
    return state_store(&state) ? SLOTS_DONE : SLOTS_FLASH;
}

slots_fault_t slots_confirm(void) {
    boot_state_t state;
    state_load(&state);
    if (!slots_on_trial(&state) || !boot_confirm(&state)) {
        return SLOTS_IN_USE;
    }
    return state_store(&state) ? SLOTS_DONE : SLOTS_FLASH;
}

slots_fault_t slots_give_up(uint8_t why) {
    boot_state_t state;
    state_load(&state);
    if (!slots_on_trial(&state) || !boot_give_up(&state, why)) {
        return SLOTS_IN_USE;
    }
    return state_store(&state) ? SLOTS_DONE : SLOTS_FLASH;
}
