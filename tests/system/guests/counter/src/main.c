/* Publishes run * 1,000,000 + n for n = 1, 2, … on both streams; after each return says so. */
#include <skerry.h>
#include <stdio.h>
#include <unistd.h>

static void confirm(int32_t line, char stream, int64_t number) {
    char text[32];
    int length = snprintf(text, sizeof text, "%c %lld\n", stream, (long long)number);
    skerry_serial_write(line, text, (size_t)length, 1000);
}

static int64_t next_run(void) {
    int32_t run = 0;
    skerry_kv_get("run", &run, sizeof run);
    run++;
    return skerry_kv_set("run", &run, sizeof run) == 0 ? run : 0;
}

int main(void) {
    int32_t line = skerry_serial_open("confirm");
    int32_t synced = skerry_telemetry_open("count");
    int32_t relaxed = skerry_telemetry_open("count-relaxed");
    int64_t run = next_run();
    if (line < 0 || synced < 0 || relaxed < 0 || run == 0) {
        return 1;
    }
    for (int64_t n = 1;; n++) {
        int64_t number = run * 1000000 + n;
        if (skerry_publish(synced, "", (double)number) == 1) {
            confirm(line, 's', number);
        }
        if (skerry_publish(relaxed, "", (double)number) == 1) {
            confirm(line, 'r', number);
        }
        struct skerry_event event = skerry_wait((int64_t)skerry_twin_number("interval", 20));
        if (event.type == SKERRY_STOP) {
            return 0;
        }
    }
}
