"""The peer: mosquitto carrying the same records into SQLite, in four variants.

The broker is Debian's. It is installed when this runs as root; otherwise the command to do so is
shown and the peer has no figures.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes
from tests.bench.processes import BenchError, free_port, listens, process, wait_until
from tests.bench.report import Figure, Report

INSTALL = "apt-get install -y --no-install-recommends mosquitto"
RUN_LIMIT = 180.0
"""Seconds for one run."""
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the peer."""

    broker: str
    form: str
    count: int
    """Records of one run: a few seconds' worth."""
    window: int
    """Messages in flight each way: of 20 (the broker's own default), 100 and 1000 the best here."""

    @property
    def figure(self) -> str:
        """Its name in the table."""
        return f"mosquitto {self.broker}, {_FORMS[self.form]}"


_FORMS = {"single": "1 record a message", "packs": "100 records a message"}
_SETTINGS = {
    "default": "",
    "durable": "autosave_interval 1\nautosave_on_changes true\n",
}
VARIANTS = (
    Variant("default", "single", 60_000, 100),
    Variant("default", "packs", 600_000, 100),
    Variant("durable", "single", 3_000, 20),
    Variant("durable", "packs", 300_000, 20),
)


class Peer:
    """mosquitto QoS 1 into SQLite: first publish to last commit."""

    name = "peer"

    def run(self, report: Report) -> None:
        """Measure each variant; without a broker say how to get one."""
        broker = find_broker()
        if broker is None:
            report.leave_out(f"mosquitto: not installed. Run: sudo {INSTALL}")
            return
        for variant in VARIANTS:
            rates = tuple(measure(broker, variant) for _ in range(REPEATS))
            report.add(
                Figure(self.name, variant.figure, "records/s", rates, note=_NOTES[variant.broker])
            )


_NOTES = {
    "default": "a crash of the broker loses what it acknowledged",
    "durable": "autosave_on_changes, interval 1",
}


def find_broker() -> str | None:
    """The broker's path, installed when that is possible."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = shutil.which("mosquitto", path=path)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("   installing mosquitto", flush=True)
        # The package would start a system service, but not in the runlevel for maintenance.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for argv in (("apt-get", "update", "-qq"), (*INSTALL.split(), "-qq")):
            subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=False)
        found = shutil.which("mosquitto", path=path)
    return found


def measure(broker: str, variant: Variant) -> float:
    """Records/s of one run with an empty broker and an empty database."""
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
        directory = Path(name)
        port = free_port()
        config = directory / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\n"
            f"persistence true\npersistence_location {directory}/\n"
            f"max_inflight_messages {variant.window}\nmax_queued_messages 0\n"
            f"user {_user()}\n" + _SETTINGS[variant.broker]
        )
        with process((broker, "-c", str(config)), directory / "broker.log") as child:
            wait_until(lambda: listens(port), "mosquitto", 10.0, alive=child)
            return _carry(port, variant, directory)


def _carry(port: int, variant: Variant, directory: Path) -> float:
    subscriber = _role("subscribe", port, variant, directory)
    try:
        assert subscriber.stdout is not None
        if subscriber.stdout.readline().strip() != "ready":
            raise BenchError(f"{variant.figure}: the subscriber did not start")
        publisher = _role("publish", port, variant, directory)
        try:
            started, _ = publisher.communicate(timeout=RUN_LIMIT)
            ended, _ = subscriber.communicate(timeout=RUN_LIMIT)
        finally:
            processes.stop(publisher)
    finally:
        processes.stop(subscriber)
    if publisher.returncode or subscriber.returncode:
        raise BenchError(f"{variant.figure}: not all records arrived")
    return variant.count / (float(ended) - float(started))


def _role(role: str, port: int, variant: Variant, directory: Path) -> subprocess.Popen[str]:
    argv = (sys.executable, "-m", "tests.bench.mqtt", role, str(port), str(variant.count))
    return subprocess.Popen(
        (*argv, variant.form, str(variant.window), str(directory)),
        cwd=processes.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _user() -> str:
    """The broker drops root's rights to this user, who could not write here: stay who we are."""
    return Path("/proc/self").owner()
