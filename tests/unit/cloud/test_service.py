"""Starting the service: where it listens, what it refuses."""

import re
from pathlib import Path

import pytest

from cloud.errors import InsecureAddress
from cloud.service import Config, check_address, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_may_be_without_tls(tmp_path: Path, host: str):
    check_address(Config(tmp_path, host=host, insecure_loopback=True))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "board.example", ""])  # noqa: S104 - refused
def test_an_address_others_can_reach_is_never_served_without_tls(tmp_path: Path, host: str):
    with pytest.raises(InsecureAddress, match="--insecure-loopback is for"):
        check_address(Config(tmp_path, host=host, insecure_loopback=True))
    check_address(Config(tmp_path, host=host))


def test_a_port_in_use_is_named(tmp_path: Path):
    with listen(Config(tmp_path, port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=re.escape(f"cannot listen at 127.0.0.1:{port}")):
            listen(Config(tmp_path, port=port))
