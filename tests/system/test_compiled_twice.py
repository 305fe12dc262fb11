"""A package compiled anew, from and into other directories, is the same bytes."""

import pytest

from boards.compile.compiler import compiled
from boards.image.build import PROJECT
from boards.packages import read_lock, unpacked
from tests.support.board_image import CACHE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_package_compiled_with_nothing_cached_is_the_same_bytes(tmp_path):
    (headers,) = unpacked("headers", read_lock(), CACHE, print).values()
    first = compiled(PROJECT / "hal", headers, tmp_path / "one", print)
    again = compiled(PROJECT / "hal", headers, tmp_path / "another place", print)
    assert first.name == again.name
    assert first.read_bytes() == again.read_bytes()
