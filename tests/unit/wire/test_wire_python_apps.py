"""Apps with files between old and new peers: who does not know them refuses, and says so."""

from typing import Any

import cbor2
import msgspec
import pytest

from edge.wire.codec import decode_app_spec, encode_app_spec
from edge.wire.errors import DecodeError
from edge.wire.manifest import AppManifest
from edge.wire.messages import DesiredApp, Module
from tests.support.specs import desired_app

FILES = {"repository": "thermometer", "digest": "sha256:" + "f" * 64, "size": 10}


def python_app(**fields: Any) -> DesiredApp:
    return desired_app(**{"manifest": {"runtime": "python"}, "files": FILES, **fields})


OldManifest = msgspec.defstruct(
    "AppManifest",
    [
        (each.name, each.type, msgspec.field(name=each.encode_name, default=None))
        for each in msgspec.structs.fields(AppManifest)
        if each.name != "runtime"
    ],
    forbid_unknown_fields=True,
)
"""As an agent of before knows it: without `runtime`, and strict."""


class OldApp(msgspec.Struct):
    """As such an agent reads a spec: what it does not know it passes over."""

    manifest: OldManifest  # type: ignore[valid-type]
    module: Module


def test_an_app_with_files_arrives_equal():
    spec = python_app()
    assert decode_app_spec(encode_app_spec(spec)) == spec


def test_a_node_of_before_refuses_the_manifest_and_does_not_run_the_bare_runtime():
    raw = cbor2.loads(encode_app_spec(python_app()))
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `runtime`.*\$\.manifest"):
        msgspec.convert(raw, OldApp, builtin_types=(bytes,))


def test_a_node_of_before_takes_every_other_app():
    raw = cbor2.loads(encode_app_spec(desired_app()))
    assert msgspec.convert(raw, OldApp, builtin_types=(bytes,)).module.size == 100


def test_a_spec_of_a_cloud_of_before_has_no_files():
    raw = cbor2.loads(encode_app_spec(desired_app()))
    del raw["files"]
    assert decode_app_spec(cbor2.dumps(raw)) == desired_app()


def test_a_runtime_of_the_future_is_refused_by_name():
    raw = cbor2.loads(encode_app_spec(python_app()))
    raw["manifest"]["runtime"] = "lua"
    with pytest.raises(DecodeError, match=r"manifest\.runtime: Invalid enum value 'lua'"):
        decode_app_spec(cbor2.dumps(raw))


def test_what_runs_is_named_by_its_files_too_and_by_the_module_alone_without():
    assert desired_app().code_digest == desired_app().module.digest
    changed = python_app(files=FILES | {"digest": "sha256:" + "e" * 64})
    names = {
        python_app().code_digest,
        changed.code_digest,
        python_app(module="b").code_digest,
        python_app(name="other").code_digest,
    }
    assert len(names) == 4
