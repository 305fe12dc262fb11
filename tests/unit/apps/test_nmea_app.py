"""The nmea app reads a whole track through a pty, whatever the chunks and the damage."""

import asyncio
import math
import random
import runpy
import shutil
from pathlib import Path

import pytest

from edge.apptest import Witness
from edge.sandbox.compile import compile_module
from edge.sandbox.engine import Engine
from edge.sandbox.guest import Guest
from edge.sandbox.setup import GuestSetup, SerialGrant
from edge.scenario import read_manifest
from hal.serial import SerialConfig
from hal.sim import SimBoard
from wasm_apps.tool import build

APP = Path(__file__).parents[3] / "wasm_apps" / "nmea"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("nmea") / "nmea"
    shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("build"))
    return asyncio.run(compile_module(build(copy), copy / "cache"))


def heard(code: Path, data: Path, chunks: list[bytes], fixes: int) -> Witness:
    """What the app did with these chunks, told to stop after that many fixes."""
    board = SimBoard()
    board.add_port("serial0")
    witness = Witness({"interval": 0})
    grant = SerialGrant(lambda: board.open_serial("serial0", SerialConfig()))
    manifest = read_manifest(APP / "app.toml")
    setup = GuestSetup(manifest, witness, data, manifest.limits, {"gps": grant})
    engine = Engine()
    guest = Guest(engine, code, setup)

    def enough() -> bool:
        names = [reading.name for reading in witness.readings]
        return names.count("gps/fix") >= fixes or witness.end is not None

    thread = guest.start(witness.ended)
    with witness.seen:
        assert witness.seen.wait_for(lambda: "interval" in witness.reported, PATIENCE)
    for chunk in chunks:
        board.drive("serial0", send=chunk.decode("latin-1"))
    with witness.seen:
        assert witness.seen.wait_for(enough, PATIENCE)
    guest.stop(PATIENCE)
    thread.join()
    engine.close()
    board.close()
    return witness


def values(witness: Witness, name: str) -> list[float]:
    return [float(item.value) for item in witness.readings if item.name == f"gps/{name}"]


def test_the_recorded_track_is_what_its_script_makes() -> None:
    script = runpy.run_path(str(APP / "make_track.py"))
    assert (APP / "track.nmea").read_bytes() == script["track"]().encode()


@pytest.mark.parametrize("seed", range(3))
def test_each_fix_of_the_track_arrives_once_whatever_the_chunks(
    code: Path, tmp_path: Path, seed: int
) -> None:
    script = runpy.run_path(str(APP / "make_track.py"))
    steps = list(script["walk"]())
    track = (APP / "track.nmea").read_bytes()
    dice = random.Random(seed)
    chunks: list[bytes] = []
    while track:
        size = dice.randint(1, 300)
        chunks.append(track[:size])
        track = track[size:]
    witness = heard(code, tmp_path, chunks, len(steps))
    for name, column, error in (("latitude", 1, 1e-6), ("longitude", 2, 1e-6), ("speed", 3, 0.01)):
        got = values(witness, name)
        assert len(got) == len(steps)
        assert all(
            math.isclose(value, step[column], abs_tol=error)
            for value, step in zip(got, steps, strict=True)
        )
    assert witness.reported["sentences"] == 3 * len(steps)
    assert witness.reported["bad-sentences"] == 0


GGA = "GPGGA,120000.00,5410.5000,S,01205.3400,W,2,11,0.9,-3.5,M,39.2,M,,"
RMC = "GPRMC,120000.00,A,5410.5000,S,01205.3400,W,10.00,70.0,140626,,,A"


def sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


@pytest.mark.parametrize(
    "damage",
    [
        b"$GPGGA,12",
        sentence(GGA).replace(b"11", b"12", 1),
        sentence(GGA.replace("5410.5000", "9110.5000")),
        sentence(GGA.replace("5410.5000", "5460.0000")),
        sentence(GGA.replace(",S,", ",X,")),
        sentence(GGA.replace(",11,", ",1x,")),
        b"$" + b"A" * 500 + b"\r\n",
        b"$*00\r\n",
        sentence("GPGGA,120000.00"),
        sentence("GPGGA" + "," * 40),
        sentence(RMC.replace("10.00", "1.0.0")),
    ],
)
def test_a_damaged_sentence_is_counted_and_the_next_ones_are_read(
    code: Path, tmp_path: Path, damage: bytes
) -> None:
    witness = heard(code, tmp_path, [damage + sentence(GGA) + sentence(RMC)], 1)
    assert values(witness, "latitude") == [pytest.approx(-54.175)]
    assert values(witness, "longitude") == [pytest.approx(-12.089)]
    assert values(witness, "altitude") == [-3.5]
    assert values(witness, "speed") == [pytest.approx(18520 / 3600)]
    assert values(witness, "satellites") == [11]
    assert values(witness, "quality") == [2]
    assert witness.reported["bad-sentences"] == 1


def test_a_receiver_without_a_fix_says_so_each_second(code: Path, tmp_path: Path) -> None:
    none = sentence("GPGGA,,,,,,0,00,99.9,,M,,M,,") + sentence("GPRMC,,V,,,,,,,,,,N")
    witness = heard(code, tmp_path, [none, none, none], 3)
    assert [item.value for item in witness.readings if item.name == "gps/fix"] == [False] * 3
    assert not values(witness, "latitude")
