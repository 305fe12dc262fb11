/* A good version: beeps until it is told to stop. */
#include <skerry.h>

int main(void) {
    int32_t beep = skerry_telemetry_open("beep");
    for (double n = 0; skerry_wait(100).type != SKERRY_STOP; n++) {
        skerry_publish(beep, "", n);
    }
    return 0;
}
