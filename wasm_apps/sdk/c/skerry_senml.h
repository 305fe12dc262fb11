/* SenML packs in CBOR (RFC 8428 section 6), written into a buffer of the app's.
 *
 *     uint8_t buffer[64];
 *     struct skerry_senml pack = skerry_senml_in(buffer, sizeof buffer);
 *     skerry_senml_number(&pack, NULL, "Cel", 21.5);
 *     skerry_senml_publish(&pack, stream);
 *
 * A record that does not fit, or is NaN or infinite, spoils the pack: publishing it gives the
 * error, so that only one place must be checked.
 */
#ifndef SKERRY_SENML_H
#define SKERRY_SENML_H

#include <string.h>

#include "skerry_abi.h"
#include "skerry_text.h"

#define SKERRY_SENML_HEADER 3 /* bytes kept free for the array's header */
#define SKERRY_SENML_RECORDS 1000

struct skerry_senml {
    uint8_t *data;
    size_t capacity;
    size_t length;
    uint32_t records;
    int32_t error; /* 0, or the first error */
    double time;
};

enum { SENML_NAME = 0, SENML_UNIT = 1, SENML_VALUE = 2, SENML_STRING = 3, SENML_BOOL = 4,
       SENML_TIME = 6 };

static SKERRY_UNUSED struct skerry_senml skerry_senml_in(void *buffer, size_t capacity) {
    return (struct skerry_senml){.data = buffer, .capacity = capacity,
                                 .length = SKERRY_SENML_HEADER};
}

/* Time of the records that follow: seconds since 1970, or below 2^28 relative to now. */
static SKERRY_UNUSED void skerry_senml_time(struct skerry_senml *pack, double seconds) {
    pack->time = seconds;
}

static SKERRY_UNUSED void skerry_cbor_bytes(struct skerry_senml *pack, const void *bytes,
                                            size_t length) {
    if (pack->length + length > pack->capacity) {
        pack->error = pack->error ? pack->error : SKERRY_OVERFLOW;
        return;
    }
    memcpy(pack->data + pack->length, bytes, length);
    pack->length += length;
}

static SKERRY_UNUSED void skerry_cbor_big_endian(struct skerry_senml *pack, uint8_t initial,
                                                 uint64_t value, int bytes) {
    uint8_t out[9] = {initial};
    for (int i = 0; i < bytes; i++) {
        out[1 + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    }
    skerry_cbor_bytes(pack, out, 1 + (size_t)bytes);
}

static SKERRY_UNUSED void skerry_cbor_head(struct skerry_senml *pack, uint8_t major,
                                           uint64_t value) {
    uint8_t initial = (uint8_t)(major << 5);
    if (value < 24) {
        skerry_cbor_big_endian(pack, (uint8_t)(initial | value), 0, 0);
    } else if (value <= 0xFF) {
        skerry_cbor_big_endian(pack, initial | 24, value, 1);
    } else if (value <= 0xFFFF) {
        skerry_cbor_big_endian(pack, initial | 25, value, 2);
    } else if (value <= 0xFFFFFFFF) {
        skerry_cbor_big_endian(pack, initial | 26, value, 4);
    } else {
        skerry_cbor_big_endian(pack, initial | 27, value, 8);
    }
}

static SKERRY_UNUSED void skerry_cbor_text(struct skerry_senml *pack, const char *text) {
    size_t length = strlen(text);
    skerry_cbor_head(pack, 3, length);
    skerry_cbor_bytes(pack, text, length);
}

/* The shortest of integer, float32 and float64 that keeps the value. */
static SKERRY_UNUSED void skerry_cbor_number(struct skerry_senml *pack, double value) {
    if (value != value || value - value != 0) {
        pack->error = pack->error ? pack->error : SKERRY_INVAL;
    } else if (value > -9e15 && value < 9e15 && value == (double)(int64_t)value) {
        int64_t whole = (int64_t)value;
        skerry_cbor_head(pack, whole < 0, (uint64_t)(whole < 0 ? -1 - whole : whole));
    } else if (value >= -3e38 && value <= 3e38 && value == (double)(float)value) {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        skerry_cbor_big_endian(pack, 0xFA, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        skerry_cbor_big_endian(pack, 0xFB, bits, 8);
    }
}

static SKERRY_UNUSED void skerry_senml_begin(struct skerry_senml *pack, const char *name,
                                             const char *unit) {
    bool has_name = name && *name, has_unit = unit && *unit, has_time = pack->time != 0;
    if (pack->records == SKERRY_SENML_RECORDS) {
        pack->error = pack->error ? pack->error : SKERRY_OVERFLOW;
    }
    pack->records++;
    skerry_cbor_head(pack, 5, 1u + has_name + has_unit + has_time);
    if (has_name) {
        skerry_cbor_head(pack, 0, SENML_NAME);
        skerry_cbor_text(pack, name);
    }
    if (has_unit) {
        skerry_cbor_head(pack, 0, SENML_UNIT);
        skerry_cbor_text(pack, unit);
    }
    if (has_time) {
        skerry_cbor_head(pack, 0, SENML_TIME);
        skerry_cbor_number(pack, pack->time);
    }
}

/* `name` and `unit` may be NULL: the stream's own name, and no unit. */
static SKERRY_UNUSED void skerry_senml_number(struct skerry_senml *pack, const char *name,
                                              const char *unit, double value) {
    skerry_senml_begin(pack, name, unit);
    skerry_cbor_head(pack, 0, SENML_VALUE);
    skerry_cbor_number(pack, value);
}

static SKERRY_UNUSED void skerry_senml_bool(struct skerry_senml *pack, const char *name,
                                            bool value) {
    skerry_senml_begin(pack, name, NULL);
    skerry_cbor_head(pack, 0, SENML_BOOL);
    skerry_cbor_head(pack, 7, value ? 21 : 20);
}

static SKERRY_UNUSED void skerry_senml_string(struct skerry_senml *pack, const char *name,
                                              const char *value) {
    skerry_senml_begin(pack, name, NULL);
    skerry_cbor_head(pack, 0, SENML_STRING);
    skerry_cbor_text(pack, value);
}

/* Completes the pack: its first byte through `pack`, its length, or the first error. */
static SKERRY_UNUSED int32_t skerry_senml_end(struct skerry_senml *pack, const uint8_t **bytes) {
    if (pack->error || !pack->records) {
        return pack->error ? pack->error : SKERRY_INVAL;
    }
    uint8_t *head = pack->data + SKERRY_SENML_HEADER;
    if (pack->records < 24) {
        *--head = (uint8_t)(0x80 | pack->records);
    } else if (pack->records <= 0xFF) {
        *--head = (uint8_t)pack->records;
        *--head = 0x98;
    } else {
        *--head = (uint8_t)pack->records;
        *--head = (uint8_t)(pack->records >> 8);
        *--head = 0x99;
    }
    *bytes = head;
    return (int32_t)(pack->data + pack->length - head);
}

/* Publishes on a stream's handle: the number of records, or an error. */
static SKERRY_UNUSED int32_t skerry_senml_publish(struct skerry_senml *pack, int32_t stream) {
    const uint8_t *bytes;
    int32_t length = skerry_senml_end(pack, &bytes);
    return length < 0 ? length : skerry_telemetry_publish(stream, bytes, length);
}

#endif
