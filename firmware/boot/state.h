// Which slot is started, and what is remembered about it: two copies in flash, decisions without it.
//
// A copy is written after the other, each with a sequence number and CRC-32, the older first: at any
// instant one of them is whole. An image is tried at most BOOT_TRIES times; a try is counted before
// it is made. Nothing is written when a confirmed image is started.
#ifndef BOOT_STATE_H
#define BOOT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

#define BOOT_TRIES (3u)
#define BOOT_NOBODY (0xFFu)

// Why an image was not kept; update.py has the words.
enum {
    WHY_NONE,
    WHY_HUNG,        // the watchdog ended it
    WHY_CRASHED,     // a processor's fault
    WHY_RESET,       // it was reset before it was confirmed
    WHY_POWER,       // the power went before it was confirmed
    WHY_CORRUPT,     // another digest than it says
    WHY_LINK,        // from here on, what it said itself: nobody was met
    WHY_CONFIG,      // the configuration could not be used
    WHY_PROPERTIES,  // something that could be read cannot any more
    WHY_ENDED,       // its program ended
    WHY_TOLD,        // somebody asked for it
    WHY_FLASH,       // where programs run, flash did not hold it
};

typedef struct {
    uint32_t magic;
    uint32_t sequence;
    uint8_t active;    // the slot that is confirmed
    uint8_t pending;   // the slot on trial, or BOOT_NOBODY
    uint8_t tries;     // that are left; BOOT_TRIES: not started yet
    uint8_t failure;   // why the last try ended
    uint8_t given_up;  // the image said so itself
    uint8_t why;       // of the last rollback
    uint16_t rollbacks;
    version_t pending_version, back_version;  // `back`: what the last rollback left
    uint8_t pending_digest[SHA256_BYTES], back_digest[SHA256_BYTES];
    uint32_t crc;
} boot_state_t;

// What the last reset was, as the machine knows it.
typedef enum { CAUSE_POWER = 1, CAUSE_RESET, CAUSE_WATCHDOG, CAUSE_FAULT } cause_t;

// Reads the image in a slot. A slot is looked at only if the choice hangs on it: it takes a third of a
// second, as all of an image must be read.
typedef image_fault_t (*look_t)(unsigned slot, image_t *image);

// --- decisions: no flash is touched ---

void state_begin(boot_state_t *state);
// The newer of two copies that are whole: 0 or 1, or -1 when neither is.
int state_newest(const boot_state_t *one, const boot_state_t *other);
// The slot to start with its image (-1: none can be), and what is to be remembered before. `guarded`: arm
// a watchdog.
int boot_choose(boot_state_t *state, look_t look, cause_t cause, image_t *image, bool *guarded);
// Whether tries of the pending slot were counted.
bool boot_on_trial(const boot_state_t *state);
// Have a slot tried at the next start; false when it runs, or a trial goes on.
bool boot_mark(boot_state_t *state, uint8_t slot, const image_t *image);
bool boot_confirm(boot_state_t *state);
bool boot_give_up(boot_state_t *state, uint8_t why);

// --- in flash ---

// False when nothing is kept; `state` is then that of a first start.
bool state_load(boot_state_t *state);
// False when flash does not hold it afterwards.
bool state_store(boot_state_t *state);

#endif
