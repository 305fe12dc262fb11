"""`skerry app repl` with real processes: Python typed at a desk, run in the sandbox of a node."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from cloud.kinds.app import REPL
from tests.support.proxy import Link
from tests.support.python_apps import python_app, python_runtime
from tests.support.system import ROOT, Agent, Cloud, Process, skerry, skerry_json, until

pytestmark = pytest.mark.timeout(600)
WITHIN = 120.0
"""Seconds until a line: the runtime is compiled politely, on a machine that may be busy."""
BOARD = """\
name = "bench"

[[i2c.i2c-1.devices]]
model = "tmp105"
address = 0x48
values = { temperature = 21.5 }
"""


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Path:
    return python_runtime()


class Desk(Process):
    """`skerry app repl` with a pipe for what is typed."""

    def __init__(self, *args: str, cloud: str, keys: Path) -> None:
        super().__init__("app", "repl", *args, "--cloud", cloud, "--keys", str(keys), typed=True)


class Barn:
    """A cloud, a person's keys, and a node with a simulated sensor behind a link."""

    def __init__(self, folder: Path, cloud: Cloud, link: Link, agent: Agent, keys: Path) -> None:
        self.folder, self.cloud, self.link, self.agent = folder, cloud, link, agent
        self.keys = keys

    def desk(self, *args: str) -> Desk:
        return Desk(*args, "--on", "barn", cloud=self.cloud.url, keys=self.keys)

    def piped(self, text: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        what = ("app", "repl", *args, "--on", "barn")
        return skerry(*what, cloud=self.cloud.url, keys=self.keys, said=text, check=check)

    def apps(self) -> list[str]:
        items = skerry_json("get", "apps", cloud=self.cloud.url)["items"]
        return [each["metadata"]["name"] for each in items]


@pytest.fixture(scope="module")
def barn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barn]:
    folder = tmp_path_factory.mktemp("barn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKERRY_CONTEXTS", str(folder / "contexts"))
        keys = folder / "keys"
        skerry("keys", "init", keys=keys)
        board = folder / "board.toml"
        board.write_text(BOARD)
        with Cloud(folder / "cloud", secure=True) as cloud, Link(cloud.port) as link:
            token = skerry("token", "create", "--pattern", "barn", cloud=cloud.url).stdout.strip()
            trust = ("--trust-root", str(keys / "root.cose"))
            dials = f"https://127.0.0.1:{link.port}"
            with Agent(
                "barn", dials, folder / "agent", board=board, token=token, trust=trust
            ) as agent:
                until(lambda: agent.status()["link"]["state"] == "Online", "the node is online")
                yield Barn(folder, cloud, link, agent, keys)


def test_what_is_typed_is_executed_and_its_value_told(barn: Barn):
    typed = (
        "x = 20\nx + 1.5\ndef twice(n):\n    return 2 * n\n\ntwice('ab')\nprint('no', end='')\n"
    )
    done = barn.piped(typed)
    assert done.stdout == "21.5\n'abab'\nno\n"
    assert barn.apps() == []
    until(lambda: barn.agent.app("repl-barn") is None, "the node has let it go")


def test_a_mistake_is_told_with_its_line_and_ends_nothing(barn: Barn):
    done = barn.piped("def f():\n    y = 1\n    return y / 0\n\nf()\n1 +\nprint('on')\n")
    told = done.stdout.splitlines()
    assert told[:4] == [
        "Traceback (most recent call last):",
        '  File "<stdin>", line 1, in <module>',
        '  File "<stdin>", line 3, in f',
        "ZeroDivisionError: divide by zero",
    ]
    assert told[-2:] == ["SyntaxError: invalid syntax", "on"]


def test_a_granted_sensor_is_read_at_the_prompt(barn: Barn):
    typed = "from machine import I2C\nI2C('probe').readfrom_mem(0x48, 0, 2)\n"
    done = barn.piped(typed, "--grant", "probe=i2c-1:0x48")
    assert done.stdout == "b'\\x15\\x80'\n"
    unknown = barn.piped("", "--grant", "lamp=GPIO17", check=False)
    assert unknown.returncode == 1
    assert "lamp=GPIO17,in or lamp=GPIO17,out for a line" in unknown.stderr


def test_who_does_not_wait_for_a_node_that_is_away_leaves_nothing_on_it(barn: Barn):
    with barn.desk("--name", "lost") as desk:
        desk.type("import time\nprint('off'); time.sleep(1000)\n")
        desk.wait_for_line("^off$", WITHIN)
        barn.link.cut()
        desk.wait_for_line("barn is not connected; waiting for it", WITHIN)
        desk.interrupt()
        desk.wait_for_line("Ctrl-C once more ends it all")
        desk.interrupt()
        desk.wait_for_line("app/lost is removed; barn lets it go when it is back", WITHIN)
        assert desk.ended() == 130
    barn.link.heal()
    until(lambda: barn.agent.app("lost") is None, "the node has let it go", WITHIN)


def test_the_modules_of_a_project_can_be_imported_and_its_limits_hold(barn: Barn):
    app = python_app(
        barn.folder / "sketch",
        "sketch",
        more="[limits]\ncpu_budget = 0.3\n",
        main="print('the program itself')",
        helper="def three():\n    return 3\n",
    )
    typed = "import helper\nhelper.three()\nwhile True: pass\n\nhelper\nimport _main\n"
    done = barn.piped(typed, str(app))
    assert done.stdout.splitlines() == [
        "3",
        "Traceback (most recent call last):",
        '  File "<stdin>", line 1, in <module>',
        "NameError: name 'helper' isn't defined",
        "the program itself",
    ]
    assert "OutOfBudget" in done.stderr
    assert "a fresh interpreter: what was defined is gone" in done.stderr


def test_an_interruption_restarts_it_and_exit_removes_it(barn: Barn):
    with barn.desk("--name", "mine") as desk:
        desk.type("import time\nx = 1\nprint('asleep'); time.sleep(1000)\n")
        desk.wait_for_line("^asleep$", WITHIN)
        assert barn.apps() == ["mine"]
        taken = barn.piped("", "--name", "mine", check=False)
        assert taken.returncode == 1
        assert "there is an App 'mine' already" in taken.stderr
        desk.interrupt()
        desk.wait_for_line("interrupted: starting afresh")
        desk.type("x\nprint('again')\nexit()\n")
        desk.wait_for_line("^NameError", WITHIN)
        desk.wait_for_line("^again$")
        desk.wait_for_line("app/mine is removed")
    assert barn.apps() == []


def test_a_program_that_exits_ends_the_repl_with_its_code(barn: Barn):
    done = barn.piped("import sys\nsys.exit(3)\n", check=False)
    assert done.returncode == 3
    assert barn.apps() == []


def test_a_node_whose_link_was_cut_is_said_and_waited_for(barn: Barn):
    with barn.desk("--name", "far") as desk:
        desk.type(
            "import time\nprint('off'); time.sleep(3); print('slept')\nprint('on')\nexit()\n"
        )
        desk.wait_for_line("^off$", WITHIN)
        barn.link.cut()
        desk.wait_for_line("barn is not connected; waiting for it", WITHIN)
        barn.link.heal()
        desk.wait_for_line("barn is back", WITHIN)
        desk.wait_for_line("^slept$", WITHIN)
        desk.wait_for_line("^on$", WITHIN)
        desk.wait_for_line("app/far is removed", WITHIN)
        assert desk.ended() == 0


def test_more_lines_than_may_be_logged_are_said_to_be_lost(barn: Barn):
    done = barn.piped("for n in range(20000): print(n)\n\nprint('on')\n")
    assert "lines were lost" in done.stderr
    assert done.stdout.splitlines()[-1] == "on"


def test_who_may_not_is_refused_before_anything_is_made(barn: Barn, monkeypatch):
    makes = ("user", "create", "vera", "--role", "viewer")
    token = skerry_json(*makes, cloud=barn.cloud.url)["token"]
    contexts = barn.folder / "of-vera"
    contexts.mkdir()
    for known in (barn.folder / "contexts").iterdir():
        (contexts / known.name).write_text(known.read_text())
    monkeypatch.setenv("SKERRY_CONTEXTS", str(contexts))
    skerry("login", cloud=barn.cloud.url, said=token)
    done = barn.piped("print(1)\n", "--name", "of-vera", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "your roles do not allow to create artifacts, apps, repls" in done.stderr


def test_every_line_is_in_the_audit_log(barn: Barn):
    barn.piped("secret_of_the_barn = 7\n", "--name", "noted")
    found = skerry_json("audit", "--name", "noted", cloud=barn.cloud.url)
    states = [json.loads(each["after"]) for each in found["items"] if each.get("after")]
    lines = [state["spec"]["twin"][REPL].partition(":")[2] for state in states]
    assert lines == ["", "secret_of_the_barn = 7"]


class Terminal:
    """A desk that is a terminal, as a person's; its process is gone when the block is left."""

    def __init__(self, barn: Barn) -> None:
        self._here, there = pty.openpty()
        self._seen = ""
        what = ("app", "repl", "--on", "barn", "--cloud", barn.cloud.url, "--keys", barn.keys)
        self._process = subprocess.Popen(
            # Ctrl-C comes from the terminal that a session has.
            ["setsid", "--ctty", sys.executable, ROOT / "skerry.py", *what],
            stdin=there,
            stdout=there,
            stderr=there,
            env=os.environ | {"TERM": "dumb"},
        )
        os.close(there)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._here)

    def type(self, keys: bytes) -> None:
        os.write(self._here, keys)

    def until_seen(self, pattern: str) -> None:
        """Return once it shows this, after what was waited for before."""
        end = time.monotonic() + WITHIN
        while not (found := re.search(pattern, self._seen)):
            assert time.monotonic() < end, self._seen
            if select.select([self._here], [], [], 0.2)[0]:
                self._seen += os.read(self._here, 4096).decode()
        self._seen = self._seen[found.end() :]

    def until_asleep(self) -> None:
        """Return once its main thread sleeps.

        CPython's readline looks for signals when it wakes up: Ctrl-C in the microseconds between
        the echo of a key and that sleep is noticed with the next key only.
        """
        stat = Path(f"/proc/{self._process.pid}/stat")
        until(lambda: stat.read_text().rpartition(") ")[2][0] == "S", "it waits for a key")

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(WITHIN)


def test_at_a_terminal_it_has_prompts_and_ctrl_c_forgets_a_line(barn: Barn):
    with Terminal(barn) as desk:
        desk.until_seen(">>> ")
        desk.type(b"for n in (1, 2):\n")
        desk.until_seen(r"\.\.\. ")
        desk.type(b"    print(n)")
        desk.until_seen(r"print\(n\)")
        desk.until_asleep()
        desk.type(b"\x03")
        desk.until_seen("KeyboardInterrupt[^>]*>>> ")
        desk.type(b"6 * 7\n")
        desk.until_seen("42\r\n>>> ")
        desk.type(b"\x04")
        desk.until_seen("app/repl-barn is removed")
        assert desk.ended() == 0


def test_a_cloud_that_was_away_is_said_and_waited_for(barn: Barn):
    with barn.desk("--name", "steady") as desk:
        desk.type(
            "import time\nprint('off'); time.sleep(6); print('slept')\nprint('on')\nexit()\n"
        )
        desk.wait_for_line("^off$", WITHIN)
        barn.cloud.kill()
        desk.wait_for_line("the cloud does not answer; waiting for it", WITHIN)
        with Cloud(barn.folder / "cloud", barn.cloud.port, secure=True) as again:
            desk.wait_for_line("the cloud is back", WITHIN)
            desk.wait_for_line("^slept$", WITHIN)
            desk.wait_for_line("^on$", WITHIN)
            desk.wait_for_line("app/steady is removed", WITHIN)
            apps = skerry_json("get", "apps", cloud=again.url)["items"]
            assert "steady" not in [each["metadata"]["name"] for each in apps]
