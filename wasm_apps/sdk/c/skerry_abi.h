/* The guest ABI, version 1: every function a node offers an app, as docs/guest-abi.md has it.
 *
 * Functions return a value >= 0, or a negative SKERRY_* error. Names and lengths are in bytes.
 */
#ifndef SKERRY_ABI_H
#define SKERRY_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKERRY_IMPORT(module, name) \
    __attribute__((import_module("skerry_" #module), import_name(#name)))

enum skerry_error {
    SKERRY_ACCES = -2,     /* the node's system does not let the agent touch it */
    SKERRY_AGAIN = -6,     /* a limit or a rate: try later */
    SKERRY_BADF = -8,      /* no such handle */
    SKERRY_BUSY = -10,     /* somebody else holds it */
    SKERRY_FAULT = -21,    /* a pointer outside memory */
    SKERRY_INVAL = -28,    /* an argument that makes no sense */
    SKERRY_IO = -29,       /* the hardware failed */
    SKERRY_NOENT = -44,    /* no such name */
    SKERRY_NOSPC = -51,    /* the storage limit is reached */
    SKERRY_NOTSUP = -58,   /* not offered */
    SKERRY_NXIO = -60,     /* the device did not answer */
    SKERRY_PERM = -63,     /* not granted */
    SKERRY_ROFS = -69,     /* read-only */
    SKERRY_TIMEDOUT = -73, /* did not finish in time */
    SKERRY_OVERFLOW = -61, /* the buffer is too small; nothing was consumed */
};

enum skerry_event_type {
    SKERRY_NOTHING = 0,
    SKERRY_STOP = 1,            /* value: milliseconds left to tidy up and return from main */
    SKERRY_TWIN = 2,            /* value: number of desired properties that changed */
    SKERRY_GPIO_EDGE = 3,       /* handle; value: 1 rising, 0 falling */
    SKERRY_SERIAL_READABLE = 4, /* handle; repeated while bytes wait */
    SKERRY_SERIAL_CLOSED = 5,   /* handle; the device is gone */
};

struct skerry_event {
    uint32_t type;
    int32_t handle;
    int64_t time_ns; /* monotonic */
    int64_t value;
    uint64_t reserved;
};
_Static_assert(sizeof(struct skerry_event) == 32, "the ABI's event has 32 bytes");

struct skerry_i2c_op {
    uint32_t flags; /* SKERRY_I2C_READ or 0 */
    void *data;
    uint32_t length;
};
#define SKERRY_I2C_READ 1u

/* The next thing: timer, STOP, twin, edge, serial. */
SKERRY_IMPORT(event, wait)
int32_t skerry_event_wait(int64_t timeout_ms, struct skerry_event *event, int32_t capacity);
SKERRY_IMPORT(event, now_ns) int64_t skerry_now_ns(void);
SKERRY_IMPORT(event, monotonic_ns) int64_t skerry_monotonic_ns(void);

SKERRY_IMPORT(gpio, open) int32_t skerry_gpio_open_n(const char *name, int32_t length);
SKERRY_IMPORT(gpio, read) int32_t skerry_gpio_read(int32_t handle);
SKERRY_IMPORT(gpio, write) int32_t skerry_gpio_write(int32_t handle, int32_t value);
SKERRY_IMPORT(gpio, close) int32_t skerry_gpio_close(int32_t handle);

SKERRY_IMPORT(i2c, open) int32_t skerry_i2c_open_n(const char *name, int32_t length);
SKERRY_IMPORT(i2c, write)
int32_t skerry_i2c_write(int32_t handle, const void *data, int32_t length);
SKERRY_IMPORT(i2c, read) int32_t skerry_i2c_read(int32_t handle, void *data, int32_t length);
SKERRY_IMPORT(i2c, write_read)
int32_t skerry_i2c_write_read(int32_t handle, const void *out, int32_t out_length, void *in,
                              int32_t in_length);
SKERRY_IMPORT(i2c, transaction)
int32_t skerry_i2c_transaction(int32_t handle, const struct skerry_i2c_op *ops, int32_t count);
SKERRY_IMPORT(i2c, close) int32_t skerry_i2c_close(int32_t handle);

SKERRY_IMPORT(serial, open) int32_t skerry_serial_open_n(const char *name, int32_t length);
SKERRY_IMPORT(serial, read)
int32_t skerry_serial_read(int32_t handle, void *data, int32_t capacity);
SKERRY_IMPORT(serial, write)
int32_t skerry_serial_write(int32_t handle, const void *data, int32_t length, int32_t timeout_ms);
SKERRY_IMPORT(serial, close) int32_t skerry_serial_close(int32_t handle);

SKERRY_IMPORT(secret, get)
int32_t skerry_secret_get_n(const char *name, int32_t name_length, void *data, int32_t capacity);
SKERRY_IMPORT(kv, get)
int32_t skerry_kv_get_n(const char *key, int32_t key_length, void *data, int32_t capacity);
SKERRY_IMPORT(kv, set)
int32_t skerry_kv_set_n(const char *key, int32_t key_length, const void *data, int32_t length);
SKERRY_IMPORT(kv, delete) int32_t skerry_kv_delete_n(const char *key, int32_t key_length);
SKERRY_IMPORT(kv, keys)
int32_t skerry_kv_keys_n(const char *prefix, int32_t prefix_length, void *data, int32_t capacity);

SKERRY_IMPORT(telemetry, open)
int32_t skerry_telemetry_open_n(const char *stream, int32_t length);
SKERRY_IMPORT(telemetry, publish)
int32_t skerry_telemetry_publish(int32_t handle, const void *pack, int32_t length);
SKERRY_IMPORT(telemetry, flush) int32_t skerry_telemetry_flush(int64_t timeout_ms);

SKERRY_IMPORT(twin, get)
int32_t skerry_twin_get_n(const char *name, int32_t length, char *json, int32_t capacity);
SKERRY_IMPORT(twin, report)
int32_t skerry_twin_report_n(const char *name, int32_t length, const char *json,
                             int32_t json_length);

enum skerry_level { SKERRY_ERROR = 3, SKERRY_WARNING = 4, SKERRY_INFO = 6, SKERRY_DEBUG = 7 };
SKERRY_IMPORT(log, write)
int32_t skerry_log_write(int32_t level, const char *text, int32_t length);

#endif
