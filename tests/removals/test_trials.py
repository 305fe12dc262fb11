"""The table of removals fits the code; `make removals` runs it, which takes minutes."""

import ast

import pytest

from tests.removals.trials import Trial, all_trials, removed
from tests.support.system import ROOT


@pytest.mark.parametrize("trial", all_trials(), ids=lambda trial: trial.claim)
def test_a_removal_fits_its_file_and_names_a_test(trial: Trial):
    without = removed(trial, (ROOT / trial.file).read_text())
    if trial.file.endswith(".py"):
        ast.parse(without)
    file, _, name = trial.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
