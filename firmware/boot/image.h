// Images as MCUboot has them, with their board's name as a protected TLV; hal/link/image.py says more.
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdint.h>

#include "digest.h"

#define IMAGE_HEADER_BYTES (32u)
#define IMAGE_BOARD_BYTES (24u)

typedef struct {
    uint8_t major, minor;
    uint16_t revision;
    uint32_t build;
} version_t;

typedef struct {
    version_t version;
    uint32_t load;
    // Where the program begins, its bytes, and the bytes of the whole image.
    uint32_t begin, size, total;
    uint8_t digest[SHA256_BYTES];
    char board[IMAGE_BOARD_BYTES + 1];
} image_t;

typedef enum {
    IMAGE_GOOD,
    IMAGE_MISSING,  // no header
    IMAGE_CUT,      // lengths that cannot be
    IMAGE_DAMAGED,  // another digest, or none
    IMAGE_BOARD,    // for another board
    IMAGE_PLACE,    // its program would not lie where this machine runs it
} image_fault_t;

// What a machine runs.
typedef struct {
    const char *board;
    uint32_t load, limit;          // where programs lie, and how long one may be
    uint32_t ram_begin, ram_end;   // where their stack may begin
} machine_t;

// The image that begins at `data`, of at most `room` bytes. All that is said of it is checked.
image_fault_t image_read(const uint8_t *data, uint32_t room, image_t *image);
// As that, but the digest is the one that it says, unchecked.
image_fault_t image_look(const uint8_t *data, uint32_t room, image_t *image);
// Whether this machine can start it.
image_fault_t image_suits(const uint8_t *data, const image_t *image, const machine_t *machine);
// As a number: larger is newer.
int version_compare(const version_t *one, const version_t *other);

#endif
