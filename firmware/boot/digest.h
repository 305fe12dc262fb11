// CRC-32 (Ethernet's) and SHA-256 (FIPS 180-4).
#ifndef BOOT_DIGEST_H
#define BOOT_DIGEST_H

#include <stdint.h>

#define SHA256_BYTES (32u)

uint32_t crc32_of(const void *data, uint32_t length);
void sha256_of(const void *data, uint32_t length, uint8_t digest[SHA256_BYTES]);

#endif
