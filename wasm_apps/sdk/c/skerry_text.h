/* Text without stdio: printf's float code alone would be larger than most apps.
 *
 * Formats: %s %c %d %i %u %x %% with `l` and `ll`, and %f with a precision of 0 to 9 (`%.2f`; 6
 * when none is given). No widths. Floats past 1e15 print as `big`.
 */
#ifndef SKERRY_TEXT_H
#define SKERRY_TEXT_H

#include <stdarg.h>
#include <string.h>

#include "skerry_abi.h"

#define SKERRY_UNUSED __attribute__((unused))

struct skerry_text {
    char *data;
    size_t capacity;
    size_t length;
};

static SKERRY_UNUSED void skerry_put(struct skerry_text *text, char c) {
    if (text->length + 1 < text->capacity) {
        text->data[text->length++] = c;
    }
}

static SKERRY_UNUSED void skerry_put_unsigned(struct skerry_text *text, uint64_t value,
                                              unsigned base, int digits) {
    char reversed[20];
    int count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value || count < digits);
    while (count) {
        skerry_put(text, reversed[--count]);
    }
}

static SKERRY_UNUSED void skerry_put_string(struct skerry_text *text, const char *string) {
    while (*string) {
        skerry_put(text, *string++);
    }
}

static SKERRY_UNUSED void skerry_put_double(struct skerry_text *text, double value,
                                            int precision) {
    if (value != value) {
        skerry_put_string(text, "nan");
        return;
    }
    bool negative = value < 0;
    double size = negative ? -value : value;
    if (size > 1e15) {
        skerry_put_string(text, negative ? "-big" : "big");
        return;
    }
    uint64_t scale = 1;
    for (int i = 0; i < precision; i++) {
        scale *= 10;
    }
    uint64_t whole = (uint64_t)size;
    uint64_t fraction = (uint64_t)((size - (double)whole) * (double)scale + 0.5);
    if (fraction >= scale) {
        whole++;
        fraction -= scale;
    }
    if (negative && (whole || fraction)) {
        skerry_put(text, '-');
    }
    skerry_put_unsigned(text, whole, 10, 1);
    if (precision) {
        skerry_put(text, '.');
        skerry_put_unsigned(text, fraction, 10, precision);
    }
}

/* Formats into `data`, always ended by NUL; returns the length, cut to capacity - 1. */
static SKERRY_UNUSED __attribute__((format(printf, 3, 0))) size_t
skerry_format_list(char *data, size_t capacity, const char *format, va_list arguments) {
    struct skerry_text text = {data, capacity, 0};
    for (; *format; format++) {
        if (*format != '%') {
            skerry_put(&text, *format);
            continue;
        }
        int precision = 6, longs = 0;
        format++;
        if (*format == '.') {
            precision = 0;
            for (format++; *format >= '0' && *format <= '9'; format++) {
                precision = *format - '0';
            }
        }
        while (*format == 'l') {
            longs++;
            format++;
        }
        if (*format == 'd' || *format == 'i') {
            int64_t value = longs > 1    ? va_arg(arguments, long long)
                            : longs == 1 ? va_arg(arguments, long)
                                         : va_arg(arguments, int);
            if (value < 0) {
                skerry_put(&text, '-');
            }
            skerry_put_unsigned(&text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, 1);
        } else if (*format == 'u' || *format == 'x') {
            uint64_t value = longs > 1    ? va_arg(arguments, unsigned long long)
                             : longs == 1 ? va_arg(arguments, unsigned long)
                                          : va_arg(arguments, unsigned);
            skerry_put_unsigned(&text, value, *format == 'x' ? 16 : 10, 1);
        } else if (*format == 'f') {
            skerry_put_double(&text, va_arg(arguments, double), precision);
        } else if (*format == 's') {
            skerry_put_string(&text, va_arg(arguments, const char *));
        } else if (*format == 'c') {
            skerry_put(&text, (char)va_arg(arguments, int));
        } else if (*format) {
            skerry_put(&text, *format);
        } else {
            break;
        }
    }
    if (capacity) {
        data[text.length] = 0;
    }
    return text.length;
}

static SKERRY_UNUSED __attribute__((format(printf, 3, 4))) size_t
skerry_format(char *data, size_t capacity, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length = skerry_format_list(data, capacity, format, arguments);
    va_end(arguments);
    return length;
}

/* Reads a JSON number that fills the text; false when it is not one. Within 1 ulp or two. */
static SKERRY_UNUSED bool skerry_parse_number(const char *text, size_t length, double *number) {
    size_t at = 0, digits = 0;
    bool negative = length && text[0] == '-';
    at += negative;
    double value = 0;
    int exponent = 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++, digits++) {
        value = value * 10 + (text[at] - '0');
    }
    if (at < length && text[at] == '.') {
        for (at++; at < length && text[at] >= '0' && text[at] <= '9'; at++, digits++) {
            value = value * 10 + (text[at] - '0');
            exponent--;
        }
    }
    if (at < length && digits && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        bool down = at < length && text[at] == '-';
        at += at < length && (text[at] == '-' || text[at] == '+');
        int given = 0;
        size_t first = at;
        for (; at < length && text[at] >= '0' && text[at] <= '9' && given < 1000; at++) {
            given = given * 10 + (text[at] - '0');
        }
        if (at == first) {
            return false;
        }
        exponent += down ? -given : given;
    }
    if (!digits || at != length) {
        return false;
    }
    double scale = 1;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--) {
        scale *= 10;
    }
    value = exponent < 0 ? value / scale : value * scale;
    *number = negative ? -value : value;
    return true;
}

#endif
