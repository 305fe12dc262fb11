#include "state.h"

#include <string.h>

#include "map.h"
#include "nor.h"

#define MAGIC (0x31424B53u)

static uint32_t crc_of(const boot_state_t *state) {
    return crc32_of(state, (uint32_t)((const uint8_t *)&state->crc - (const uint8_t *)state));
}

static bool whole(const boot_state_t *state) {
    return state->magic == MAGIC && state->crc == crc_of(state) && state->active < 2
        && (state->pending < 2 || state->pending == BOOT_NOBODY)
        && state->pending != state->active && state->tries <= BOOT_TRIES;
}

void state_begin(boot_state_t *state) {
    memset(state, 0, sizeof(*state));
    state->magic = MAGIC;
    state->pending = BOOT_NOBODY;
}

int state_newest(const boot_state_t *one, const boot_state_t *other) {
    if (!whole(one)) {
        return whole(other) ? 1 : -1;
    }
    return whole(other) && (int32_t)(other->sequence - one->sequence) > 0 ? 1 : 0;
}

static uint8_t why_of(cause_t cause) {
    switch (cause) {
        case CAUSE_WATCHDOG:
            return WHY_HUNG;
        case CAUSE_FAULT:
            return WHY_CRASHED;
        case CAUSE_POWER:
            return WHY_POWER;
        default:
            return WHY_RESET;
    }
}

static void forget_trial(boot_state_t *state) {
    state->pending = BOOT_NOBODY;
    state->tries = 0;
    state->failure = WHY_NONE;
    state->given_up = 0;
    memset(&state->pending_version, 0, sizeof(state->pending_version));
    memset(state->pending_digest, 0, sizeof(state->pending_digest));
}

static void roll_back(boot_state_t *state, uint8_t why) {
    state->why = why;
    state->rollbacks += 1;
    state->back_version = state->pending_version;
    memcpy(state->back_digest, state->pending_digest, SHA256_BYTES);
    forget_trial(state);
}

int boot_choose(boot_state_t *state, look_t look, cause_t cause, image_t *image, bool *guarded) {
    *guarded = true;
    if (state->pending != BOOT_NOBODY) {
        if (boot_on_trial(state) && !state->given_up) {
            state->failure = why_of(cause);
        }
        if (look(state->pending, image) != IMAGE_GOOD) {
            roll_back(state, WHY_CORRUPT);
        } else if (state->tries == 0) {
            roll_back(state, state->failure);
        } else {
            state->tries -= 1;
            return state->pending;
        }
    }
    image_fault_t fault = look(state->active, image);
    if (fault == IMAGE_GOOD) {
        *guarded = false;
        return state->active;
    }
    version_t version = image->version;
    uint8_t other = !state->active;
    if (look(other, image) != IMAGE_GOOD) {
        return -1;
    }
    // Whatever it is, nothing else can be started: it stays guarded.
    if (fault != IMAGE_MISSING) {
        state->pending_version = version;
        roll_back(state, WHY_CORRUPT);
    }
    state->active = other;
    return other;
}

bool boot_on_trial(const boot_state_t *state) {
    return state->pending != BOOT_NOBODY && state->tries < BOOT_TRIES;
}

bool boot_mark(boot_state_t *state, uint8_t slot, const image_t *image) {
    if (slot > 1 || slot == state->active || boot_on_trial(state)) {
        return false;
    }
    forget_trial(state);
    state->pending = slot;
    state->tries = BOOT_TRIES;
    state->pending_version = image->version;
    memcpy(state->pending_digest, image->digest, SHA256_BYTES);
    return true;
}

bool boot_confirm(boot_state_t *state) {
    if (!boot_on_trial(state)) {
        return false;
    }
    state->active = state->pending;
    forget_trial(state);
    return true;
}

bool boot_give_up(boot_state_t *state, uint8_t why) {
    if (!boot_on_trial(state)) {
        return false;
    }
    state->tries = 0;
    state->failure = why;
    state->given_up = 1;
    return true;
}

static const boot_state_t *copy(int number) {
    return (const boot_state_t *)nor_read(MAP_STATE + (uint32_t)number * NOR_SECTOR);
}

bool state_load(boot_state_t *state) {
    int newest = state_newest(copy(0), copy(1));
    if (newest < 0) {
        state_begin(state);
        return false;
    }
    *state = *copy(newest);
    return true;
}

bool state_store(boot_state_t *state) {
    int newest = state_newest(copy(0), copy(1));
    int first = newest == 0 ? 1 : 0;
    state->sequence = newest < 0 ? 1 : copy(newest)->sequence + 1;
    state->crc = crc_of(state);
    for (int turn = 0; turn < 2; turn++) {
        int number = turn == 0 ? first : !first;
        uint32_t at = MAP_STATE + (uint32_t)number * NOR_SECTOR;
        bool kept = nor_erase(at) && nor_program(at, state, sizeof(*state))
            && memcmp(copy(number), state, sizeof(*state)) == 0;
        // The other copy stays what it was: with this one unwritten it is the only one.
        if (!kept) {
            return false;
        }
    }
    return true;
}
