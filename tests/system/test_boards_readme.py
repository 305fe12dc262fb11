"""The README's ten lines, run as another project would run them."""

import re

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.qemu


def test_the_test_in_the_readme_passes(
    pytester: pytest.Pytester,
    pytestconfig: pytest.Config,
    board_cache: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readme = (pytestconfig.rootpath / "qemu/README.md").read_text()
    shown = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    pytester.makepyfile(shown[1])
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    flags = ["--board-cache", str(board_cache)]
    if pytestconfig.getoption("board_required"):
        flags.append("--board-required")
    result = pytester.runpytest_subprocess("-p", "qemu.board.plugin", *flags)
    if result.parseoutcomes().get("skipped"):
        pytest.skip("no board")
    result.assert_outcomes(passed=1)
