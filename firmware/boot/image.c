#include "image.h"

#include <stdbool.h>
#include <string.h>

#define MAGIC (0x96F3B83Du)
#define PROTECTED (0x6908u)
#define PLAIN (0x6907u)
#define SHA256_TLV (0x0010u)
#define BOARD_TLV (0x00A0u)
#define ENCRYPTED (0x0Cu)

static uint32_t le16(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t le32(const uint8_t *at) {
    return le16(at) | le16(at + 2) << 16;
}

// The first value of a type in the area at `*at`, which is then where the area ends.
static bool find(
    const uint8_t *data, uint32_t room, uint32_t *at, uint32_t magic, uint32_t type,
    const uint8_t **value, uint32_t *length) {
    *value = NULL;
    if (*at > room || room - *at < 4 || le16(data + *at) != magic) {
        return false;
    }
    uint32_t total = le16(data + *at + 2);
    if (total < 4 || total > room - *at) {
        return false;
    }
    uint32_t end = *at + total;
    for (uint32_t one = *at + 4; one < end;) {
        if (end - one < 4 || le16(data + one + 2) > end - one - 4) {
            return false;
        }
        if (*value == NULL && le16(data + one) == type) {
            *value = data + one + 4;
            *length = le16(data + one + 2);
        }
        one += 4 + le16(data + one + 2);
    }
    *at = end;
    return true;
}

// `covered`: bytes that the digest is of.
static image_fault_t look(
    const uint8_t *data, uint32_t room, image_t *image, uint32_t *covered) {
    memset(image, 0, sizeof(*image));
    if (room < IMAGE_HEADER_BYTES || le32(data) != MAGIC) {
        return IMAGE_MISSING;
    }
    image->load = le32(data + 4);
    image->begin = le16(data + 8);
    uint32_t protected = le16(data + 10);
    image->size = le32(data + 12);
    image->version = (version_t){ data[20], data[21], (uint16_t)le16(data + 22), le32(data + 24) };
    if (image->begin < IMAGE_HEADER_BYTES || image->begin > room || image->size == 0
        || image->size > room - image->begin || (le32(data + 16) & ENCRYPTED) != 0) {
        return IMAGE_CUT;
    }
    uint32_t at = image->begin + image->size, length = 0;
    *covered = at + protected;
    const uint8_t *value;
    if (protected != 0) {
        if (!find(data, room, &at, PROTECTED, BOARD_TLV, &value, &length) || at != *covered) {
            return IMAGE_CUT;
        }
        if (value != NULL && length <= IMAGE_BOARD_BYTES) {
            memcpy(image->board, value, length);
        }
    }
    if (!find(data, room, &at, PLAIN, SHA256_TLV, &value, &length)) {
        return IMAGE_CUT;
    }
    image->total = at;
    if (value == NULL || length != SHA256_BYTES) {
        return IMAGE_DAMAGED;
    }
    memcpy(image->digest, value, SHA256_BYTES);
    return IMAGE_GOOD;
}

image_fault_t image_look(const uint8_t *data, uint32_t room, image_t *image) {
    uint32_t covered;
    return look(data, room, image, &covered);
}

image_fault_t image_read(const uint8_t *data, uint32_t room, image_t *image) {
    uint32_t covered;
    image_fault_t fault = look(data, room, image, &covered);
    if (fault != IMAGE_GOOD) {
        return fault;
    }
    uint8_t found[SHA256_BYTES];
    sha256_of(data, covered, found);
    return memcmp(found, image->digest, SHA256_BYTES) == 0 ? IMAGE_GOOD : IMAGE_DAMAGED;
}

image_fault_t image_suits(const uint8_t *data, const image_t *image, const machine_t *machine) {
    if (strcmp(image->board, machine->board) != 0) {
        return IMAGE_BOARD;
    }
    if (image->load != machine->load || image->size > machine->limit || image->size < 8) {
        return IMAGE_PLACE;
    }
    uint32_t stack = le32(data + image->begin), entry = le32(data + image->begin + 4);
    bool starts = stack > machine->ram_begin && stack <= machine->ram_end && (entry & 1) == 1
        && entry >= image->load && entry < image->load + image->size;
    return starts ? IMAGE_GOOD : IMAGE_PLACE;
}

int version_compare(const version_t *one, const version_t *other) {
    const uint32_t a[] = { one->major, one->minor, one->revision, one->build };
    const uint32_t b[] = { other->major, other->minor, other->revision, other->build };
    for (int i = 0; i < 4; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
