/* Two-point control with hysteresis and shortest times: pure arithmetic, time is an argument. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct limits {
    double setpoint, hysteresis; /* degrees; the band lies half above, half below */
    int64_t min_on_ms, min_off_ms;
};

struct control {
    bool on;
    int64_t since_ms; /* of the last switch */
};

static bool control_switch(struct control *control, bool on, int64_t now) {
    bool changed = control->on != on;
    if (changed) {
        control->on = on;
        control->since_ms = now;
    }
    return changed;
}

/* Decides on a measured temperature; whether the heater was switched. */
static bool control_step(struct control *control, const struct limits *limits,
                         double temperature, int64_t now) {
    double half = limits->hysteresis / 2;
    int64_t held = now - control->since_ms;
    if (control->on) {
        bool warm = temperature >= limits->setpoint + half;
        return warm && held >= limits->min_on_ms && control_switch(control, false, now);
    }
    bool cold = temperature <= limits->setpoint - half;
    return cold && held >= limits->min_off_ms && control_switch(control, true, now);
}

#endif
