// What is printed: whole lines to the host, which logs them. A call of it costs far more than a
// line's bytes, and print() writes in pieces.
#include <string.h>
#include <unistd.h>

#include "py/mpprint.h"
#include "py/mphal.h"

#define LINE_BYTES (256)

typedef struct {
    int fd;
    size_t used;
    char bytes[LINE_BYTES];
} line_t;

static line_t lines[] = { { .fd = STDOUT_FILENO }, { .fd = STDERR_FILENO } };

static void flush(line_t *line) {
    const char *at = line->bytes;
    while (line->used > 0) {
        ssize_t taken = write(line->fd, at, line->used);
        if (taken <= 0) {
            break;
        }
        at += taken;
        line->used -= taken;
    }
    line->used = 0;
}

static void put(line_t *line, const char *data, size_t length) {
    for (size_t at = 0; at < length; at++) {
        line->bytes[line->used++] = data[at];
        if (line->used == LINE_BYTES) {
            flush(line);
        }
    }
    if (memchr(line->bytes, '\n', line->used) != NULL) {
        flush(line);
    }
}

void port_flush(void) {
    flush(&lines[0]);
    flush(&lines[1]);
}

ssize_t port_write(int fd, const void *data, size_t length) {
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        return write(fd, data, length);
    }
    // The other stream's words came first.
    flush(&lines[fd == STDOUT_FILENO]);
    put(&lines[fd == STDERR_FILENO], data, length);
    return length;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    return port_write(STDOUT_FILENO, text, length);
}

void mp_hal_stdout_tx_strn_cooked(const char *text, size_t length) {
    port_write(STDOUT_FILENO, text, length);
}

void mp_hal_stdout_tx_str(const char *text) {
    port_write(STDOUT_FILENO, text, strlen(text));
}

static void print_error(void *unused, const char *text, size_t length) {
    (void)unused;
    port_write(STDERR_FILENO, text, length);
}
const mp_print_t port_error_print = { NULL, print_error };
