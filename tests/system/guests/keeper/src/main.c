/* Opens the secret it was granted and says of it only the sum of its bytes. */
#include <skerry.h>

int main(void) {
    unsigned char secret[64];
    int32_t size = skerry_secret_get("password", secret, sizeof secret);
    if (size < 0) {
        skerry_log(SKERRY_ERROR, "no secret: %d", (int)size);
        return 1;
    }
    double sum = 0;
    for (int32_t i = 0; i < size; i++) {
        sum += secret[i];
    }
    skerry_publish(skerry_telemetry_open("sum"), "", sum);
    while (skerry_wait(1000).type != SKERRY_STOP) {
    }
    return 0;
}
