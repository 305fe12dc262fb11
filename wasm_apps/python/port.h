// What the files of this port share.
#ifndef SKERRY_PYTHON_PORT_H
#define SKERRY_PYTHON_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// wait.c: everything that waits comes through here.
bool port_wait(int32_t timeout_ms);
void port_look(void);
void port_sleep_us(uint64_t us);
bool port_stopping(void);

// clock.c
uint64_t port_monotonic_ns(void);
uint64_t port_last_monotonic_ns(void);

// console.c
ssize_t port_write(int fd, const void *data, size_t length);
void port_flush(void);

// errno.c
int port_errno(int wasi);
int port_last_errno(void);

// collect.c
void port_stack_begins(const void *top);

#endif
