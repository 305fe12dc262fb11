/* Samples a temperature sensor, filters, and reports what changed. */
#include <skerry_climate.h>

#include "filter.h"

struct settings {
    double interval, deadband, silence, smoothing;
};

struct streams {
    int32_t temperature, humidity, pressure;
};

struct station {
    struct settings settings;
    struct streams streams;
    struct skerry_sampler sampler;
    struct filter temperature, humidity, pressure;
    double reported;
    int64_t reported_ms;
    bool has_reported;
    bool publishing_failed;
};

static double setting(const char *name, double otherwise) {
    double value = skerry_twin_number(name, otherwise);
    skerry_twin_report_number(name, value);
    return value;
}

static void configure(struct station *station) {
    struct settings *settings = &station->settings;
    settings->interval = setting("interval", 5);
    settings->deadband = setting("deadband", 0.2);
    settings->silence = setting("silence", 60);
    settings->smoothing = setting("smoothing", 0.5);
    skerry_sampler_every(&station->sampler, (int64_t)(settings->interval * 1000));
}

static bool worth_reporting(const struct station *station, double temperature, int64_t now) {
    double change = temperature - station->reported;
    return !station->has_reported || (change < 0 ? -change : change) >= station->settings.deadband ||
           now - station->reported_ms >= (int64_t)(station->settings.silence * 1000);
}

static int32_t publish(const struct station *station, double temperature, double humidity,
                       double pressure, bool has_air) {
    int32_t result = skerry_publish(station->streams.temperature, "Cel", temperature);
    if (result >= 0 && has_air) {
        result = skerry_publish(station->streams.humidity, "%RH", humidity);
    }
    if (result >= 0 && has_air) {
        result = skerry_publish(station->streams.pressure, "Pa", pressure);
    }
    return result;
}

static void take(struct station *station, const struct skerry_reading *reading, int64_t now) {
    double weight = station->settings.smoothing, humidity = 0, pressure = 0;
    double temperature = filter_add(&station->temperature, reading->temperature, weight);
    if (reading->has_air) {
        humidity = filter_add(&station->humidity, reading->humidity, weight);
        pressure = filter_add(&station->pressure, reading->pressure, weight);
    }
    if (!worth_reporting(station, temperature, now)) {
        return;
    }
    int32_t result = publish(station, temperature, humidity, pressure, reading->has_air);
    if (result < 0) {
        if (!station->publishing_failed) {
            skerry_log(SKERRY_WARNING, "cannot publish, will retry: %s",
                       skerry_error_name(result));
        }
        station->publishing_failed = true;
        return;
    }
    station->publishing_failed = false;
    station->has_reported = true;
    station->reported = temperature;
    station->reported_ms = now;
}

static void sample(struct station *station, int64_t now) {
    struct skerry_reading reading;
    int32_t failures = station->sampler.failures;
    enum skerry_sensor known = station->sampler.climate.sensor;
    int32_t result = skerry_sampler_poll(&station->sampler, now, &reading);
    if (result < 0) {
        if (failures == 0) {
            skerry_log(SKERRY_ERROR, "sensor failed, retrying: %s", skerry_error_name(result));
        }
        return;
    }
    if (station->sampler.climate.sensor != known) {
        skerry_log(SKERRY_INFO, "found a %s", skerry_sensor_name(station->sampler.climate.sensor));
    }
    if (result == 0) {
        return;
    }
    if (failures) {
        skerry_log(SKERRY_INFO, "sensor answers again after %d failures", failures);
        station->temperature = station->humidity = station->pressure = (struct filter){0};
        station->has_reported = false;
        station->sampler.failures = 0;
    }
    take(station, &reading, now);
}

int main(void) {
    struct station station = {
        .streams = {
            .temperature = skerry_telemetry_open("temperature"),
            .humidity = skerry_telemetry_open("humidity"),
            .pressure = skerry_telemetry_open("pressure"),
        },
    };
    int32_t probe = skerry_i2c_open("probe");
    if (probe < 0) {
        skerry_log(SKERRY_ERROR, "cannot open grant probe: %s", skerry_error_name(probe));
        return 1;
    }
    station.sampler = skerry_sampler_on(probe, skerry_milliseconds());
    configure(&station);
    for (;;) {
        int64_t left = station.sampler.due_ms - skerry_milliseconds();
        struct skerry_event event = skerry_wait(left > 0 ? left : 0);
        if (event.type == SKERRY_STOP) {
            return 0;
        }
        if (event.type == SKERRY_TWIN) {
            configure(&station);
        }
        sample(&station, skerry_milliseconds());
    }
}
