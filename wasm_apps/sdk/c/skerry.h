/* Skerry for C: the guest ABI and small conveniences, in headers only and without stdio.
 *
 * docs/apps.md teaches it by example; docs/guest-abi.md is the reference.
 */
#ifndef SKERRY_H
#define SKERRY_H

#include <string.h>

#include "skerry_abi.h"
#include "skerry_senml.h"
#include "skerry_text.h"

/* --- grants, streams and keys by C strings --- */

static SKERRY_UNUSED int32_t skerry_gpio_open(const char *grant) {
    return skerry_gpio_open_n(grant, (int32_t)strlen(grant));
}

static SKERRY_UNUSED int32_t skerry_i2c_open(const char *grant) {
    return skerry_i2c_open_n(grant, (int32_t)strlen(grant));
}

static SKERRY_UNUSED int32_t skerry_serial_open(const char *grant) {
    return skerry_serial_open_n(grant, (int32_t)strlen(grant));
}

static SKERRY_UNUSED int32_t skerry_telemetry_open(const char *stream) {
    return skerry_telemetry_open_n(stream, (int32_t)strlen(stream));
}

static SKERRY_UNUSED int32_t skerry_secret_get(const char *name, void *data, size_t capacity) {
    return skerry_secret_get_n(name, (int32_t)strlen(name), data, (int32_t)capacity);
}

static SKERRY_UNUSED int32_t skerry_kv_get(const char *key, void *data, size_t capacity) {
    return skerry_kv_get_n(key, (int32_t)strlen(key), data, (int32_t)capacity);
}

static SKERRY_UNUSED int32_t skerry_kv_set(const char *key, const void *data, size_t length) {
    return skerry_kv_set_n(key, (int32_t)strlen(key), data, (int32_t)length);
}

static SKERRY_UNUSED int32_t skerry_kv_delete(const char *key) {
    return skerry_kv_delete_n(key, (int32_t)strlen(key));
}

/* --- the next thing --- */

/* The next event; its type is SKERRY_NOTHING when `timeout_ms` passed first. */
static SKERRY_UNUSED struct skerry_event skerry_wait(int64_t timeout_ms) {
    struct skerry_event event = {0};
    if (skerry_event_wait(timeout_ms, &event, (int32_t)sizeof event) != 1) {
        event.type = SKERRY_NOTHING;
    }
    return event;
}

/* Monotonic milliseconds. */
static SKERRY_UNUSED int64_t skerry_milliseconds(void) {
    return skerry_monotonic_ns() / 1000000;
}

/* --- log --- */

#define SKERRY_LINE 256 /* bytes of one formatted log line; longer ones are cut */

static SKERRY_UNUSED __attribute__((format(printf, 2, 3))) void
skerry_log(enum skerry_level level, const char *format, ...) {
    char line[SKERRY_LINE];
    va_list arguments;
    va_start(arguments, format);
    size_t length = skerry_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    skerry_log_write(level, line, (int32_t)length);
}

static SKERRY_UNUSED const char *skerry_error_name(int32_t error) {
    switch (error) {
    case SKERRY_ACCES: return "ACCES: the node may not touch it";
    case SKERRY_AGAIN: return "AGAIN: a limit or a rate, try later";
    case SKERRY_BADF: return "BADF: no such handle";
    case SKERRY_BUSY: return "BUSY: somebody else holds it";
    case SKERRY_FAULT: return "FAULT: a pointer outside memory";
    case SKERRY_INVAL: return "INVAL: an argument that makes no sense";
    case SKERRY_IO: return "IO: the hardware failed";
    case SKERRY_NOENT: return "NOENT: no such name";
    case SKERRY_NOSPC: return "NOSPC: the storage limit is reached";
    case SKERRY_NOTSUP: return "NOTSUP: not offered";
    case SKERRY_NXIO: return "NXIO: the device did not answer";
    case SKERRY_PERM: return "PERM: not granted";
    case SKERRY_ROFS: return "ROFS: read-only";
    case SKERRY_TIMEDOUT: return "TIMEDOUT: did not finish in time";
    case SKERRY_OVERFLOW: return "OVERFLOW: the buffer is too small";
    default: return error < 0 ? "an unknown error" : "no error";
    }
}

/* --- twin --- */

#define SKERRY_TWIN_NUMBER 32 /* bytes of a number in JSON; longer ones are INVAL */

/* Desired number, or `otherwise` when there is none. */
static SKERRY_UNUSED double skerry_twin_number(const char *name, double otherwise) {
    char json[SKERRY_TWIN_NUMBER];
    double number;
    int32_t length = skerry_twin_get_n(name, (int32_t)strlen(name), json, sizeof json);
    if (length < 0 || !skerry_parse_number(json, (size_t)length, &number)) {
        return otherwise;
    }
    return number;
}

/* Desired truth, or `otherwise` when there is none. */
static SKERRY_UNUSED bool skerry_twin_bool(const char *name, bool otherwise) {
    char json[8];
    int32_t length = skerry_twin_get_n(name, (int32_t)strlen(name), json, sizeof json);
    if (length == 4 && !memcmp(json, "true", 4)) {
        return true;
    }
    return length == 5 && !memcmp(json, "false", 5) ? false : otherwise;
}

/* Writes a number as JSON, with at most 6 decimals; its length. */
static SKERRY_UNUSED size_t skerry_json_number(char json[SKERRY_TWIN_NUMBER], double value) {
    size_t length = skerry_format(json, SKERRY_TWIN_NUMBER, "%.6f", value);
    while (json[length - 1] == '0') {
        length--;
    }
    return length - (json[length - 1] == '.');
}

/* Reports the number in force. */
static SKERRY_UNUSED int32_t skerry_twin_report_number(const char *name, double value) {
    char json[SKERRY_TWIN_NUMBER];
    size_t length = skerry_json_number(json, value);
    return skerry_twin_report_n(name, (int32_t)strlen(name), json, (int32_t)length);
}

static SKERRY_UNUSED int32_t skerry_twin_report_bool(const char *name, bool value) {
    const char *json = value ? "true" : "false";
    return skerry_twin_report_n(name, (int32_t)strlen(name), json, (int32_t)strlen(json));
}

/* --- telemetry of one value --- */

/* Publishes one number of a stream; the manifest gives its unit too. */
static SKERRY_UNUSED int32_t skerry_publish(int32_t stream, const char *unit, double value) {
    uint8_t buffer[64];
    struct skerry_senml pack = skerry_senml_in(buffer, sizeof buffer);
    skerry_senml_number(&pack, NULL, unit, value);
    return skerry_senml_publish(&pack, stream);
}

#endif
