#include <skerry.h>

int main(void) {
    int32_t button = skerry_gpio_open("button");
    int32_t lamp = skerry_gpio_open("lamp");
    int32_t presses = skerry_telemetry_open("presses");
    if (button < 0 || lamp < 0) {
        skerry_log(SKERRY_ERROR, "cannot open: button %s, lamp %s", skerry_error_name(button),
                   skerry_error_name(lamp));
        return 1;
    }
    bool on = false;
    double count = 0;
    for (;;) {
        struct skerry_event event = skerry_wait(-1);
        if (event.type == SKERRY_STOP) {
            return 0;
        }
        if (event.type == SKERRY_GPIO_EDGE) {
            if (skerry_twin_bool("enabled", true)) {
                on = !on;
                skerry_gpio_write(lamp, on);
            }
            skerry_publish(presses, NULL, ++count);
            skerry_log(SKERRY_INFO, "press %.0f, lamp %s", count, on ? "on" : "off");
        }
    }
}
