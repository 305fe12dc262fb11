"""Our own pytest plugin, for a checkout that is not installed, and how property tests run.

A machine under load is slow, which says nothing about the code: hypothesis measures no time. The
examples are the same in every run; `--hypothesis-profile=explore` looks for new ones.
"""

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
