"""The C and Zig helpers, compiled and run: what they write is what the standards say."""

import json
import math
from pathlib import Path

import cbor2
import pytest

from edge.sandbox import senml
from tests.support.wasm_program import output_of
from wasm_apps.tool import Language

C_PACKS = r"""
#include <skerry.h>
#include <unistd.h>

static void emit(struct skerry_senml *pack) {
    const uint8_t *bytes;
    int32_t length = skerry_senml_end(pack, &bytes);
    write(1, &length, 4);
    if (length > 0) {
        write(1, bytes, (size_t)length);
    }
}

int main(void) {
    static uint8_t buffer[65536];
    struct skerry_senml pack = skerry_senml_in(buffer, sizeof buffer);
    skerry_senml_number(&pack, NULL, "Cel", 21.5);
    skerry_senml_time(&pack, -5);
    skerry_senml_number(&pack, "a", NULL, -1);
    skerry_senml_number(&pack, "b", "", 1.0 / 3);
    skerry_senml_bool(&pack, "c", true);
    skerry_senml_string(&pack, "d", "grüß");
    emit(&pack);
    int sizes[] = {23, 24, 255, 256, 1000};
    for (int i = 0; i < 5; i++) {
        pack = skerry_senml_in(buffer, sizeof buffer);
        for (int n = 0; n < sizes[i]; n++) {
            skerry_senml_number(&pack, NULL, NULL, n * 100000.0 - 1);
        }
        emit(&pack);
    }
    pack = skerry_senml_in(buffer, 16);
    skerry_senml_number(&pack, "too", "long", 0.1);
    emit(&pack);
    pack = skerry_senml_in(buffer, sizeof buffer);
    skerry_senml_number(&pack, NULL, NULL, 0.0 / 0.0);
    emit(&pack);
    pack = skerry_senml_in(buffer, sizeof buffer);
    emit(&pack);
    return 0;
}
"""

C_TEXT = r"""
#include <skerry.h>
#include <unistd.h>

static void line(const char *text) {
    write(1, text, strlen(text));
    write(1, "\n", 1);
}

int main(void) {
    char text[64];
    skerry_format(text, sizeof text, "%d %u %x %c%s%%", -42, 42u, 255u, 'o', "k");
    line(text);
    skerry_format(text, sizeof text, "%lld %ld", -9223372036854775807LL - 1, 7L);
    line(text);
    skerry_format(text, sizeof text, "%.2f %.0f %f %.1f %.2f", 21.499, 2.5, -0.25, -0.04, 0.995);
    line(text);
    skerry_format(text, sizeof text, "%.1f %.1f", 1e300, 0.0 / 0.0);
    line(text);
    skerry_format(text, 8, "%s", "cut short");
    line(text);
    const char *numbers[] = {"21.5", "-0.125", "1e3", "2.5E-2", "0", "", "-", "1x", "1e", "true"};
    for (int i = 0; i < 10; i++) {
        double value = 0;
        bool good = skerry_parse_number(numbers[i], strlen(numbers[i]), &value);
        skerry_format(text, sizeof text, good ? "%.6f" : "no", value);
        line(text);
    }
    return 0;
}
"""

ZIG_PACK = r"""
const skerry = @import("skerry");
const std = @import("std");

pub fn main() u8 {
    var buffer: [256]u8 = undefined;
    var pack = skerry.Senml.in(&buffer);
    pack.number("", "Cel", 21.5);
    pack.number("a", "", -1);
    pack.number("b", "m", 1.0 / 3.0);
    pack.boolean("c", true);
    pack.string("d", "grüß");
    const bytes = pack.end() catch return 1;
    var vector = [_]std.os.wasi.ciovec_t{.{ .base = bytes.ptr, .len = bytes.len }};
    var written: usize = 0;
    return if (std.os.wasi.fd_write(1, &vector, 1, &written) == .SUCCESS) 0 else 2;
}
"""


def test_c_packs_are_senml_in_cbor(tmp_path: Path) -> None:
    data = output_of(tmp_path, Language.C, C_PACKS)
    packs: list[bytes | int] = []
    while data:
        length = int.from_bytes(data[:4], "little", signed=True)
        packs.append(data[4 : 4 + length] if length > 0 else length)
        data = data[4 + max(length, 0) :]
    first, *sized, too_long, not_a_number, empty = packs
    n, u, v, vs, vb, t = 0, 1, 2, 3, 4, 6
    assert cbor2.loads(first) == [
        {u: "Cel", v: 21.5},
        {n: "a", t: -5, v: -1},
        {n: "b", t: -5, v: 1 / 3},
        {n: "c", t: -5, vb: True},
        {n: "d", t: -5, vs: "grüß"},
    ]
    assert isinstance(first, bytes)
    assert first.startswith(b"\x85\xa2\x01\x63Cel\x02\xfa\x41\xac\x00\x00")
    for pack, count in zip(sized, (23, 24, 255, 256, 1000), strict=True):
        assert isinstance(pack, bytes)
        assert senml.check(pack, "stream") == count
        assert cbor2.loads(pack) == [{v: number * 100000 - 1} for number in range(count)]
    assert (too_long, not_a_number, empty) == (-61, -28, -28)


def test_c_text_formats_and_parses_numbers(tmp_path: Path) -> None:
    lines = output_of(tmp_path, Language.C, C_TEXT).decode().splitlines()
    assert lines == [
        "-42 42 ff ok%",
        "-9223372036854775808 7",
        "21.50 3 -0.250000 0.0 1.00",
        "big nan",
        "cut sho",
        "21.500000",
        "-0.125000",
        "1000.000000",
        "0.025000",
        "0.000000",
        *["no"] * 5,
    ]


def test_zig_packs_are_senml_in_cbor(tmp_path: Path) -> None:
    pack = output_of(tmp_path, Language.ZIG, ZIG_PACK)
    assert senml.check(pack, "stream") == 5
    assert cbor2.loads(pack) == [
        {1: "Cel", 2: 21.5},
        {0: "a", 2: -1},
        {0: "b", 1: "m", 2: 1 / 3},
        {0: "c", 4: True},
        {0: "d", 3: "grüß"},
    ]


@pytest.mark.parametrize("value", [0.1, -273.15, 98000.25])
def test_a_number_reported_to_the_twin_is_json(tmp_path: Path, value: float) -> None:
    source = f"""
    #include <skerry.h>
    #include <unistd.h>
    int main(void) {{
        char json[SKERRY_TWIN_NUMBER];
        write(1, json, skerry_json_number(json, {value!r}));
        return 0;
    }}"""
    assert math.isclose(json.loads(output_of(tmp_path, Language.C, source)), value)


SAMPLER = r"""
#include <skerry_climate.h>
#include <unistd.h>

int main(void) {
    struct skerry_sampler sampler = skerry_sampler_on(1, 0);
    struct skerry_reading reading;
    skerry_sampler_every(&sampler, 5000);
    for (int i = 0; i < 10; i++) {
        int64_t now = sampler.due_ms;
        char text[32];
        int32_t early = skerry_sampler_poll(&sampler, now - 1, &reading);
        int32_t result = skerry_sampler_poll(&sampler, now, &reading);
        size_t length = skerry_format(text, sizeof text, "%d %d %lld\n", early, result,
                                      (long long)(sampler.due_ms - now));
        write(1, text, length);
    }
    return 0;
}
"""


def test_a_sensor_that_does_not_answer_is_asked_ever_more_rarely(tmp_path: Path) -> None:
    silent = {("skerry_i2c", name): lambda *_: -60 for name in ("write_read", "write")}
    lines = output_of(tmp_path, Language.C, SAMPLER, silent).decode().splitlines()
    pauses = [5, 5, 5, 10, 20, 40, 60, 60, 60, 60]
    assert lines == [f"0 -60 {pause * 1000}" for pause in pauses]
