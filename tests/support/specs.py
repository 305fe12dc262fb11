"""Small specs of apps for tests."""

from typing import Any

import msgspec

from edge.wire.firmware import DesiredFirmware
from edge.wire.manifest import AppManifest
from edge.wire.messages import DesiredApp, Module


def manifest(name: str = "thermometer", version: str = "1.0.0", **fields: Any) -> AppManifest:
    return msgspec.convert({"name": name, "version": version, **fields}, AppManifest)


def desired_app(
    name: str = "thermometer", version: str = "1.0.0", module: str = "a", **fields: Any
) -> DesiredApp:
    parts = fields.pop("manifest", {})
    restart = fields.pop("restart", {})
    return msgspec.convert(
        {
            "manifest": msgspec.to_builtins(manifest(name, version, **parts)),
            "module": {"repository": name, "digest": "sha256:" + module * 64, "size": 100},
            "restart": restart,
            **fields,
        },
        DesiredApp,
    )


def desired_firmware(
    name: str = "valve",
    version: str = "0.2.0",
    image: str = "f",
    board: str = "mps2",
    **fields: Any,
) -> DesiredFirmware:
    digest = "sha256:" + image * 64
    return msgspec.convert(
        {
            "manifest": {
                "name": name,
                "version": version,
                "board": board,
                "digest": digest,
                "size": 100,
            },
            "image": {"repository": name, "digest": digest, "size": 100},
            **fields,
        },
        DesiredFirmware,
    )


def module(letter: str = "a", size: int = 100) -> Module:
    return Module(repository="thermometer", digest="sha256:" + letter * 64, size=size)
