// Time and chance.
#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "py/mphal.h"

static uint64_t last_ns;

uint64_t port_monotonic_ns(void) {
    return last_ns = host_monotonic_ns();
}

// As of the last look at the clock, which costs a host call.
uint64_t port_last_monotonic_ns(void) {
    return last_ns;
}

uint64_t mp_hal_time_ns(void) {
    return host_now_ns();
}

mp_uint_t mp_hal_ticks_ms(void) {
    return port_monotonic_ns() / 1000000;
}

mp_uint_t mp_hal_ticks_us(void) {
    return port_monotonic_ns() / 1000;
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return port_monotonic_ns();
}

void mp_hal_delay_ms(mp_uint_t ms) {
    port_sleep_us((uint64_t)ms * 1000);
}

void mp_hal_delay_us(mp_uint_t us) {
    port_sleep_us(us);
}

uint32_t port_random(void) {
    uint32_t number = 0;
    (void)!getentropy(&number, sizeof number);
    return number;
}
