// Grants that are open: what Pin, I2C and UART have in common.
#ifndef SKERRY_PYTHON_GRANT_H
#define SKERRY_PYTHON_GRANT_H

#include "host.h"
#include "py/obj.h"

typedef struct _grant_t {
    mp_obj_base_t base;
    struct _grant_t *next;
    qstr name;
    int32_t handle;
} grant_t;

// The object that opened a grant by that name, or NULL: a grant is open once, so whoever asks
// again gets the same. Anything but a name is a TypeError that says so.
grant_t *grant_find(const mp_obj_type_t *type, mp_obj_t name);
grant_t *grant_by_handle(int32_t handle);

// Fills a new object and remembers it; an error of the host is an OSError with the grant's name.
typedef int32_t (*host_open_t)(KEY);
void grant_open(grant_t *grant, mp_obj_t name, host_open_t open);
void grant_forget(grant_t *grant);

// A result of the host: OSError below 0.
int32_t host_check(int32_t result);

// pin.c and uart.c: an event of the host that concerns one.
void pin_edge(grant_t *grant, int64_t time_ns, bool rising);
void uart_readable(grant_t *grant);
void uart_closed(grant_t *grant);

#endif
