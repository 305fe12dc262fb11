#include "digest.h"

#include <string.h>

uint32_t crc32_of(const void *data, uint32_t length) {
    const uint8_t *from = data;
    uint32_t crc = 0xFFFFFFFFu;
    while (length--) {
        crc ^= *from++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
        }
    }
    return ~crc;
}

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, unsigned by) {
    return word >> by | word << (32 - by);
}

// A round. The eight words change their places from one to the next: the caller turns them, because
// moving them took half of a start on a Cortex-M0+, which looks at a whole image.
__attribute__((always_inline)) static inline void turn(
    uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h,
    uint32_t more) {
    uint32_t one = *h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + (g ^ (e & (f ^ g))) + more;
    *d += one;
    *h = one + (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) | (c & (a | b)));
}

static void take(uint32_t hash[8], const uint8_t block[64]) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16
            | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3)
            + (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
    uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int i = 0; i < 64; i += 8) {
        const uint32_t *k = rounds + i, *x = w + i;
        turn(a, b, c, &d, e, f, g, &h, k[0] + x[0]);
        turn(h, a, b, &c, d, e, f, &g, k[1] + x[1]);
        turn(g, h, a, &b, c, d, e, &f, k[2] + x[2]);
        turn(f, g, h, &a, b, c, d, &e, k[3] + x[3]);
        turn(e, f, g, &h, a, b, c, &d, k[4] + x[4]);
        turn(d, e, f, &g, h, a, b, &c, k[5] + x[5]);
        turn(c, d, e, &f, g, h, a, &b, k[6] + x[6]);
        turn(b, c, d, &e, f, g, h, &a, k[7] + x[7]);
    }
    const uint32_t ends[] = { a, b, c, d, e, f, g, h };
    for (int i = 0; i < 8; i++) {
        hash[i] += ends[i];
    }
}

void sha256_of(const void *data, uint32_t length, uint8_t digest[SHA256_BYTES]) {
    uint32_t hash[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    const uint8_t *from = data;
    uint32_t left = length;
    for (; left >= 64; left -= 64, from += 64) {
        take(hash, from);
    }
    uint8_t last[128] = { 0 };
    memcpy(last, from, left);
    last[left] = 0x80;
    uint32_t end = left < 56 ? 64 : 128;
    uint64_t bits = (uint64_t)length * 8;
    for (int i = 0; i < 8; i++) {
        last[end - 1 - i] = (uint8_t)(bits >> 8 * i);
    }
    for (uint32_t at = 0; at < end; at += 64) {
        take(hash, last + at);
    }
    for (int i = 0; i < 32; i++) {
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
    }
}
