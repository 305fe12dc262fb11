"""Patches beside an image: pushed from a desk, bound to the image, described to nodes."""

import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from cloud.registry.artifacts import Artifacts
from cloud.registry.errors import ArtifactInvalidError
from cloud.registry.media import (
    FIRMWARE_CONFIG_TYPE,
    FIRMWARE_IMAGE_TYPE,
    FIRMWARE_PATCH_TYPE,
    FIRMWARE_TYPE,
    PATCH_BASE,
    PATCH_FROM,
    PATCH_RESULT,
    signature_tag,
)
from edge.trust.manifest import MANIFEST_TYPE, decode_manifest
from edge.trust.signed import read
from edge.wire.firmware import FirmwareManifest
from edge.wire.limits import PATCH_LIMIT, PATCHES_LIMIT
from hal.link import patch as patches
from hal.link.image import parse
from tests.support.firmware_fleet import image
from tests.support.registry import app_manifest, descriptor, digest_of, registry_service
from tests.support.system import skerry
from tests.unit.cloud.test_app_controller import until
from tests.unit.cloud.test_firmware_api import CHIP, INSTANCES, api, board, deploy

__all__ = ["api"]

PROGRAM = Random(1).randbytes(6000)
OLD = image((0, 1, 0), program=PROGRAM)
OTHER = image((0, 1, 5), program=PROGRAM[:4000])
NEW = image((0, 2, 0), program=PROGRAM + b"a little more")


def kept(folder: Path, data: bytes) -> str:
    path = folder / f"{digest_of(data)[7:15]}.bin"
    path.write_bytes(data)
    return str(path)


def push(api: httpx.Client, *options: str, name: str, check: bool = True, **more: Any) -> str:
    """What it says on standard error."""
    words = ("firmware", "push", *options, "--name", name)
    done = skerry(*words, cloud=str(api.base_url), check=check, **more)
    assert (done.returncode == 0) is check, done.stderr
    return done.stderr


def layers(api: httpx.Client, name: str, tag: str = "0.2.0") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v2/{name}/manifests/{tag}").json()["layers"]
    return found


def test_patches_lie_beside_the_image_and_reach_the_instance(api, tmp_path):
    push(api, kept(tmp_path, OLD), name="both")
    new, other = kept(tmp_path, NEW), kept(tmp_path, OTHER)
    said = push(api, new, "--from", "0.1.0", "--from", other, name="both")
    assert "patch from 0.1.0: " in said
    whole, first, second = layers(api, "both")
    assert whole["digest"] == digest_of(NEW)
    assert "annotations" not in whole
    made = patches.make(parse(OLD), parse(NEW))
    assert first == descriptor(FIRMWARE_PATCH_TYPE, made.data) | {
        "annotations": {
            PATCH_BASE: f"sha256:{parse(OLD).digest.hex()}",
            PATCH_FROM: "0.1.0",
            PATCH_RESULT: digest_of(NEW),
        }
    }
    assert second["annotations"][PATCH_FROM] == "0.1.5"
    board(api, "both-1", CHIP, site="both")
    deploy(api, "both", artifact={"repository": "both", "reference": "0.2.0"})
    instance = until(api, INSTANCES, "both.both-1", lambda _: True)
    assert [each["digest"] for each in instance["spec"]["desired"]["patches"]] == [
        first["digest"],
        second["digest"],
    ]


def test_what_was_pushed_without_patches_is_the_same_artifact_as_before(api, tmp_path):
    push(api, kept(tmp_path, NEW), name="plain")
    assert layers(api, "plain") == [descriptor(FIRMWARE_IMAGE_TYPE, NEW)]


def test_a_patch_that_spares_nothing_is_said_and_left_out(api, tmp_path):
    tiny, big = image((0, 2, 0)), image((0, 2, 0), program=Random(3).randbytes(PATCH_LIMIT + 9000))
    old = kept(tmp_path, image((0, 1, 0), program=Random(2).randbytes(300)))
    said = push(api, kept(tmp_path, tiny), "--from", old, name="tiny")
    assert "left out, because it is not shorter" in said
    said = push(api, kept(tmp_path, big), "--from", old, name="big")
    assert f"left out, because microcontrollers take {PATCH_LIMIT}" in said
    assert [len(layers(api, name)) for name in ("tiny", "big")] == [1, 1]


@pytest.mark.parametrize(
    ("olds", "message"),
    [
        (["0.0.1"], "patches:0.0.1: there is no such file and no such firmware"),
        (["No Where"], "'patches:No Where' is no artifact reference"),
        ([NEW], "is the image itself"),
        ([OLD, OLD], "is given twice"),
        ([image((0, 1, 0), "pico")], "board: pico and mps2"),
        ([b"no image"], "8 bytes are no header"),
        (["x"] * (PATCHES_LIMIT + 1), "given 5 times, an image has up to 4"),
    ],
    ids=["absent", "no name", "itself", "twice", "other board", "no image", "too many"],
)
def test_what_no_patch_can_start_from_is_refused_before_anything_is_pushed(
    api, tmp_path, olds, message
):
    names = [each if isinstance(each, str) else kept(tmp_path, each) for each in olds]
    given = [word for name in names for word in ("--from", name)]
    assert message in push(api, kept(tmp_path, NEW), *given, name="patches", check=False)
    assert api.get("/v2/patches/manifests/0.2.0").status_code == 404


def test_an_app_is_nothing_to_start_from_and_what_is_pushed_gets_no_patches(api, tmp_path):
    config = b"{}"
    for blob in (config, b"\0asm"):
        api.post(f"/v2/thermo/blobs/uploads/?digest={digest_of(blob)}", content=blob)
    api.put(
        "/v2/thermo/manifests/1",
        content=json.dumps(app_manifest(config, b"\0asm")),
        headers={"content-type": "application/vnd.oci.image.manifest.v1+json"},
    )
    said = push(api, kept(tmp_path, NEW), "--from", "thermo:1", name="odd", check=False)
    assert "thermo:1: is no firmware" in said
    words = ("firmware", "deploy", "odd:1", "--from", "0.1.0")
    done = skerry(*words, cloud=str(api.base_url), check=False)
    assert "odd:1 is pushed already; patches go with an image" in done.stderr


def test_patches_that_are_added_later_take_nothing_from_what_was_signed(api, tmp_path):
    keys = tmp_path / "keys"
    skerry("keys", "init", "--keys", str(keys))

    def signed() -> bytes:
        found = api.get("/v2/signed/manifests/0.2.0").content
        carrier = api.get(f"/v2/signed/manifests/{signature_tag(digest_of(found))}")
        if carrier.status_code == 404:
            return b""
        return api.get(f"/v2/signed/blobs/{carrier.json()['layers'][0]['digest']}").content

    new, old = kept(tmp_path, NEW), kept(tmp_path, OLD)
    push(api, new, name="signed", keys=keys)
    before = signed()
    assert decode_manifest(read(before, MANIFEST_TYPE).payload).digest == digest_of(NEW)
    push(api, new, "--from", old, name="signed")
    assert len(layers(api, "signed")) == 2
    assert signed() == before, "by somebody without keys"
    push(api, kept(tmp_path, OTHER), "--tag", "0.2.0", "--no-sign", name="signed")
    assert signed() == b"", "what is another image nobody signed"


# --- what the cloud makes of an artifact ---------------------------------------------------------

PATCH = b"a patch"
NOTES = {PATCH_BASE: "sha256:" + "1" * 64, PATCH_RESULT: digest_of(NEW)}


def layer(content: bytes = PATCH, **notes: str) -> dict[str, Any]:
    return descriptor(FIRMWARE_PATCH_TYPE, content) | {"annotations": NOTES | notes}


async def resolved(folder: Path, *more: dict[str, Any]):
    manifest = FirmwareManifest(
        name="valve", version="0.2.0", board="mps2", digest=digest_of(NEW), size=len(NEW)
    )
    config = msgspec.json.encode(manifest)
    async with registry_service(folder) as oci:
        for blob in (config, NEW, PATCH, bytes(PATCH_LIMIT + 1)):
            await oci.push_blob(blob, "valve")
        body = app_manifest(
            config,
            artifactType=FIRMWARE_TYPE,
            config=descriptor(FIRMWARE_CONFIG_TYPE, config),
            layers=[descriptor(FIRMWARE_IMAGE_TYPE, NEW), *more],
        )
        await oci.put_manifest(body, repository="valve")
        return await Artifacts(oci.registry).firmware("valve", "v1")


@pytest.mark.anyio
async def test_patches_are_resolved_with_their_bases(tmp_path):
    found = await resolved(tmp_path, layer())
    (patch,) = found.patches
    assert (patch.base, patch.digest, patch.size) == (NOTES[PATCH_BASE], digest_of(PATCH), 7)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ([layer(**{PATCH_RESULT: digest_of(OLD)})], r"layers\[1\]\.annotations\..*result"),
        ([layer(**{PATCH_BASE: "0.1.0"})], r"layers\[1\]: .*base"),
        ([descriptor(FIRMWARE_PATCH_TYPE, PATCH)], r"layers\[1\]: .*base"),
        ([layer(bytes(PATCH_LIMIT + 1))], r"layers\[1\]: .*size"),
        ([layer(), layer()], r"layers\[2\]: another patch from the same image"),
        ([layer()] * (PATCHES_LIMIT + 1), "layers: must be one of type"),
        ([descriptor("text/plain", PATCH)], "layers: must be one of type"),
    ],
    ids=["result", "base", "bare", "long", "twice", "many", "type"],
)
async def test_a_layer_that_is_no_patch_of_the_image_is_named(tmp_path, more, field):
    with pytest.raises(ArtifactInvalidError, match=field):
        await resolved(tmp_path, *more)
