"""docs/wire-protocol.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from edge.wire import limits, messages
from edge.wire.codec import decode_down, decode_up
from edge.wire.firmware import (
    AttachedStatus,
    DesiredFirmware,
    FirmwareManifest,
    FirmwarePatch,
    FirmwareState,
    FirmwareStatus,
    Microcontroller,
)
from edge.wire.messages import (
    AppStatus,
    BootStatus,
    DesiredApp,
    DesiredItem,
    DownMessage,
    Entry,
    Gap,
    LogLine,
    Module,
    StatusItem,
    UpMessage,
)
from tests.support.wire_example import as_hex, example_frames

DOCUMENT = Path("docs/wire-protocol.md").read_text(encoding="utf-8")
CDDL = re.sub(r";.*", "", re.search(r"```cddl\n(.*?)```", DOCUMENT, re.DOTALL)[1])
MESSAGES = [*get_args(UpMessage), *get_args(DownMessage)]
INSIDE = {
    "desired-item": DesiredItem,
    "status-item": StatusItem,
    "entry": Entry,
    "log-line": LogLine,
    "gap": Gap,
    "desired-app": DesiredApp,
    "module": Module,
    "app-status": AppStatus,
    "boot-status": BootStatus,
    "desired-firmware": DesiredFirmware,
    "firmware-manifest": FirmwareManifest,
    "firmware-patch": FirmwarePatch,
    "firmware-status": FirmwareStatus,
    "attached-status": AttachedStatus,
    "microcontroller": Microcontroller,
}
RULES = {kind.__struct_config__.tag: kind for kind in MESSAGES} | INSIDE


def fields_in_cddl(rule):
    """(name, optional) of a rule's fields in their order, `t` left out."""
    [text] = [
        text
        for text in re.split(r"^(?=\S)", CDDL, flags=re.MULTILINE)
        if text.startswith(f"{rule} =")
    ]
    found = re.findall(r"(\? )?\b([a-z_]+):", re.sub(r"(?<=: )[\[{].*[\]}],", "x,", text))
    return [(name, bool(mark)) for mark, name in found if name != "t"]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_field_of_every_message_is_in_the_cddl_and_no_other(rule):
    expected = [
        (field.encode_name, not field.required) for field in msgspec.structs.fields(RULES[rule])
    ]
    assert fields_in_cddl(rule) == expected


def test_both_directions_are_listed_in_full():
    for direction, kinds in (("up", UpMessage), ("down", DownMessage)):
        listed = re.search(rf"^{direction} = (.*)$", CDDL, re.MULTILINE)[1].split(" / ")
        assert set(listed) == {kind.__struct_config__.tag for kind in get_args(kinds)}


@pytest.mark.parametrize(
    "choice", [messages.CloseCode, messages.AppState, messages.EntryKind, FirmwareState]
)
def test_every_choice_is_in_the_cddl(choice):
    for member in choice:
        assert f'"{member.value}"' in CDDL


UNSAID = {"VERSION", "OLDEST_VERSION", "NAME_PATTERN", "DESIRED_CHUNK", "REPOSITORY_LIMIT"}
"""What a peer need not know, or what other words say."""
NUMBERS = {name: at for name, at in vars(limits).items() if name.isupper() and name not in UNSAID}


@pytest.mark.parametrize("limit", NUMBERS)
def test_every_limit_is_in_the_document(limit):
    assert re.search(rf"\b{int(NUMBERS[limit])}\b", DOCUMENT)


@pytest.mark.parametrize("example", example_frames(), ids=lambda frame: str(frame[1]))
def test_the_session_shown_is_what_the_code_sends(example):
    direction, _, frame = example
    assert as_hex(*example) in DOCUMENT
    decode = decode_up if direction.startswith("node") else decode_down
    assert decode(frame)


def test_no_other_frames_are_shown():
    assert DOCUMENT.count("```hex") == len(example_frames())
