"""The distribution protocol over HTTP (OCI distribution spec v1.1).

Paths are matched here rather than by the router, because a repository's name contains slashes.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from cloud.registry import manifests
from cloud.registry.errors import Code, OffsetError, RegistryError
from cloud.registry.index import Manifest
from cloud.registry.manifests import MANIFEST_LIMIT, Descriptor
from cloud.registry.media import OCI_INDEX
from cloud.registry.names import check_digest, check_name
from cloud.registry.registry import Registry
from cloud.registry.uploads import Part

PAGE_LIMIT = 1000
"""Tags or repositories in one answer; `Link` leads to the next."""

_OFFSET = r"(0|[1-9][0-9]{0,17})"
_CONTENT_RANGE = re.compile(rf"(?:bytes )?{_OFFSET}-{_OFFSET}(?:/(?:\*|\d+))?")

_Endpoint = Callable[[Registry, Request, str, str], Awaitable[Response]]


def registry_routes(registry: Registry) -> list[Route]:
    """Everything under `/v2/`."""

    async def serve(request: Request) -> Response:
        try:
            return await _dispatch(registry, request)
        except RegistryError as error:
            return _refusal(request, error)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return [Route("/v2/{rest:path}", serve, methods=methods), Route("/v2", serve, methods=methods)]


async def _dispatch(registry: Registry, request: Request) -> Response:
    path = request.path_params.get("rest", "")
    if path == "":
        return _json({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})
    if path == "_catalog":
        return await _catalog(registry, request)
    for pattern, endpoints in _ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            endpoint = endpoints.get("GET" if request.method == "HEAD" else request.method)
            if endpoint is None:
                raise RegistryError(Code.UNSUPPORTED, f"{request.method} is not done here")
            return await endpoint(registry, request, check_name(match[1]), match[2])
    raise RegistryError(Code.UNSUPPORTED, "there is no such path", status=404)


# --- blobs ---------------------------------------------------------------------------------------


async def _get_blob(registry: Registry, _: Request, repository: str, digest: str) -> Response:
    blob = await registry.blob(repository, check_digest(digest))
    headers = {
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return FileResponse(blob.path, headers=headers, media_type="application/octet-stream")


async def _delete_blob(registry: Registry, _: Request, repository: str, digest: str) -> Response:
    await registry.delete_blob(repository, check_digest(digest))
    return Response(status_code=202)


async def _begin_upload(registry: Registry, request: Request, repository: str, _: str) -> Response:
    mount, source = request.query_params.get("mount"), request.query_params.get("from")
    if (
        mount
        and source
        and await registry.mount(repository, check_digest(mount), check_name(source))
    ):
        return _created_blob(repository, mount)
    digest = request.query_params.get("digest")
    if digest is not None:
        check_digest(digest)
    upload = await registry.uploads.begin(repository)
    if digest is None:
        return _upload_answer(repository, upload, 0, status=202)
    await registry.uploads.append(repository, upload, request.stream(), None)
    await registry.finish(repository, upload, digest)
    return _created_blob(repository, digest)


async def _get_upload(registry: Registry, _: Request, repository: str, upload: str) -> Response:
    offset = await registry.uploads.offset(repository, upload)
    return _upload_answer(repository, upload, offset, status=204)


async def _patch_upload(
    registry: Registry, request: Request, repository: str, upload: str
) -> Response:
    try:
        offset = await registry.uploads.append(
            repository, upload, request.stream(), _content_range(request)
        )
    except OffsetError as error:
        return _upload_answer(repository, upload, error.offset, status=416)
    return _upload_answer(repository, upload, offset, status=202)


async def _put_upload(
    registry: Registry, request: Request, repository: str, upload: str
) -> Response:
    digest = check_digest(request.query_params.get("digest", ""))
    try:
        await registry.uploads.append(
            repository, upload, request.stream(), _content_range(request)
        )
    except OffsetError as error:
        return _upload_answer(repository, upload, error.offset, status=416)
    await registry.finish(repository, upload, digest)
    return _created_blob(repository, digest)


async def _delete_upload(registry: Registry, _: Request, repository: str, upload: str) -> Response:
    await registry.uploads.cancel(repository, upload)
    return Response(status_code=204)


def _content_range(request: Request) -> Part | None:
    text = request.headers.get("content-range")
    if text is None:
        return None
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or int(match[2]) < int(match[1]):
        raise RegistryError(Code.BLOB_UPLOAD_INVALID, "Content-Range: write first-last in bytes")
    return Part(int(match[1]), int(match[2]))


def _upload_answer(repository: str, upload: str, offset: int, *, status: int) -> Response:
    headers = {
        "Location": f"/v2/{repository}/blobs/uploads/{upload}",
        "Range": f"0-{max(offset - 1, 0)}",
        "Docker-Upload-UUID": upload,
        "Content-Length": "0",
    }
    return Response(status_code=status, headers=headers)


def _created_blob(repository: str, digest: str) -> Response:
    location = f"/v2/{repository}/blobs/{digest}"
    return Response(
        status_code=201, headers={"Location": location, "Docker-Content-Digest": digest}
    )


# --- manifests -----------------------------------------------------------------------------------


async def _get_manifest(
    registry: Registry, request: Request, repository: str, reference: str
) -> Response:
    found = await registry.manifest(repository, reference)
    headers = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


async def _put_manifest(
    registry: Registry, request: Request, repository: str, reference: str
) -> Response:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    content = bytearray()
    async for data in request.stream():
        content += data
        if len(content) > MANIFEST_LIMIT:
            raise RegistryError(Code.SIZE_INVALID, f"manifest: more than {MANIFEST_LIMIT} bytes")
    digest, subject = await registry.put_manifest(
        repository, reference, media_type, bytes(content)
    )
    headers = {
        "Location": f"/v2/{repository}/manifests/{digest}",
        "Docker-Content-Digest": digest,
    }
    if subject:
        headers["OCI-Subject"] = subject
    return Response(status_code=201, headers=headers)


async def _delete_manifest(
    registry: Registry, _: Request, repository: str, reference: str
) -> Response:
    await registry.delete_manifest(repository, reference)
    return Response(status_code=202)


async def _referrers(
    registry: Registry, request: Request, repository: str, digest: str
) -> Response:
    wanted = request.query_params.get("artifactType")
    found = await registry.referrers(repository, check_digest(digest), wanted)
    headers = {} if wanted is None else {"OCI-Filters-Applied": "artifactType"}
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_descriptor(each) for each in found],
    }
    return _json(body, headers=headers, media_type=OCI_INDEX)


def _descriptor(stored: Manifest) -> Descriptor:
    parsed = manifests.parse(stored.media_type, stored.content)
    return Descriptor(
        media_type=stored.media_type,
        digest=stored.digest,
        size=len(stored.content),
        artifact_type=stored.artifact_type,
        annotations=parsed.annotations,
    )


# --- lists ---------------------------------------------------------------------------------------


async def _tags(registry: Registry, request: Request, repository: str, _: str) -> Response:
    limit, after = _page(request)
    tags = await registry.tags(repository, after, limit + 1)
    headers = _link(f"/v2/{repository}/tags/list", tags, limit)
    return _json({"name": repository, "tags": tags[:limit]}, headers=headers)


async def _catalog(registry: Registry, request: Request) -> Response:
    limit, after = _page(request)
    names = await registry.repositories(after, limit + 1)
    return _json({"repositories": names[:limit]}, headers=_link("/v2/_catalog", names, limit))


def _page(request: Request) -> tuple[int, str]:
    text = request.query_params.get("n", str(PAGE_LIMIT))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise RegistryError(Code.UNSUPPORTED, "n: must be a whole number", status=400)
    return min(int(text), PAGE_LIMIT), request.query_params.get("last", "")


def _link(path: str, found: list[str], limit: int) -> dict[str, str]:
    if len(found) <= limit or limit == 0:
        return {}
    query = urlencode({"n": limit, "last": found[limit - 1]})
    return {"Link": f'<{path}?{query}>; rel="next"'}


# --- answers -------------------------------------------------------------------------------------


def _json(
    value: Any, *, headers: Mapping[str, str], media_type: str = "application/json"
) -> Response:
    return Response(msgspec.json.encode(value), headers=headers, media_type=media_type)


def _refusal(request: Request, error: RegistryError) -> Response:
    body = {"errors": [{"code": error.code.value, "message": error.message}]}
    content = b"" if request.method == "HEAD" else msgspec.json.encode(body)
    return Response(content, status_code=error.status, media_type="application/json")


_ROUTES: tuple[tuple[re.Pattern[str], dict[str, _Endpoint]], ...] = (
    (re.compile(r"(.+)/blobs/uploads(/?)"), {"POST": _begin_upload}),
    (
        re.compile(r"(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": _get_upload,
            "PATCH": _patch_upload,
            "PUT": _put_upload,
            "DELETE": _delete_upload,
        },
    ),
    (re.compile(r"(.+)/blobs/([^/]+)"), {"GET": _get_blob, "DELETE": _delete_blob}),
    (
        re.compile(r"(.+)/manifests/([^/]+)"),
        {"GET": _get_manifest, "PUT": _put_manifest, "DELETE": _delete_manifest},
    ),
    (re.compile(r"(.+)/tags/(list)"), {"GET": _tags}),
    (re.compile(r"(.+)/referrers/([^/]+)"), {"GET": _referrers}),
)
