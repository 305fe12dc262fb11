"""Our own pytest plugin, for a checkout that is not installed, how tests are shared, and property tests.

`make test` runs two processes side by side. A file's tests stay in one of them, and so do all that
boot a microcontroller: their watchdogs and their builds want to be alone.

A machine under load is slow, which says nothing about the code: hypothesis measures no time. The
examples are the same in every run; `--hypothesis-profile=explore` looks for new ones.
"""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["qemu.board.plugin"]

settings.register_profile(
    "fixed",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")


class Shares(LoadScopeScheduling):
    """What one process runs: the tests of a file, or all that boot a microcontroller."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "microcontrollers" if "/test_firmware_" in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    """Marks, which `--dist loadgroup` goes by, do not reach pytest-xdist 3.8 from pytest 9.2."""
    return Shares(config, log)
