// The imports of docs/guest-abi.md that this port calls. A result below 0 is -errno of WASI.
#ifndef SKERRY_PYTHON_HOST_H
#define SKERRY_PYTHON_HOST_H

#include <stdint.h>

#if __wasm__
#define HOST(module, name) \
    __attribute__((import_module("skerry_" #module), import_name(#name))) extern
#else
#define HOST(module, name) extern
#endif

enum { EVENT_STOP = 1, EVENT_TWIN, EVENT_EDGE, EVENT_READABLE, EVENT_CLOSED };
typedef struct {
    uint32_t type;
    int32_t handle;
    int64_t time_ns;
    int64_t value;
    uint64_t reserved;
} host_event_t;

// One message of a combined transaction on a bus.
typedef struct {
    uint32_t flags;
    const void *data;
    uint32_t length;
} host_message_t;
#define MESSAGE_READ (1)

#define KEY const char *key, int32_t key_length
#define FROM const void *data, int32_t length
#define INTO void *data, int32_t capacity

HOST(event, wait) int32_t host_wait(int64_t timeout_ms, host_event_t *event, int32_t capacity);
HOST(event, now_ns) int64_t host_now_ns(void);
HOST(event, monotonic_ns) int64_t host_monotonic_ns(void);

HOST(gpio, open) int32_t host_gpio_open(KEY);
HOST(gpio, read) int32_t host_gpio_read(int32_t handle);
HOST(gpio, write) int32_t host_gpio_write(int32_t handle, int32_t value);

HOST(i2c, open) int32_t host_i2c_open(KEY);
HOST(i2c, write) int32_t host_i2c_write(int32_t handle, FROM);
HOST(i2c, read) int32_t host_i2c_read(int32_t handle, INTO);
HOST(i2c, write_read)
int32_t host_i2c_write_read(int32_t handle, FROM, void *into, int32_t wanted);
HOST(i2c, transaction)
int32_t host_i2c_transaction(int32_t handle, const host_message_t *messages, int32_t count);

HOST(serial, open) int32_t host_serial_open(KEY);
HOST(serial, read) int32_t host_serial_read(int32_t handle, INTO);
HOST(serial, write) int32_t host_serial_write(int32_t handle, FROM, int32_t timeout_ms);
HOST(serial, close) int32_t host_serial_close(int32_t handle);

HOST(kv, get) int32_t host_kv_get(KEY, INTO);
HOST(kv, set) int32_t host_kv_set(KEY, FROM);
HOST(kv, delete) int32_t host_kv_delete(KEY);
HOST(kv, keys) int32_t host_kv_keys(KEY, INTO);
HOST(secret, get) int32_t host_secret_get(KEY, INTO);

HOST(telemetry, open) int32_t host_telemetry_open(KEY);
HOST(telemetry, publish) int32_t host_telemetry_publish(int32_t handle, FROM);
HOST(telemetry, flush) int32_t host_telemetry_flush(int64_t timeout_ms);

HOST(twin, get) int32_t host_twin_get(KEY, INTO);
HOST(twin, report) int32_t host_twin_report(KEY, FROM);

HOST(log, write) int32_t host_log_write(int32_t level, FROM);

#endif
