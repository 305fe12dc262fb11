// Waiting: one call of the host, which a stop ends at once.
#include "host.h"
#include "py/mphal.h"
#include "py/runtime.h"

static void happened(const host_event_t *event) {
    (void)event;
}

bool port_wait(int32_t timeout_ms) {
    port_flush();
    host_event_t event;
    if (host_wait(timeout_ms, &event, sizeof event) != 1) {
        return false;
    }
    happened(&event);
    return true;
}

void port_sleep_us(uint64_t us) {
    uint64_t until = port_monotonic_ns() + us * 1000;
    uint64_t now;
    while ((now = port_monotonic_ns()) < until) {
        uint64_t left_ms = (until - now + 999999) / 1000000;
        port_wait(left_ms > INT32_MAX ? INT32_MAX : (int32_t)left_ms);
        mp_handle_pending(true);
    }
}
