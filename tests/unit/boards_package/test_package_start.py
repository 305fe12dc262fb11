"""What the package's service makes of its settings, without the command line between."""

import runpy
import tomllib
from pathlib import Path

import pytest

from tests.support.system import ROOT

START = runpy.run_path(str(ROOT / "boards/package/files/start.py"))


def test_every_setting_reaches_the_agent():
    settings = """
        [node]
        name = "barn"
        labels = { site = "north" }
        board = "/etc/skerry/board.toml"
        [cloud]
        url = "https://cloud:8480"
        token = "secret"
        ca-pin = "sha256:00"
    """
    config = START["_config"](tomllib.loads(settings))
    assert (config.name, config.cloud) == ("barn", "https://cloud:8480")
    assert (config.token, config.ca_pin) == ("secret", "sha256:00")
    assert (config.labels, config.board) == ({"site": "north"}, Path("/etc/skerry/board.toml"))
    assert config.state == Path("/var/lib/skerry/agent")
    assert not config.allow_unsigned


def test_a_table_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"cloud is not a table; write \[cloud\]"):
        START["_config"]({"cloud": 5})
