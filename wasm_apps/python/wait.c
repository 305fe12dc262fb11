// Waiting: one call of the host, which a stop ends at once. What it tells goes to its owner.
#include "grant.h"
#include "source.h"

#include "extmod/modmachine.h"
#include "py/mphal.h"
#include "py/runtime.h"

// A program that never idles looks around this often; a look costs as much as some lines of it.
#define LOOK_NS (10 * 1000000)

// Edges and changes that skerry.wait() has yet to tell.
#define EVENTS (32)

static host_event_t kept[EVENTS];
static size_t first_kept, kept_count;
static uint64_t waited_at_ns;
static bool telling;

static void keep(const host_event_t *event) {
    if (kept_count == EVENTS) {
        first_kept = (first_kept + 1) % EVENTS;
        kept_count--;
    }
    kept[(first_kept + kept_count++) % EVENTS] = *event;
}

// Told again and again while bytes wait; a program learns it once.
static void keep_once(const host_event_t *event) {
    for (size_t at = 0; at < kept_count; at++) {
        const host_event_t *other = &kept[(first_kept + at) % EVENTS];
        if (other->type == event->type && other->handle == event->handle) {
            return;
        }
    }
    keep(event);
}

// Nobody waits for a stop by itself: the program ends as by sys.exit(), through every `finally`.
static void stop(void) {
    if (!telling && !source_is_waited_for(SOURCE_STOP)) {
        mp_sched_exception(mp_obj_new_exception(&mp_type_SystemExit));
    }
}

static void happened(const host_event_t *event) {
    grant_t *grant = grant_by_handle(event->handle);
    switch (event->type) {
        case EVENT_STOP:
            source_tell(SOURCE_STOP, event->value);
            keep(event);
            stop();
            break;
        case EVENT_TWIN:
            source_tell(SOURCE_TWIN, event->value);
            keep(event);
            break;
        case EVENT_EDGE:
            if (grant != NULL) {
                keep(event);
                pin_edge(grant, event->time_ns, event->value != 0);
            }
            break;
        case EVENT_READABLE:
            if (grant != NULL) {
                uart_readable(grant);
                keep_once(event);
            }
            break;
        case EVENT_CLOSED:
            if (grant != NULL) {
                keep(event);
                uart_closed(grant);
            }
            break;
        default:
            break;
    }
}

bool port_wait(int32_t timeout_ms) {
    port_flush();
    host_event_t event;
    bool told = host_wait(timeout_ms, &event, sizeof event) == 1;
    waited_at_ns = port_last_monotonic_ns();
    if (told) {
        happened(&event);
    }
    return told;
}

void port_look(void) {
    if (port_last_monotonic_ns() - waited_at_ns >= LOOK_NS) {
        while (port_wait(0)) {
        }
    }
}

void port_sleep_us(uint64_t us) {
    uint64_t until = port_monotonic_ns() + us * 1000;
    uint64_t now = until - us * 1000;
    do {
        uint64_t left_ms = (until - now + 999999) / 1000000;
        port_wait(left_ms > INT32_MAX ? INT32_MAX : (int32_t)left_ms);
        mp_handle_pending(true);
        now = port_monotonic_ns();
    } while (now < until);
}

// wait(timeout_ms=-1): (type, what, value, monotonic milliseconds), or None.
static mp_obj_t wait_told(size_t n_args, const mp_obj_t *args) {
    mp_int_t timeout_ms = n_args == 0 ? -1 : mp_obj_get_int(args[0]);
    uint64_t until = port_monotonic_ns() / 1000000 + (timeout_ms > 0 ? timeout_ms : 0);
    while (kept_count == 0) {
        uint64_t now = port_monotonic_ns() / 1000000;
        telling = true;
        bool any = port_wait(timeout_ms < 0 ? -1 : now < until ? (int32_t)(until - now) : 0);
        telling = false;
        mp_handle_pending(true);
        if (!any && timeout_ms >= 0) {
            return mp_const_none;
        }
    }
    host_event_t event = kept[first_kept];
    first_kept = (first_kept + 1) % EVENTS;
    kept_count--;
    grant_t *grant = grant_by_handle(event.handle);
    mp_obj_t told[] = {
        MP_OBJ_NEW_SMALL_INT(event.type),
        event.handle != 0 && grant != NULL ? MP_OBJ_FROM_PTR(grant) : mp_const_none,
        mp_obj_new_int_from_ll(event.value),
        mp_obj_new_int_from_ll(event.time_ns / 1000000),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(told), told);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(port_wait_told_obj, 0, 1, wait_told);
