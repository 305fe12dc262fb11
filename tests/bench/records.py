"""The records that both sides of a comparison carry: a temperature once a millisecond.

A pack is SenML in CBOR (RFC 8428 section 6), 100 records of name, unit, time and value, 35 bytes
each; the guest of `durable` makes the same. A message of one record is what an MQTT publisher would send: SenML
in JSON that names its origin by itself, about 200 bytes.
"""

import json
from typing import Any

import cbor2

PACK = 100
"""Records of one pack."""
NAME = "probe-1"
UNIT = "Cel"
START = 1_750_000_000.0
BASE_NAME = "urn:dev:skerry:site-berlin-3:node-bench-1:app-thermometer:stream-temperature:"


def value(index: int) -> float:
    """The reading with that number: exact in 32 bits, so that no side can shorten it."""
    return 20.0 + (index % 512) / 64


def message(index: int) -> bytes:
    """One record for MQTT, about 200 bytes."""
    record = {
        "bn": BASE_NAME,
        "bt": START,
        "n": NAME,
        "u": UNIT,
        "t": index / 1000,
        "v": value(index),
        "seq": index,
        "quality": "good",
    }
    return json.dumps([record]).encode()


def pack(first: int) -> bytes:
    """The PACK records from `first` on."""
    rows = [
        {0: NAME, 1: UNIT, 6: START + index / 1000, 2: value(index)}
        for index in range(first, first + PACK)
    ]
    return cbor2.dumps(rows)


def unpack(payload: bytes) -> list[tuple[str, float, float]]:
    """(name, time, value) of each record in either form."""
    if payload[:1] == b"[":
        return [
            (row["bn"] + row["n"], row["bt"] + row["t"], row["v"]) for row in json.loads(payload)
        ]
    rows: list[dict[Any, Any]] = cbor2.loads(payload)
    return [(row[0], row[6], row[2]) for row in rows]
