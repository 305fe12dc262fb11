"""The OCI distribution protocol, request by request, over a real socket."""

import asyncio
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.registry import manifests
from cloud.registry.errors import RegistryError
from cloud.registry.media import OCI_INDEX, OCI_MANIFEST
from tests.support.registry import (
    WASM,
    app_config,
    app_manifest,
    descriptor,
    digest_of,
    error_code,
    registry_service,
)

pytestmark = pytest.mark.anyio
BLOB = bytes(range(256)) * 40
REPO = "/v2/apps/thermo"


@pytest.fixture
async def oci(tmp_path):
    async with registry_service(tmp_path) as service:
        yield service


async def begin(oci):
    response = await oci.client.post(f"{REPO}/blobs/uploads/")
    assert response.status_code == 202
    return response.headers["location"]


async def patch(oci, location, data, first=None, last=None):
    headers = {}
    if first is not None:
        headers["content-range"] = f"{first}-{last if last is not None else first + len(data) - 1}"
    return await oci.client.patch(location, content=data, headers=headers)


async def finish(oci, location, data, **request):
    return await oci.client.put(location, params={"digest": digest_of(data)}, **request)


# --- blobs: pulling ------------------------------------------------------------------------------


async def test_the_door_says_which_protocol_it_speaks(oci):
    assert (await oci.client.get("/v2/")).status_code == 200


async def test_a_blob_comes_back_as_it_was_pushed(oci):
    digest = await oci.push_blob(BLOB)
    for method in ("GET", "HEAD"):
        response = await oci.client.request(method, f"{REPO}/blobs/{digest}")
        assert response.status_code == 200
        assert response.headers["docker-content-digest"] == digest
        assert response.headers["content-length"] == str(len(BLOB))
        assert response.headers["accept-ranges"] == "bytes"
    assert (await oci.client.get(f"{REPO}/blobs/{digest}")).content == BLOB


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10000-", slice(10000, None)),
        ("bytes=-7", slice(-7, None)),
    ],
)
async def test_a_range_of_a_blob(oci, wanted, part):
    digest = await oci.push_blob(BLOB)
    response = await oci.client.get(f"{REPO}/blobs/{digest}", headers={"range": wanted})
    assert response.status_code == 206
    assert response.content == BLOB[part]
    start = range(len(BLOB))[part][0]
    assert response.headers["content-range"].startswith(f"bytes {start}-")


async def test_a_range_past_the_end_is_not_satisfiable(oci):
    digest = await oci.push_blob(BLOB)
    response = await oci.client.get(f"{REPO}/blobs/{digest}", headers={"range": "bytes=99999-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(BLOB)}"


async def test_a_range_holds_only_for_the_same_blob(oci):
    digest = await oci.push_blob(BLOB)
    for etag, status in ((f'"{digest}"', 206), ('"sha256:other"', 200)):
        response = await oci.client.get(
            f"{REPO}/blobs/{digest}", headers={"range": "bytes=1-", "if-range": etag}
        )
        assert response.status_code == status


async def test_a_blob_is_seen_only_in_its_repository(oci):
    digest = await oci.push_blob(BLOB)
    response = await oci.client.get(f"/v2/apps/other/blobs/{digest}")
    assert (response.status_code, error_code(response)) == (404, "BLOB_UNKNOWN")


async def test_a_deleted_blob_is_gone_from_its_repository(oci):
    digest = await oci.push_blob(BLOB)
    assert (await oci.client.delete(f"{REPO}/blobs/{digest}")).status_code == 202
    assert (await oci.client.get(f"{REPO}/blobs/{digest}")).status_code == 404
    assert (await oci.client.delete(f"{REPO}/blobs/{digest}")).status_code == 404


# --- blobs: pushing ------------------------------------------------------------------------------


async def test_a_blob_in_chunks_and_its_last_one_with_the_end(oci):
    location = await begin(oci)
    first = await patch(oci, location, BLOB[:100], 0)
    assert (first.status_code, first.headers["range"]) == (202, "0-99")
    await patch(oci, first.headers["location"], BLOB[100:250], 100)
    response = await finish(
        oci, location, BLOB, content=BLOB[250:], headers={"content-range": f"250-{len(BLOB) - 1}"}
    )
    assert response.status_code == 201
    assert (await oci.client.get(response.headers["location"])).content == BLOB


async def test_a_chunk_at_the_wrong_place_is_told_the_right_one(oci):
    location = await begin(oci)
    await patch(oci, location, BLOB[:100], 0)
    for first in (0, 101):
        response = await patch(oci, location, BLOB[first:], first)
        assert (response.status_code, response.headers["range"]) == (416, "0-99")
    assert (await oci.client.get(location)).headers["range"] == "0-99"


async def test_a_chunk_shorter_or_longer_than_it_says_leaves_nothing(oci):
    location = await begin(oci)
    await patch(oci, location, BLOB[:10], 0)
    for said in (50, 12):
        response = await patch(oci, location, BLOB[10:20], 10, said)
        assert (response.status_code, error_code(response)) == (400, "SIZE_INVALID")
    assert (await oci.client.get(location)).headers["range"] == "0-9"


async def test_an_upload_cut_off_is_resumed_where_it_stands(oci):
    data = os.urandom(600_000)
    location = await begin(oci)
    _, writer = await asyncio.open_connection(*oci.url.removeprefix("http://").split(":"))
    writer.write(
        f"PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode()
    )
    writer.write(data[:400_000])
    while await offset(oci, location) == 0:
        pass
    writer.transport.abort()
    status = 0
    while status != 202:
        at = await offset(oci, location)
        status = (await patch(oci, location, data[at:], at)).status_code
        assert status in {202, 409, 416}  # the request that was cut may still be in the way
    assert 0 < at <= 400_000
    assert (await finish(oci, location, data)).status_code == 201


async def offset(oci, location):
    last = int((await oci.client.get(location)).headers["range"].removeprefix("0-"))
    return last + 1 if last else 0


async def test_an_upload_survives_a_restart(tmp_path):
    async with registry_service(tmp_path) as oci:
        location = await begin(oci)
        await patch(oci, location, BLOB[:100], 0)
    async with registry_service(tmp_path) as oci:
        await patch(oci, location, BLOB[100:], 100)
        assert (await finish(oci, location, BLOB)).status_code == 201


async def test_bytes_with_another_digest_are_refused_and_leave_nothing(oci):
    location = await begin(oci)
    await patch(oci, location, b"other")
    response = await finish(oci, location, BLOB)
    assert (response.status_code, error_code(response)) == (400, "DIGEST_INVALID")
    assert oci.files() == []


async def test_a_blob_over_the_bound_is_refused_and_leaves_nothing(tmp_path):
    async with registry_service(tmp_path, blob_limit=1000) as oci:
        location = await begin(oci)
        response = await patch(oci, location, bytes(1001))
        assert (response.status_code, error_code(response)) == (413, "SIZE_INVALID")
        assert (await oci.client.get(location)).status_code == 404
        assert oci.files() == []


async def test_a_cancelled_upload_is_gone(oci):
    location = await begin(oci)
    assert (await oci.client.delete(location)).status_code == 204
    response = await oci.client.get(location)
    assert (response.status_code, error_code(response)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert oci.files() == []


async def test_a_blob_is_mounted_from_another_repository(oci):
    digest = await oci.push_blob(BLOB)
    parameters = {"mount": digest, "from": "apps/thermo"}
    response = await oci.client.post("/v2/b/blobs/uploads/", params=parameters)
    assert response.status_code == 201
    assert (await oci.client.get(f"/v2/b/blobs/{digest}")).content == BLOB
    response = await oci.client.post("/v2/c/blobs/uploads/", params={**parameters, "from": "no"})
    assert response.status_code == 202


# --- manifests -----------------------------------------------------------------------------------


async def test_a_manifest_comes_back_byte_for_byte_by_tag_and_digest(oci):
    digest = await oci.push_app("v1")
    for reference in ("v1", digest):
        response = await oci.client.get(f"{REPO}/manifests/{reference}")
        assert response.headers["content-type"] == OCI_MANIFEST
        assert response.headers["docker-content-digest"] == digest == digest_of(response.content)
        head = await oci.client.head(f"{REPO}/manifests/{reference}")
        assert head.headers["content-length"] == str(len(response.content))


async def test_a_manifest_needs_its_blobs_first(oci):
    await oci.push_blob(WASM)
    response = await oci.put_manifest(app_manifest(app_config()))
    assert (response.status_code, error_code(response)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert digest_of(app_config()) in response.text


async def test_an_index_needs_its_manifests_first(oci):
    digest = await oci.push_app()
    content = (await oci.client.get(f"{REPO}/manifests/{digest}")).content
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_MANIFEST, content)],
    }
    assert (await oci.put_manifest(index, "all")).status_code == 201
    index["manifests"] = [descriptor(OCI_MANIFEST, b"other")]
    assert error_code(await oci.put_manifest(index, "all")) == "MANIFEST_BLOB_UNKNOWN"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"config": None}, "config"),
        ({"layers": [{"mediaType": "x/y", "digest": "sha256:no", "size": 1}]}, "layers[0].digest"),
        ({"layers": [{"mediaType": "x", "digest": digest_of(b""), "size": 1}]}, "mediaType"),
        ({"mediaType": OCI_INDEX}, "mediaType"),
    ],
)
async def test_a_bad_manifest_is_refused_and_the_field_named(oci, changes, field):
    manifest = app_manifest(app_config(), **changes)
    response = await oci.put_manifest(manifest, media_type=OCI_MANIFEST)
    assert (response.status_code, error_code(response)) == (400, "MANIFEST_INVALID")
    assert field in response.text


async def test_a_manifest_pushed_by_another_digest_is_refused(oci):
    await oci.push_app()
    response = await oci.put_manifest(app_manifest(app_config()), digest_of(b"x"))
    assert error_code(response) == "DIGEST_INVALID"


async def test_deleting_a_tag_keeps_the_manifest_and_deleting_it_takes_its_tags(oci):
    digest = await oci.push_app("v1")
    await oci.push_app("v2")
    assert (await oci.client.delete(f"{REPO}/manifests/v1")).status_code == 202
    assert (await oci.client.get(f"{REPO}/manifests/v1")).status_code == 404
    assert (await oci.client.get(f"{REPO}/manifests/{digest}")).status_code == 200
    assert (await oci.client.delete(f"{REPO}/manifests/{digest}")).status_code == 202
    assert (await oci.client.get(f"{REPO}/manifests/v2")).status_code == 404


async def test_tags_and_repositories_come_in_pages(oci):
    for tag in ("v3", "v1", "v2"):
        await oci.push_app(tag)
    response = await oci.client.get(f"{REPO}/tags/list", params={"n": 2})
    assert response.json() == {"name": "apps/thermo", "tags": ["v1", "v2"]}
    response = await oci.client.get(response.links["next"]["url"])
    assert (response.json()["tags"], response.links) == (["v3"], {})
    assert (await oci.client.get("/v2/_catalog")).json() == {"repositories": ["apps/thermo"]}
    assert error_code(await oci.client.get("/v2/no/tags/list")) == "NAME_UNKNOWN"


async def test_referrers_of_a_manifest_are_found_by_type(oci):
    subject = await oci.push_app()
    content = (await oci.client.get(f"{REPO}/manifests/{subject}")).content
    await oci.push_blob(b"{}")
    signature = app_manifest(
        app_config(),
        artifactType="application/x-signature",
        subject=descriptor(OCI_MANIFEST, content),
        annotations={"by": "me"},
    )
    response = await oci.put_manifest(signature, "sig")
    assert response.headers["oci-subject"] == subject
    found = (await oci.client.get(f"{REPO}/referrers/{subject}")).json()["manifests"]
    assert [(each["artifactType"], each["annotations"]) for each in found] == [
        ("application/x-signature", {"by": "me"})
    ]
    response = await oci.client.get(
        f"{REPO}/referrers/{subject}", params={"artifactType": "application/other"}
    )
    assert response.json()["manifests"] == []
    assert response.headers["oci-filters-applied"] == "artifactType"


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/blobs/sha256:" + "a" * 64,
        "/v2/..%2f..%2fetc/tags/list",
        "/v2/UPPER/tags/list",
        "/v2/a//b/tags/list",
        "/v2/a/blobs/sha256:..",
        "/v2/a/blobs/..%2f..%2fcloud.db",
        "/v2/a/manifests/-bad",
        "/v2/a/blobs/uploads/..",
        "/v2/" + "a" * 256 + "/tags/list",
    ],
)
async def test_names_that_are_none_lead_nowhere(oci, path):
    host, port = oci.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    status = (await reader.read()).split(b" ", 2)[1]
    writer.close()
    assert status in {b"400", b"404"}


async def test_a_method_that_is_not_done_here(oci):
    response = await oci.client.patch(f"{REPO}/tags/list")
    assert (response.status_code, error_code(response)) == (405, "UNSUPPORTED")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["config", "layers", "manifests", "subject", "annotations", "artifactType"]
)


@given(
    kind=st.sampled_from([OCI_MANIFEST, OCI_INDEX, "text/plain"]),
    content=st.binary(max_size=60)
    | st.dictionaries(FIELDS, JSON).map(
        lambda fields: json.dumps({**app_manifest(app_config()), **fields}).encode()
    )
    | st.just(b"[" * 100_000)
    | st.just(b'{"x":' * 100_000),
)
def test_any_manifest_parses_or_is_a_registry_error(kind, content):
    try:
        parsed = manifests.parse(kind, content)
    except RegistryError:
        return
    assert parsed.schema_version == 2


# --- what is left behind -------------------------------------------------------------------------


async def test_blobs_that_no_manifest_names_are_collected_after_an_hour(oci):
    await oci.push_app()
    stray = await oci.push_blob(BLOB)
    oci.clock.advance(minutes=50)
    assert await oci.registry.collect() == 0
    oci.clock.advance(minutes=20)
    assert await oci.registry.collect() == 1
    assert (await oci.client.get(f"{REPO}/blobs/{stray}")).status_code == 404
    assert len(oci.files()) == 2
    await oci.client.delete(
        f"{REPO}/manifests/{(await oci.client.get(f'{REPO}/manifests/v1')).headers['docker-content-digest']}"
    )
    assert await oci.registry.collect() == 2
    assert oci.files() == []


async def test_pushing_a_blob_again_saves_it_from_the_collector(oci):
    await oci.push_blob(BLOB)
    oci.clock.advance(minutes=70)
    await oci.push_blob(BLOB)
    assert await oci.registry.collect() == 0


async def test_what_a_crash_left_is_removed_at_the_next_start(tmp_path):
    async with registry_service(tmp_path) as oci:
        digest = await oci.push_blob(BLOB)
        folder = tmp_path / "blobs" / "sha256" / "00"
        folder.mkdir()
        (folder / ("00" * 32)).write_bytes(b"moved here before its row was written")
        (tmp_path / "uploads" / ("ab" * 16)).write_bytes(b"begun before its row was written")
        await begin(oci)
        clock = oci.clock
    clock.advance(days=2)
    async with registry_service(tmp_path, clock) as oci:
        assert oci.files() == [f"blobs/sha256/{digest[7:9]}/{digest[7:]}"]


async def test_two_pushes_of_one_blob_at_once_both_succeed(oci):
    data = os.urandom(200_000)
    responses = await asyncio.gather(
        *(
            oci.client.post(
                f"/v2/r{number}/blobs/uploads/", params={"digest": digest_of(data)}, content=data
            )
            for number in range(5)
        )
    )
    assert {response.status_code for response in responses} == {201}
    assert len(oci.files()) == 1


async def test_uploads_leave_room_for_the_database(tmp_path):
    async with registry_service(tmp_path, room_kept=1 << 60) as oci:
        response = await oci.client.post(f"{REPO}/blobs/uploads/")
        assert response.status_code == 507
        assert error_code(response) == "INSUFFICIENT_STORAGE"
        assert "disk is full" in response.text
        assert oci.files() == []
