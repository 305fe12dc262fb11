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
