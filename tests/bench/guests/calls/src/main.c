/* Times each kind of host call: a line `name nanoseconds` for each batch of calls. */
#include <skerry.h>

enum { BATCH = 100, BATCHES = 30, SLOW_BATCH = 10 };

static int32_t relaxed, synced;
static char value[64];

static int32_t now(void) { return skerry_monotonic_ns() > 0 ? 0 : -1; }
static int32_t kv_get(void) { return skerry_kv_get("key", value, sizeof value); }
static int32_t kv_set(void) { return skerry_kv_set("key", value, sizeof value); }
static int32_t log_line(void) { return skerry_log_write(SKERRY_DEBUG, "a line", 6); }
static int32_t publish(void) { return skerry_publish(relaxed, "Cel", 21.5); }
static int32_t publish_synced(void) { return skerry_publish(synced, "Cel", 21.5); }

static bool measure(const char *name, int32_t (*call)(void), int calls) {
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t start = skerry_monotonic_ns();
        for (int i = 0; i < calls; i++) {
            int32_t result = call();
            if (result < 0) {
                skerry_log(SKERRY_ERROR, "failed %s: %s", name, skerry_error_name(result));
                return false;
            }
        }
        int64_t each = (skerry_monotonic_ns() - start) / calls;
        skerry_log(SKERRY_INFO, "%s %d", name, (int)each);
        skerry_wait(0);
    }
    return true;
}

int main(void) {
    relaxed = skerry_telemetry_open("relaxed");
    synced = skerry_telemetry_open("synced");
    bool all = measure("clock", now, BATCH) && measure("log", log_line, BATCH) &&
               measure("kv-set", kv_set, SLOW_BATCH) && measure("kv-get", kv_get, BATCH) &&
               measure("publish-relaxed", publish, BATCH) &&
               measure("publish-synced", publish_synced, SLOW_BATCH);
    return all ? 0 : 1;
}
