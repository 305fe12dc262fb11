"""The command line: its grammar, its page, its errors."""

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import skerry
from boards.image.agent import add_sources
from tests.support.clidoc import PAGE, render
from tests.support.system import ROOT
from tests.support.system import skerry as run


def test_the_page_of_the_command_line_is_up_to_date():
    assert PAGE.read_text() == render(), "run python -m tests.support.clidoc"


def test_every_option_says_what_it_does():
    undocumented = [line for line in render().splitlines() if line.endswith("` |  |")]
    assert not undocumented


def test_every_command_of_the_readme_is_one_that_exists():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^skerry (.+?)(?: &| \||$)", text.replace("\\\n", " "), re.MULTILINE)
    assert len(commands) > 15
    for command in commands:
        skerry.parser().parse_args(command.split())


def test_a_board_has_the_verbs_of_the_folders_it_has(tmp_path: Path):
    add_sources(ROOT, tmp_path)
    told = [
        sys.executable,
        "-IS",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "import skerry; skerry.main(['--help'])",
    ]
    page = subprocess.run(told, capture_output=True, text=True, check=True).stdout
    assert "agent" in page
    assert "describe" not in page


def test_every_verb_leads_to_a_function():
    for does in _deeds(skerry.parser()):
        module, _, function = does.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), does


def test_an_unknown_verb_is_wrong_usage():
    assert run("fly", check=False).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get", "nodes"), "no cloud answers at http://127.0.0.1:9"),
        (("agent", "status", "--state", "/nowhere"), "no agent answers at /nowhere/control.sock"),
        (("agent", "--name", "Barn!"), "--name: 'Barn!'"),
        (("agent", "--name", "barn", "--label", "x"), "--label: 'x' is not NAME=VALUE"),
        (("agent", "--name", "barn", "--board", "/nowhere.toml"), "/nowhere.toml: No such file"),
        (("agent", "--name", "barn", "--outbox", "0"), "--outbox: 0 is not from 1"),
        (("cloud", "--listen", "80"), "--listen: '80' is not HOST:PORT"),
        (
            ("cloud", "--insecure-loopback", "--listen", "0.0.0.0:0", "--data", "/tmp/x"),
            "listen: 0.0.0.0 can be reached",
        ),
        (("app", "push", "/nowhere"), "/nowhere/app.toml: not found"),
        (("app", "build", "/nowhere"), "/nowhere"),
        (("app", "test", "/nowhere"), "/nowhere"),
        (("app", "deploy", "UPPER:1"), "'UPPER:1' is no artifact reference"),
        (("app", "deploy", "x:1", "--grant", "probe"), "--grant: 'probe' is not NAME=VALUE"),
        (("telemetry", "-n", "0"), "--limit: 0 is not from 1 to 10000"),
        (("telemetry", "-f", "-o", "csv"), "--follow: goes with"),
        (("apply", "-f", "/nowhere.yaml"), "/nowhere.yaml"),
        (("bench", "nodes", "--count", "0"), "--count"),
    ],
)
def test_bad_input_is_told_in_one_line_with_a_remedy(
    arguments: tuple[str, ...], message: str, tmp_path
):
    where = () if "--state" in arguments or arguments[0] != "agent" else ("--state", str(tmp_path))
    done = run(*arguments, *where, cloud="http://127.0.0.1:9", check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("kind: App", "metadata.name: missing"),
        ("metadata: {name: x}", "kind: missing"),
        ("- 1", "kind: missing"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_applied_names_document_and_field(
    document: str, message: str, tmp_path
):
    path = tmp_path / "app.yaml"
    path.write_text(document)
    done = run("apply", "-f", str(path), check=False)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("name = 'Bad Name'\nversion = '1.0.0'", "`$.name`"),
        ("name = 'a'\nversion = '1'", "`$.version`"),
        ("name = 'a'\nversion = '1.0.0'\ncolour = 1", "colour"),
        ("name = 'a'\nversion = '1.0.0'\n[grants.p]\nkind = 'usb'", "`$.grants[...].kind`"),
        ("name =", "not TOML"),
        ("name = 'a'\nversion = '1.0.0'", "not built yet; run `skerry app build"),
    ],
)
def test_a_manifest_that_cannot_be_pushed_names_the_field(manifest: str, message: str, tmp_path):
    (tmp_path / "app.toml").write_text(manifest)
    done = run("app", "push", str(tmp_path), check=False)
    assert done.returncode == 1
    assert message in done.stderr


def _deeds(parser: argparse.ArgumentParser) -> Iterator[str]:
    if does := parser.get_default("does"):
        yield does
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _deeds(verb)
