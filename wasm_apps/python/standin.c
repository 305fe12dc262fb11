// The sandbox's part when the port is built for this machine (HOST=1), to compare with.
#include <time.h>

#include "host.h"

static int64_t now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

int64_t host_monotonic_ns(void) {
    return now(CLOCK_MONOTONIC);
}

int64_t host_now_ns(void) {
    return now(CLOCK_REALTIME);
}

int32_t host_wait(int64_t timeout_ms, host_event_t *event, int32_t capacity) {
    (void)event;
    (void)capacity;
    if (timeout_ms < 0) {
        timeout_ms = 10;
    }
    struct timespec span = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
    nanosleep(&span, NULL);
    return 0;
}

#define NOTHING(name, ...) \
    int32_t name(__VA_ARGS__) { \
        return -1; \
    }
NOTHING(host_gpio_open, KEY)
NOTHING(host_gpio_read, int32_t handle)
NOTHING(host_gpio_write, int32_t handle, int32_t value)
NOTHING(host_i2c_open, KEY)
NOTHING(host_i2c_write, int32_t handle, FROM)
NOTHING(host_i2c_read, int32_t handle, INTO)
NOTHING(host_i2c_write_read, int32_t handle, FROM, void *into, int32_t wanted)
NOTHING(host_i2c_transaction, int32_t handle, const host_message_t *messages, int32_t count)
NOTHING(host_serial_open, KEY)
NOTHING(host_serial_read, int32_t handle, INTO)
NOTHING(host_serial_write, int32_t handle, FROM, int32_t timeout_ms)
NOTHING(host_serial_close, int32_t handle)
NOTHING(host_kv_get, KEY, INTO)
NOTHING(host_kv_set, KEY, FROM)
NOTHING(host_kv_delete, KEY)
NOTHING(host_kv_keys, KEY, INTO)
NOTHING(host_secret_get, KEY, INTO)
NOTHING(host_telemetry_open, KEY)
NOTHING(host_telemetry_publish, int32_t handle, FROM)
NOTHING(host_telemetry_flush, int64_t timeout_ms)
NOTHING(host_twin_get, KEY, INTO)
NOTHING(host_twin_report, KEY, FROM)
NOTHING(host_log_write, int32_t level, FROM)
