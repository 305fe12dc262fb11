"""The same work for MicroPython and CPython: prints name and milliseconds of the best of three."""

import binascii
import json
import time

now = getattr(time, "ticks_us", None) or (lambda: time.perf_counter_ns() // 1000)


def loop():
    at = 0
    while at < 200000:
        at += 1


class Counter:
    def __init__(self):
        self.count = 0

    def add(self, more):
        self.count += more


def method():
    counter = Counter()
    for _ in range(100000):
        counter.add(1)


def fib(n=20):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def floats():
    x = 0.5
    for _ in range(100000):
        x = 3.9 * x * (1 - x)


def crc():
    data = bytes(range(256)) * 4
    for _ in range(100):
        binascii.crc32(data)


def crc_in_python():
    crc = 0xFFFF
    for byte in bytes(range(256)) * 8:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF


def packs():
    record = {"n": "temperature", "v": 21.5, "t": -3, "l": [1, 2, 3]}
    for _ in range(1000):
        json.loads(json.dumps(record))


def exceptions():
    for _ in range(20000):
        try:  # noqa: SIM105 - MicroPython has no contextlib
            int("")
        except ValueError:
            pass


for work in (loop, method, fib, floats, crc, crc_in_python, packs, exceptions):
    best = None
    for _ in range(3):
        began = now()
        work()
        took = now() - began
        best = took if best is None or took < best else best
    print(work.__name__, best / 1000)
