/* Keeps a room at the set-point. The heater is off whenever the temperature is not known. */
#include <skerry_climate.h>

#include "control.h"

#define TRIES 3              /* failures in a row before the heater goes off */
#define WORTH_REPORTING 0.1  /* degrees */
#define SILENCE_MS 60000     /* a report is sent at least this often */

struct room {
    struct limits limits;
    struct control control;
    struct skerry_sampler sampler;
    int32_t heater, temperatures, states;
    double reported;
    int64_t reported_ms;
    bool has_reported;
};

static double setting(const char *name, double otherwise) {
    double value = skerry_twin_number(name, otherwise);
    skerry_twin_report_number(name, value);
    return value;
}

static void configure(struct room *room) {
    room->limits.setpoint = setting("setpoint", 20);
    room->limits.hysteresis = setting("hysteresis", 0.5);
    room->limits.min_on_ms = (int64_t)(setting("min-on", 60) * 1000);
    room->limits.min_off_ms = (int64_t)(setting("min-off", 60) * 1000);
    skerry_sampler_every(&room->sampler, (int64_t)(setting("interval", 5) * 1000));
}

/* Puts the control's decision on the pin and tells the cloud. */
static void apply(const struct room *room) {
    int32_t result = skerry_gpio_write(room->heater, room->control.on);
    if (result < 0) {
        skerry_log(SKERRY_ERROR, "cannot switch the heater: %s", skerry_error_name(result));
    }
    uint8_t buffer[32];
    struct skerry_senml pack = skerry_senml_in(buffer, sizeof buffer);
    skerry_senml_bool(&pack, NULL, room->control.on);
    skerry_senml_publish(&pack, room->states);
}

static void report(struct room *room, double temperature, int64_t now) {
    double change = temperature - room->reported;
    bool moved = (change < 0 ? -change : change) >= WORTH_REPORTING;
    bool silent = now - room->reported_ms >= SILENCE_MS;
    if (room->has_reported && !moved && !silent) {
        return;
    }
    if (skerry_publish(room->temperatures, "Cel", temperature) > 0) {
        room->has_reported = true;
        room->reported = temperature;
        room->reported_ms = now;
    }
}

static void fail_safe(struct room *room, int32_t error, int64_t now) {
    if (room->sampler.failures != TRIES) {
        return;
    }
    skerry_log(SKERRY_ERROR, "no temperature, heater off: %s", skerry_error_name(error));
    control_switch(&room->control, false, now);
    apply(room);
}

static void sample(struct room *room, int64_t now) {
    struct skerry_reading reading;
    int32_t result = skerry_sampler_poll(&room->sampler, now, &reading);
    if (result < 0) {
        fail_safe(room, result, now);
    }
    if (result <= 0) {
        return;
    }
    if (room->sampler.failures >= TRIES) {
        skerry_log(SKERRY_INFO, "temperature is known again");
    }
    room->sampler.failures = 0;
    report(room, reading.temperature, now);
    if (control_step(&room->control, &room->limits, reading.temperature, now)) {
        skerry_log(SKERRY_INFO, "heater %s at %.2f, set-point %.2f",
                   room->control.on ? "on" : "off", reading.temperature, room->limits.setpoint);
        apply(room);
    }
}

int main(void) {
    struct room room = {
        .heater = skerry_gpio_open("heater"),
        .temperatures = skerry_telemetry_open("temperature"),
        .states = skerry_telemetry_open("heater"),
    };
    int32_t probe = skerry_i2c_open("probe");
    if (room.heater < 0 || probe < 0) {
        skerry_log(SKERRY_ERROR, "cannot open grants: heater %s, probe %s",
                   skerry_error_name(room.heater), skerry_error_name(probe));
        return 1;
    }
    int64_t now = skerry_milliseconds();
    room.sampler = skerry_sampler_on(probe, now);
    room.control.since_ms = now; /* what was before the start is not known: min-off counts anew */
    configure(&room);
    apply(&room);
    for (;;) {
        int64_t left = room.sampler.due_ms - skerry_milliseconds();
        struct skerry_event event = skerry_wait(left > 0 ? left : 0);
        now = skerry_milliseconds();
        if (event.type == SKERRY_STOP) {
            control_switch(&room.control, false, now);
            apply(&room);
            return 0;
        }
        if (event.type == SKERRY_TWIN) {
            configure(&room);
        }
        sample(&room, now);
    }
}
