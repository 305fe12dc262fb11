"""The virtual machine that the Python runtime derives from MicroPython's."""

import runpy

import pytest

from boards.python_guest import PORT

split = runpy.run_path(str(PORT / "split_vm.py"))["split"]


@pytest.mark.parametrize("other", ["", "int main(void) {}", "#define SELECTIVE_EXC_IP (0)\n"])
def test_a_source_that_is_not_the_known_one_is_refused(other: str):
    with pytest.raises(ValueError, match=r"not MicroPython 1\.25\.0's vm\.c"):
        split(other)
