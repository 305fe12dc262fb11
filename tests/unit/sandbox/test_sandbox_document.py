"""docs/guest-abi.md names what a guest can be told, and the same modules pass at every door."""

import re
from pathlib import Path

import msgspec
import pytest

from cloud.client.built import load
from cloud.client.errors import InputError
from edge.wire.limits import MODULE_LIMIT
from edge.wire.messages import Module

ABI = Path("docs/guest-abi.md").read_text(encoding="utf-8")
HEADER = Path("wasm_apps/sdk/c/skerry_abi.h").read_text(encoding="utf-8")
ERRORS = re.findall(r"SKERRY_(\w+) = -(\d+)", HEADER)


def test_the_header_declares_errors():
    assert ("ACCES", "2") in ERRORS


@pytest.mark.parametrize(("name", "number"), ERRORS)
def test_every_error_of_the_header_is_in_the_document(name: str, number: str):
    assert f"`-{number}` {name}" in ABI


def test_a_module_that_no_node_would_run_is_refused_at_the_desk(tmp_path: Path):
    (tmp_path / "app.toml").write_text('name = "big"\nversion = "1.0.0"\n')
    (tmp_path / "build").mkdir()
    module = tmp_path / "build" / "big.wasm"
    module.write_bytes(b"\0asm\x01\0\0\0" + bytes(MODULE_LIMIT - 8))
    assert len(load(tmp_path).module) == MODULE_LIMIT
    module.write_bytes(module.read_bytes() + b"\0")
    with pytest.raises(InputError, match=f"at most {MODULE_LIMIT} can"):
        load(tmp_path)


def test_a_module_that_no_node_would_run_is_refused_on_the_wire():
    module = {"repository": "big", "digest": f"sha256:{'0' * 64}", "size": MODULE_LIMIT}
    assert msgspec.convert(module, Module).size == MODULE_LIMIT
    with pytest.raises(msgspec.ValidationError, match="size"):
        msgspec.convert({**module, "size": MODULE_LIMIT + 1}, Module)
