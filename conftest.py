"""Our own pytest plugin, for a checkout that is not installed, how tests are shared, and property tests.

`make test` runs two processes side by side. A file's tests stay in one of them, and so do all that
boot a microcontroller: their watchdogs and their builds want to be alone.

A machine under load is slow, which says nothing about the code: hypothesis measures no time. The
examples are the same in every run; `--hypothesis-profile=explore` looks for new ones.
"""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["qemu.board.plugin"]

settings.register_profile(
    "fixed",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")

_ALONE = "test_firmware_"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Say which tests belong to one process."""
    for item in items:
        name = item.path.name
        together = _ALONE if name.startswith(_ALONE) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(together))
