"""A real client of the protocol: skopeo copies an app in, looks at it, and copies it out."""

import asyncio
import json
import shutil

import pytest

from tests.support.registry import WASM, app_config, app_manifest, digest_of, registry_service

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        shutil.which("skopeo") is None,
        reason="skopeo is missing; install it: apt-get install skopeo",
    ),
]


async def skopeo(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out


async def test_skopeo_copies_in_inspects_and_copies_out(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    manifest = json.dumps(app_manifest(app_config())).encode()
    (source / "manifest.json").write_bytes(manifest)
    (source / "version").write_text("Directory Transport Version: 1.1\n")
    for blob in (app_config(), WASM):
        (source / digest_of(blob).removeprefix("sha256:")).write_bytes(blob)
    async with registry_service(tmp_path / "registry") as oci:
        remote = f"docker://{oci.url.removeprefix('http://')}/apps/thermo:v1"
        await skopeo("copy", "--dest-tls-verify=false", f"dir:{source}", remote)
        assert await skopeo("inspect", "--tls-verify=false", "--raw", remote) == manifest
        other = remote.replace("apps/thermo:v1", "backup/thermo:v1")
        await skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", remote, other)
        await skopeo("copy", "--src-tls-verify=false", other, f"dir:{tmp_path / 'out'}")
        tags = json.loads(
            await skopeo("list-tags", "--tls-verify=false", other.removesuffix(":v1"))
        )
        assert tags["Tags"] == ["v1"]
        await skopeo("delete", "--tls-verify=false", other)
    copied = tmp_path / "out" / digest_of(WASM).removeprefix("sha256:")
    assert copied.read_bytes() == WASM
