"""The pure parts of the C apps, with time as an argument: filter and control."""

from pathlib import Path

from tests.support.wasm_program import output_of
from wasm_apps.tool import Language

APPS = Path(__file__).parents[3] / "wasm_apps"

FILTER = r"""
#include <skerry.h>
#include <unistd.h>
#include "filter.h"

int main(void) {
    double samples[] = {20, 20, 85, 20, 22, 22, 22};
    double weights[] = {1, 0.5};
    for (int w = 0; w < 2; w++) {
        struct filter filter = {0};
        for (int i = 0; i < 7; i++) {
            char text[16];
            double out = filter_add(&filter, samples[i], weights[w]);
            write(1, text, skerry_format(text, sizeof text, "%.2f ", out));
        }
    }
    return 0;
}
"""

CONTROL = r"""
#include <unistd.h>
#include "control.h"

static struct control heater;
static struct limits room = {.setpoint = 20, .hysteresis = 1, .min_on_ms = 30, .min_off_ms = 50};

static void step(double temperature, int64_t now) {
    control_step(&heater, &room, temperature, now);
    write(1, heater.on ? "1" : "0", 1);
}

int main(void) {
    step(10, 49);     /* cold, but off for too short a time since the start */
    step(10, 50);
    step(30, 79);     /* warm, but on for too short a time */
    step(30, 80);
    step(20, 1000);   /* within the band: as it was */
    step(19.51, 1000);
    step(19.5, 1000); /* the band's lower end */
    step(20.49, 2000);
    step(20.5, 2000); /* and its upper end */
    return 0;
}
"""


def header(app: str, name: str) -> dict[str, str]:
    return {name: (APPS / app / "src" / name).read_text()}


def test_the_median_drops_an_outlier_and_the_average_follows_slowly(tmp_path: Path) -> None:
    out = output_of(tmp_path, Language.C, FILTER, files=header("thermometer", "filter.h"))
    sharp, smooth = out.decode().split()[:7], out.decode().split()[7:]
    assert sharp == ["20.00", "20.00", "20.00", "20.00", "22.00", "22.00", "22.00"]
    assert smooth == ["20.00", "20.00", "20.00", "20.00", "21.00", "21.50", "21.75"]


def test_the_heater_keeps_its_band_and_its_shortest_times(tmp_path: Path) -> None:
    out = output_of(tmp_path, Language.C, CONTROL, files=header("thermostat", "control.h"))
    assert out == b"011000110"
