/* Publishes as many packs as asked, and says when the first and the last call was made. */
#include <skerry.h>

enum { RECORDS = 100, RECORD_BYTES = 48 };

static uint8_t buffer[RECORDS * RECORD_BYTES];

static int32_t publish(int32_t stream, double seconds, uint32_t first) {
    struct skerry_senml pack = skerry_senml_in(buffer, sizeof buffer);
    for (uint32_t i = first; i < first + RECORDS; i++) {
        skerry_senml_time(&pack, seconds + i / 1000.0);
        skerry_senml_number(&pack, "probe-1", "Cel", 20.0 + (i % 512) / 64.0);
    }
    return skerry_senml_publish(&pack, stream);
}

static void run(int32_t stream, uint32_t packs) {
    double seconds = 1750000000.0;
    int64_t first = skerry_monotonic_ns();
    for (uint32_t pack = 0; pack < packs;) {
        int32_t result = publish(stream, seconds, pack * RECORDS);
        if (result == SKERRY_AGAIN) {
            skerry_wait(1);
        } else if (result < 0) {
            skerry_log(SKERRY_ERROR, "publish: %s", skerry_error_name(result));
            return;
        } else {
            pack++;
        }
    }
    int64_t last = skerry_monotonic_ns();
    skerry_log(SKERRY_INFO, "run %d %d", (int)(first / 1000000), (int)((last - first) / 1000));
}

int main(void) {
    int32_t synced = skerry_telemetry_open("synced");
    int32_t relaxed = skerry_telemetry_open("relaxed");
    double done = 0;
    for (;;) {
        double wanted = skerry_twin_number("run", 0);
        if (wanted != done) {
            done = wanted;
            run(skerry_twin_bool("relaxed", false) ? relaxed : synced,
                (uint32_t)skerry_twin_number("packs", 0));
        }
        if (skerry_wait(-1).type == SKERRY_STOP) {
            return 0;
        }
    }
}
