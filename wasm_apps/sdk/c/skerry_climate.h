/* Temperature sensors on I2C: TMP105, LM75 and BME280, told apart by what they answer.
 *
 * A measurement has two steps, start and read, with a wait between that belongs to the app's own
 * event loop. `skerry_sampler` does that dance, with retries, for apps that sample at intervals.
 * Sources: TI SLLS648, NXP LM75B, Bosch BST-BME280-DS002 (compensation: section 8.1).
 */
#ifndef SKERRY_CLIMATE_H
#define SKERRY_CLIMATE_H

#include "skerry.h"

enum skerry_sensor { SKERRY_UNKNOWN_SENSOR, SKERRY_TMP105, SKERRY_LM75, SKERRY_BME280 };

struct skerry_climate {
    int32_t handle;
    enum skerry_sensor sensor;
    uint16_t t1, p1;
    int16_t t2, t3, p2, p3, p4, p5, p6, p7, p8, p9, h2, h4, h5;
    uint8_t h1, h3;
    int8_t h6;
};

struct skerry_reading {
    double temperature; /* degrees Celsius */
    bool has_air;       /* BME280 only: the two below */
    double humidity;    /* percent, relative */
    double pressure;    /* pascal */
};

#define SKERRY_BME280_ID 0x60
#define SKERRY_TMP105_ONE_SHOT 0xE1 /* one conversion of 12 bits, then shutdown */
#define SKERRY_TMP105_12_BITS 0x60
#define SKERRY_TMP105_MS 320 /* longest conversion of 12 bits */
#define SKERRY_LM75_MS 300   /* longest conversion of the slowest maker's */
#define SKERRY_BME280_MS 11  /* longest measurement at oversampling 1 is 9.3 ms */

static SKERRY_UNUSED const char *skerry_sensor_name(enum skerry_sensor sensor) {
    static const char *const names[] = {"unknown", "TMP105", "LM75", "BME280"};
    return names[sensor];
}

static SKERRY_UNUSED int32_t skerry_register_read(int32_t handle, uint8_t number, uint8_t *data,
                                                  int32_t length) {
    return skerry_i2c_write_read(handle, &number, 1, data, length);
}

static SKERRY_UNUSED int32_t skerry_register_write(int32_t handle, uint8_t number,
                                                   uint8_t value) {
    uint8_t message[2] = {number, value};
    return skerry_i2c_write(handle, message, sizeof message);
}

static SKERRY_UNUSED int32_t skerry_bme280_trim(struct skerry_climate *climate) {
    uint8_t a[26], b[7];
    int32_t result = skerry_register_read(climate->handle, 0x88, a, sizeof a);
    if (result >= 0) {
        result = skerry_register_read(climate->handle, 0xE1, b, sizeof b);
    }
    if (result < 0) {
        return result;
    }
    climate->t1 = (uint16_t)(a[0] | a[1] << 8);
    climate->t2 = (int16_t)(a[2] | a[3] << 8);
    climate->t3 = (int16_t)(a[4] | a[5] << 8);
    climate->p1 = (uint16_t)(a[6] | a[7] << 8);
    climate->p2 = (int16_t)(a[8] | a[9] << 8);
    climate->p3 = (int16_t)(a[10] | a[11] << 8);
    climate->p4 = (int16_t)(a[12] | a[13] << 8);
    climate->p5 = (int16_t)(a[14] | a[15] << 8);
    climate->p6 = (int16_t)(a[16] | a[17] << 8);
    climate->p7 = (int16_t)(a[18] | a[19] << 8);
    climate->p8 = (int16_t)(a[20] | a[21] << 8);
    climate->p9 = (int16_t)(a[22] | a[23] << 8);
    climate->h1 = a[25];
    climate->h2 = (int16_t)(b[0] | b[1] << 8);
    climate->h3 = b[2];
    climate->h4 = (int16_t)((int8_t)b[3] * 16 | (b[4] & 0x0F));
    climate->h5 = (int16_t)((int8_t)b[5] * 16 | b[4] >> 4);
    climate->h6 = (int8_t)b[6];
    return 0;
}

/* Finds out which sensor answers on an open i2c handle. */
static SKERRY_UNUSED int32_t skerry_climate_probe(struct skerry_climate *climate,
                                                  int32_t handle) {
    uint8_t id, reset, config;
    climate->handle = handle;
    climate->sensor = SKERRY_UNKNOWN_SENSOR;
    int32_t result = skerry_register_read(handle, 0xD0, &id, 1);
    if (result >= 0) {
        result = skerry_register_read(handle, 0xE0, &reset, 1);
    }
    if (result < 0) {
        return result;
    }
    /* A TMP105 answers both with its temperature, so 96 degrees alone must not look like an id. */
    if (id == SKERRY_BME280_ID && reset == 0) {
        result = skerry_bme280_trim(climate);
        if (result >= 0) {
            climate->sensor = SKERRY_BME280;
        }
        return result;
    }
    result = skerry_register_write(handle, 1, SKERRY_TMP105_12_BITS);
    if (result >= 0) {
        result = skerry_register_read(handle, 1, &config, 1);
    }
    if (result >= 0) {
        climate->sensor = (config & SKERRY_TMP105_12_BITS) == SKERRY_TMP105_12_BITS
                              ? SKERRY_TMP105
                              : SKERRY_LM75;
    }
    return result;
}

/* Starts a measurement: the milliseconds until it can be read, or an error. */
static SKERRY_UNUSED int32_t skerry_climate_start(struct skerry_climate *climate) {
    int32_t result = 0, wait = SKERRY_LM75_MS;
    if (climate->sensor == SKERRY_TMP105) {
        result = skerry_register_write(climate->handle, 1, SKERRY_TMP105_ONE_SHOT);
        wait = SKERRY_TMP105_MS;
    } else if (climate->sensor == SKERRY_BME280) {
        /* Oversampling 1 for all three, forced mode; humidity first, as the data sheet asks. */
        uint8_t message[4] = {0xF2, 0x01, 0xF4, 0x25};
        result = skerry_i2c_write(climate->handle, message, sizeof message);
        wait = SKERRY_BME280_MS;
    }
    return result < 0 ? result : wait;
}

static SKERRY_UNUSED int32_t skerry_bme280_read(const struct skerry_climate *c,
                                                struct skerry_reading *reading) {
    uint8_t data[12]; /* from the status at 0xF3 to the humidity */
    int32_t result = skerry_register_read(c->handle, 0xF3, data, sizeof data);
    if (result < 0) {
        return result;
    }
    const uint8_t *raw = data + 4;
    double adc_p = raw[0] << 12 | raw[1] << 4 | raw[2] >> 4;
    double adc_t = raw[3] << 12 | raw[4] << 4 | raw[5] >> 4;
    double adc_h = raw[6] << 8 | raw[7];
    if (data[0] & 0x08 || adc_t == 0x80000) {
        return SKERRY_AGAIN;
    }

    double cold = adc_t / 131072.0 - c->t1 / 8192.0;
    double fine = (adc_t / 16384.0 - c->t1 / 1024.0) * c->t2 + cold * cold * c->t3;
    reading->temperature = fine / 5120.0;

    double half = fine / 2.0 - 64000.0;
    double offset = half * half * c->p6 / 32768.0 + half * c->p5 * 2.0;
    offset = offset / 4.0 + c->p4 * 65536.0;
    double slope = (c->p3 * half * half / 524288.0 + c->p2 * half) / 524288.0;
    slope = (1.0 + slope / 32768.0) * c->p1;
    if (slope == 0) {
        return SKERRY_IO;
    }
    double p = (1048576.0 - adc_p - offset / 4096.0) * 6250.0 / slope;
    reading->pressure = p + (c->p9 * p * p / 2147483648.0 + p * c->p8 / 32768.0 + c->p7) / 16.0;

    double warm = fine - 76800.0;
    double base = adc_h - (c->h4 * 64.0 + c->h5 / 16384.0 * warm);
    double curve = 1.0 + c->h6 / 67108864.0 * warm * (1.0 + c->h3 / 67108864.0 * warm);
    double h = base * (c->h2 / 65536.0 * curve);
    h *= 1.0 - c->h1 * h / 524288.0;
    reading->humidity = h < 0 ? 0 : h > 100 ? 100 : h;
    reading->has_air = true;
    return 0;
}

/* Reads the measurement that was started; AGAIN when it is not finished. */
static SKERRY_UNUSED int32_t skerry_climate_read(const struct skerry_climate *climate,
                                                 struct skerry_reading *reading) {
    *reading = (struct skerry_reading){0};
    if (climate->sensor == SKERRY_BME280) {
        return skerry_bme280_read(climate, reading);
    }
    uint8_t data[2];
    int32_t result = skerry_register_read(climate->handle, 0, data, sizeof data);
    if (result >= 0) {
        reading->temperature = (int16_t)(data[0] << 8 | data[1]) / 256.0;
    }
    return result < 0 ? result : 0;
}

/* --- sampling at intervals --- */

#define SKERRY_PATIENCE 3          /* failures in a row before the retries become rarer */
#define SKERRY_BACKOFF_MS 60000    /* longest time between retries, unless the interval is longer */

struct skerry_sampler {
    struct skerry_climate climate;
    int64_t interval_ms;
    int64_t due_ms;    /* when `skerry_sampler_poll` has something to do */
    int64_t began_ms;
    int32_t failures;  /* in a row */
    bool measuring;
};

static SKERRY_UNUSED struct skerry_sampler skerry_sampler_on(int32_t handle, int64_t now_ms) {
    return (struct skerry_sampler){.climate = {.handle = handle}, .due_ms = now_ms};
}

/* Samples every so often from now on; a shorter interval counts at once. */
static SKERRY_UNUSED void skerry_sampler_every(struct skerry_sampler *sampler,
                                               int64_t interval_ms) {
    sampler->interval_ms = interval_ms;
    if (!sampler->measuring && sampler->due_ms > sampler->began_ms + interval_ms) {
        sampler->due_ms = sampler->began_ms + interval_ms;
    }
}

static SKERRY_UNUSED int32_t skerry_sampler_failed(struct skerry_sampler *sampler,
                                                   int32_t error) {
    int64_t pause = sampler->interval_ms;
    sampler->failures += sampler->failures < 1000;
    for (int32_t i = SKERRY_PATIENCE; i < sampler->failures && pause < SKERRY_BACKOFF_MS; i++) {
        pause = pause * 2 < SKERRY_BACKOFF_MS ? pause * 2 : SKERRY_BACKOFF_MS;
    }
    sampler->measuring = false;
    sampler->climate.sensor = SKERRY_UNKNOWN_SENSOR; /* it may come back as another, or reset */
    sampler->due_ms = sampler->began_ms + pause;
    return error;
}

/* Does what is due: 1 with a new reading, 0 when there is none yet, or the sensor's error. */
static SKERRY_UNUSED int32_t skerry_sampler_poll(struct skerry_sampler *sampler, int64_t now_ms,
                                                 struct skerry_reading *reading) {
    if (now_ms < sampler->due_ms) {
        return 0;
    }
    int32_t result = 0;
    if (!sampler->measuring) {
        sampler->began_ms = now_ms;
        if (sampler->climate.sensor == SKERRY_UNKNOWN_SENSOR) {
            result = skerry_climate_probe(&sampler->climate, sampler->climate.handle);
        }
        if (result >= 0) {
            result = skerry_climate_start(&sampler->climate);
        }
        if (result < 0) {
            return skerry_sampler_failed(sampler, result);
        }
        sampler->measuring = true;
        sampler->due_ms = now_ms + result;
        return 0;
    }
    result = skerry_climate_read(&sampler->climate, reading);
    if (result < 0) {
        return skerry_sampler_failed(sampler, result);
    }
    sampler->measuring = false;
    sampler->due_ms = sampler->began_ms + sampler->interval_ms;
    return 1;
}

#endif
