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

HOST(event, wait) int32_t host_wait(int64_t timeout_ms, host_event_t *event, int32_t capacity);
HOST(event, now_ns) int64_t host_now_ns(void);
HOST(event, monotonic_ns) int64_t host_monotonic_ns(void);

#endif
