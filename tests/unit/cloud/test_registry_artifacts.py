"""What the App controller gets out of the registry, and why it gets nothing."""

import json

import pytest

from cloud.registry.artifacts import CONFIG_TYPE, Artifacts
from cloud.registry.errors import ArtifactInvalidError, ArtifactNotFoundError
from cloud.registry.media import FILES_TYPE, OCI_INDEX, OCI_MANIFEST
from edge.wire.files import pack_files
from edge.wire.limits import FILES_LIMIT
from tests.support.registry import (
    WASM,
    app_config,
    app_manifest,
    descriptor,
    digest_of,
    registry_service,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def oci(tmp_path):
    async with registry_service(tmp_path) as service:
        yield service


async def resolve(oci, reference="v1"):
    return await Artifacts(oci.registry).resolve("apps/thermo", reference)


async def test_an_app_is_found_by_tag_and_by_digest(oci):
    digest = await oci.push_app("v1")
    for reference in ("v1", digest):
        app = await resolve(oci, reference)
        assert app.digest == digest
        assert (app.manifest.name, app.manifest.version) == ("thermo", "1.0.0")
        assert app.module.repository == "apps/thermo"
        assert (app.module.digest, app.module.size) == (digest_of(WASM), len(WASM))


@pytest.mark.parametrize("reference", ["v9", digest_of(b"no"), "not a tag", "sha256:short"])
async def test_what_is_not_there_is_not_found(oci, reference):
    await oci.push_app("v1")
    with pytest.raises(ArtifactNotFoundError, match="apps/thermo"):
        await resolve(oci, reference)


async def test_a_module_deleted_from_under_its_manifest_is_not_found(oci):
    await oci.push_app("v1")
    await oci.registry.delete_blob("apps/thermo", digest_of(WASM))
    with pytest.raises(ArtifactNotFoundError, match="layers"):
        await resolve(oci)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"artifactType": "application/x-other"}, "artifactType"),
        ({"config": descriptor("application/json", app_config())}, "config.mediaType"),
        ({"layers": []}, "layers"),
        ({"layers": [descriptor("application/wasm", WASM)] * 2}, "layers"),
        ({"layers": [descriptor("text/plain", WASM)]}, "layers"),
        ({"layers": [{**descriptor("application/wasm", WASM), "size": 99}]}, r"layers\[0\].size"),
        ({"layers": [{**descriptor("application/wasm", WASM), "size": 0}]}, r"layers\[0\]"),
    ],
)
async def test_an_artifact_that_is_no_app_names_the_field(oci, changes, field):
    await oci.push_app("v1", **changes)
    with pytest.raises(ArtifactInvalidError, match=field):
        await resolve(oci)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (b"{", "config"),
        (b"[" * 100_000, "config"),
        (json.dumps({"name": "Bad Name", "version": "1.0.0"}).encode(), r"\$.name"),
        (json.dumps({"name": "a", "version": "1.0.0", "color": 1}).encode(), "color"),
    ],
)
async def test_a_config_that_is_no_manifest_names_the_field(oci, config, field):
    for blob in (config, WASM):
        await oci.push_blob(blob)
    await oci.put_manifest(app_manifest(config))
    with pytest.raises(ArtifactInvalidError, match=field):
        await resolve(oci)


async def test_an_index_is_no_app(oci):
    await oci.push_app("v1")
    content = (await oci.client.get("/v2/apps/thermo/manifests/v1")).content
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_MANIFEST, content)],
    }
    await oci.put_manifest(index, "all")
    with pytest.raises(ArtifactInvalidError, match="mediaType"):
        await resolve(oci, "all")


async def test_the_configs_type_stands_in_for_a_missing_artifact_type(oci):
    manifest = app_manifest(app_config())
    del manifest["artifactType"]
    for blob in (app_config(), WASM):
        await oci.push_blob(blob)
    await oci.put_manifest(manifest)
    assert manifest["config"]["mediaType"] == CONFIG_TYPE
    assert (await resolve(oci)).manifest.name == "thermo"


PYTHON = json.dumps({"name": "thermo", "version": "1.0.0", "runtime": "python"}).encode()
FILES = pack_files({"main.py": b"print(1)"})
BOTH = [descriptor("application/wasm", WASM), descriptor(FILES_TYPE, FILES)]


async def push_python(oci, config=PYTHON, layers=BOTH):
    for blob in (config, WASM, FILES):
        await oci.push_blob(blob)
    await oci.put_manifest(app_manifest(config, layers=layers))


async def test_the_files_of_an_app_are_its_second_layer(oci):
    await push_python(oci)
    app = await resolve(oci)
    assert app.files is not None
    assert (app.files.repository, app.files.digest) == ("apps/thermo", digest_of(FILES))
    assert app.files.size == len(FILES)
    assert app.module.digest == digest_of(WASM)


@pytest.mark.parametrize(
    ("config", "layers", "field"),
    [
        (PYTHON, BOTH[:1], "layers: config.runtime is python, which needs files"),
        (app_config(), BOTH, r"layers\[1\]: files that nothing runs"),
        (PYTHON, BOTH[::-1], "layers: must be"),
        (PYTHON, [*BOTH, BOTH[1]], "layers: must be"),
        (PYTHON, [BOTH[0], {**BOTH[1], "size": 1}], r"layers\[1\].size"),
        (PYTHON, [BOTH[0], {**BOTH[1], "size": FILES_LIMIT + 1}], r"layers\[1\]"),
    ],
    ids=["no files", "no runtime", "wrong order", "twice", "wrong size", "too large"],
)
async def test_files_and_runtime_go_together(oci, config, layers, field):
    await push_python(oci, config, layers)
    with pytest.raises(ArtifactInvalidError, match=field):
        await resolve(oci)
