"""The table of protections and their tests."""

import tomllib
from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("trials.toml")


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One protection: how it is taken away, and which test fails then."""

    claim: str
    file: str
    old: str
    new: str
    test: str


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trial: list[Trial]


def all_trials() -> list[Trial]:
    """In the order of the table."""
    return msgspec.convert(tomllib.loads(TABLE.read_text()), _Table).trial


def removed(trial: Trial, text: str) -> str:
    """The file without the protection; raises ValueError unless the table fits it."""
    if text.count(trial.old) != 1:
        raise ValueError(f"{trial.claim}: {trial.file} holds {trial.old!r} not exactly once")
    return text.replace(trial.old, trial.new)
