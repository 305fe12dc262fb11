"""`make demo-sim`: the main job on a simulated board, in half a minute, with three apps at once."""

import os
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

from tests.support.proxy import Link
from tests.support.system import ROOT, Agent, Cloud, readings, skerry, until
from tests.support.telling import BOLD, DIM, PLAIN, memory, note, show, show_lines, step, told

APPS = ROOT / "wasm_apps"
SHOWN = 6.0
"""Seconds that live readings are shown."""
CUT = 8.0
"""Seconds that the link stays cut."""

FOLLOWED = ("temperature", "gps/l*", "room")

BOARD = """\
# What the demo's node has: two simulated sensors, and a serial port that is a real device node.
name = "demo"

[[i2c.i2c-1.devices]]
model = "tmp105"
address = 0x48
values = {{ temperature = 21.5 }}
[[i2c.i2c-1.devices]]
model = "tmp105"
address = 0x49
values = {{ temperature = 17.5 }}

[serial.serial0]
kind = "linux"
device = "{port}"
"""


class Receiver:
    """A GNSS receiver on a serial line: plays the recorded track, a fix every quarter second."""

    def __init__(self, track: Path) -> None:
        lines = track.read_bytes().splitlines(keepends=True)
        self._fixes = [b"".join(lines[i : i + 3]) for i in range(0, len(lines), 3)]
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.played = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def latitudes(self) -> list[float]:
        """Of the fixes played so far, in degrees: `5410.5000,N` in the first sentence of each."""
        angles = [fix.split(b",")[2] for fix in self._fixes[: self.played]]
        return [round(int(angle[:2]) + float(angle[2:]) / 60, 6) for angle in angles]

    def _play(self) -> None:
        for fix in self._fixes:
            os.write(self._far, fix)
            self.played += 1
            if self._stop.wait(0.25):
                return


def main() -> int:
    print(f"{BOLD}Skerry: from a cloud service to a sandboxed app on a board, and back{PLAIN}")
    return told(_demo)


def _demo(home: Path) -> None:
    receiver = Receiver(APPS / "nmea/track.nmea")
    board = home / "board.toml"
    board.write_text(BOARD.format(port=receiver.port))

    step("Start the cloud service: API, registry, telemetry, in one process on SQLite")
    os.environ["SKERRY_CONTEXTS"] = str(home / "contexts")
    with Cloud(home / "cloud", secure=True) as cloud, Link(cloud.port) as link:
        note(f"it listens at {cloud.url}; {memory(cloud.pid)}")
        note("it has made its own certificate authority; everything below is TLS 1.3")
        step("Make keys on this desk; the cloud never has them, and nodes run what they signed")
        show("keys", "init", keys=home / "keys")
        step("Start an agent, a node called barn, that joins with a token for one use")
        url = f"https://127.0.0.1:{link.port}"
        note(f"{DIM}$ skerry token create --pattern barn --label site=barn{PLAIN}")
        made = skerry(
            "token", "create", "--pattern", "barn", "--label", "site=barn", cloud=cloud.url
        )
        token = made.stdout.strip()
        note(f"{token[:24]}…, which also pins the authority that barn must meet")
        trust = ("--trust-root", str(home / "keys/root.cose"))
        with Agent("barn", url, home / "barn", board=board, token=token, trust=trust) as barn:
            note(f"two simulated TMP105 on i2c-1, a real serial port at {receiver.port}")
            note("it reached the cloud through a link that this demo can cut")
            until(lambda: barn.status()["link"]["state"] == "Online", "the agent is online")
            _deploy(cloud, home / "keys")
            receiver.start()
            _show_readings(cloud, barn)
            _cut_the_link(link, barn, receiver)
            _heal_the_link(cloud, link, barn, receiver)
    _what_next()


def _deploy(cloud: Cloud, keys: Path) -> None:
    step("Build three apps: in C and Zig, with a compiler from pip, and in Python")
    note("the very first build also compiles the C library, and MicroPython: some minutes, once")
    for name in ("thermometer", "nmea", "room"):
        show("app", "build", f"wasm_apps/{name}")
    step("Deploy them from the cloud to every node with the label site=barn")
    where = ("-l", "site=barn", "--wait")
    thermometer = (
        "--grant",
        "probe=i2c-1:0x48",
        "--twin",
        "interval=0.5",
        "--twin",
        "deadband=0.1",
    )
    show("app", "deploy", "wasm_apps/thermometer", *where, *thermometer, cloud=cloud, keys=keys)
    nmea = ("--grant", "gps=serial0", "--twin", "interval=0")
    show("app", "deploy", "wasm_apps/nmea", *where, *nmea, cloud=cloud, keys=keys)
    note("the one in Python, all of it:")
    show_lines((APPS / "room/src/main.py").read_text().rstrip())
    room = ("--grant", "probe=i2c-1:0x49", "--twin", "interval=0.5")
    show("app", "deploy", "wasm_apps/room", *where, *room, cloud=cloud, keys=keys)
    show("get", "nodes", cloud=cloud)
    show("get", "appinstances", cloud=cloud)


def _show_readings(cloud: Cloud, barn: Agent) -> None:
    step("Readings arrive live while the sensor warms up and the track is played")
    for name in FOLLOWED:
        note(f"{DIM}$ skerry telemetry '{name}' --follow{PLAIN}")
    warming = threading.Thread(target=_warm_up, args=(barn,), daemon=True)
    warming.start()
    follow = [sys.executable, str(ROOT / "skerry.py"), "telemetry", "--follow", "--since", "1s"]
    shown = [subprocess.Popen([*follow, name, "--cloud", cloud.url]) for name in FOLLOWED]
    time.sleep(SHOWN)
    for process in shown:
        process.terminate()
        process.wait()
    warming.join()


def _warm_up(barn: Agent) -> None:
    for temperature in (22.5, 24.0, 26.5, 29.0, 31.5):
        barn.ask("drive", target="i2c-1:0x48", values={"temperature": temperature})
        barn.ask("drive", target="i2c-1:0x49", values={"temperature": temperature - 4})
        time.sleep(SHOWN / 6)


def _cut_the_link(link: Link, barn: Agent, receiver: Receiver) -> None:
    step(f"Cut the link for {CUT:.0f} seconds; the apps run on, readings wait on the node's disk")
    before = receiver.played
    link.cut()
    time.sleep(CUT)
    show("agent", "apps", "--state", str(barn.state))
    status = barn.status()
    note(f"link: {status['link']['state']} ({status['link']['error']})")
    note(
        f"{receiver.played - before} positions came in meanwhile; "
        f"the outbox holds {status['outbox']['entries']} packs"
    )


def _heal_the_link(cloud: Cloud, link: Link, barn: Agent, receiver: Receiver) -> None:
    step("Heal the link: the node reconnects and sends what waited")
    link.heal()
    until(lambda: barn.status()["link"]["state"] == "Online", "the agent is online again")
    receiver.stop()
    until(lambda: len(_latitudes(cloud)) >= receiver.played, "every position is in the cloud")
    barn.until_drained()
    stored = _latitudes(cloud)
    if stored != receiver.latitudes():
        raise SystemExit(f"played {receiver.latitudes()}, but the cloud holds {stored}")
    note(
        f"{receiver.played} positions were played into {receiver.port}, {len(stored)} are stored,"
    )
    note(f"each with the value that was played: {BOLD}none is missing, none is there twice{PLAIN}")
    show("telemetry", "--latest", cloud=cloud)
    note(f"agent: {memory(barn.pid)}, with all three apps running")


def _latitudes(cloud: Cloud) -> list[float]:
    return [round(r["value"], 6) for r in readings(cloud, name="gps/latitude")]


def _what_next() -> None:
    step("What to try next")
    for line in (
        "skerry keys init                        keys of your own; agents on this desk find them",
        "skerry cloud                            a cloud of your own, at https://127.0.0.1:8480",
        "skerry agent --board sim --label site=barn",
        "skerry app new hello                    a working project to change",
        "skerry app test wasm_apps/thermostat    an app against a simulated board",
        "skerry app new sketch --lang python     ten lines of Python, and then at each save:",
        "skerry app run sketch --watch --on NODE",
        "README.md has a five-minute tour of these; docs/ explains the rest",
    ):
        print(f"  {line}")
    print("  (skerry lies in .venv/bin)")


if __name__ == "__main__":
    sys.exit(main())
