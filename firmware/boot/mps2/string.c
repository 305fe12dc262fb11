// The compiler calls these; there is no C library here.
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t length) {
    uint8_t *into = to;
    const uint8_t *out = from;
    while (length--) {
        *into++ = *out++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t length) {
    uint8_t *into = to;
    const uint8_t *out = from;
    if (into < out) {
        return memcpy(to, from, length);
    }
    while (length--) {
        into[length] = out[length];
    }
    return to;
}

void *memset(void *to, int byte, size_t length) {
    uint8_t *into = to;
    while (length--) {
        *into++ = (uint8_t)byte;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t length) {
    const uint8_t *a = one, *b = other;
    for (; length--; a++, b++) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}

int strcmp(const char *one, const char *other) {
    for (; *one != 0 && *one == *other; one++, other++) {
    }
    return (uint8_t)*one - (uint8_t)*other;
}
