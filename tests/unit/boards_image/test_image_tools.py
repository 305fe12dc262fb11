"""What the building machine must have: programs, and files that no program stands for."""

import pytest

from boards.image import tools
from boards.image.errors import ToolError


def test_a_file_that_is_missing_is_asked_for_by_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    header = tmp_path / "stdio.h"
    with pytest.raises(ToolError, match=r"sudo apt-get install .* libc-headers$"):
        tools.need({"sh": "dash", str(header): "libc-headers"}, print)
    header.touch()
    tools.need({"sh": "dash", str(header): "libc-headers"}, print)


def test_the_compiler_comes_with_the_headers_that_it_only_recommends():
    assert "libc6-dev-arm64-cross" in tools.COMPILER.values()
