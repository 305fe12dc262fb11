// What a bootloader does before it jumps, and what the running image may do to slots and state.
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "state.h"

// Of the machine that this is compiled for.
extern const machine_t machine;
// The slot whose image runs, as the bootloader left it in RAM: what it meant to write may have failed.
unsigned boot_started(void);

typedef struct {
    boot_state_t state;
    int slot;        // to start, or -1
    image_t image;   // in it
    bool guarded;    // with a watchdog
    bool installed;  // nothing could be started, so the first image was written into slot 0
} boot_t;

// `first`: the image that came with the bootloader, as a programmer brings it; may be NULL.
void boot_decide(boot_t *boot, cause_t cause, const uint8_t *first, uint32_t first_bytes);
// On a part that executes from flash (`MAP_RUN`): have the chosen program where it is run. What is
// there already stays, and a copy that was cut is made anew, whole. False: flash does not hold it.
bool boot_place(const boot_t *boot);

typedef enum { SLOTS_DONE, SLOTS_OUTSIDE, SLOTS_IN_USE, SLOTS_FLASH, SLOTS_NO_IMAGE } slots_fault_t;

// The image in a slot, all of it checked, and that this machine can start it.
image_fault_t slots_image(unsigned slot, image_t *image);
// The same for who runs; of the image that runs the digest is not looked at again: the bootloader did
// that just before, it takes a third of a second, and nobody can write there meanwhile.
image_fault_t slots_told(unsigned slot, image_t *image);
// Only the slot that neither runs, nor is confirmed, nor is marked for the next start can be written.
slots_fault_t slots_erase(unsigned slot, uint32_t offset);
slots_fault_t slots_program(unsigned slot, uint32_t offset, const void *data, uint32_t length);
// Whether the image that runs is the one on trial.
bool slots_on_trial(const boot_state_t *state);
slots_fault_t slots_mark(unsigned slot);
slots_fault_t slots_confirm(void);
slots_fault_t slots_give_up(uint8_t why);

#endif
