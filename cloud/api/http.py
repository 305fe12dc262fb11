"""Reading requests and writing answers: bounds, media types, errors as Status objects."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cloud.errors import (
    BadRequest,
    CloudError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Status,
    StatusError,
    StoreClosed,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)

BODY_LIMIT = 1 << 20
"""Bytes of a body: the largest honest one is an AppInstance of about 300 KiB."""
DEPTH_LIMIT = 64
"""Nesting of JSON: our deepest object needs 8, annotations are flat text."""
INTEGER_LIMIT = 1 << 63
"""Integers are 64 bits wide in the store and on the wire."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_TABLE = {"as": "Table", "v": "v1", "g": "meta.k8s.io"}

Handler = Callable[[Request], Awaitable[Response]]


def json_response(value: Any, code: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), code, media_type=JSON)


def media_type(request: Request) -> str:
    """Media type of the body without parameters; a body without one is taken for JSON."""
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raises UnsupportedMediaType unless the body is JSON."""
    given = media_type(request)
    if given != JSON:
        raise UnsupportedMediaType(f"content-type: {given!r} is not understood here; send {JSON}")


async def read_json(request: Request) -> Any:
    """The body as bounded JSON values; raises TooLarge, BadRequest."""
    body = await _read(request)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"body: not JSON: {error}") from None
    except RecursionError:
        raise BadRequest(f"body: nested deeper than {DEPTH_LIMIT}") from None
    check(value)
    return value


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; raises TooLarge, BadRequest."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise BadRequest("body: must be a JSON object")
    return value


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise TooLarge(f"body: larger than {BODY_LIMIT} bytes")
    except ClientDisconnect:
        raise BadRequest("body: the connection ended before it did") from None
    return bytes(body)


def check(value: Any) -> None:
    """Raises BadRequest for what JSON can say and we cannot store."""
    level: list[Any] = [value]
    for _ in range(DEPTH_LIMIT):
        deeper: list[Any] = []
        for item in level:
            match item:
                case dict():
                    deeper.extend(item.values())
                case list():
                    deeper.extend(item)
                case int() if not -INTEGER_LIMIT <= item < INTEGER_LIMIT:
                    raise BadRequest("body: holds an integer of more than 64 bits")
                case float() if not math.isfinite(item):
                    raise BadRequest("body: holds a number out of range")
                case _:
                    pass
        if not deeper:
            return
        level = deeper
    raise BadRequest(f"body: nested deeper than {DEPTH_LIMIT}")


def wants_table(request: Request) -> bool:
    """Whether the client prefers a Table; raises NotAcceptable when it takes no JSON at all."""
    accept = request.headers.get("accept", "*/*")
    for media_range in accept.split(","):
        name, *parts = (part.strip() for part in media_range.split(";"))
        parameters = {key: value for key, _, value in (part.partition("=") for part in parts)}
        if name == JSON and _TABLE.items() <= parameters.items():
            return True
        if name in {"", JSON, "application/*", "*/*"} and "as" not in parameters:
            return False
    raise NotAcceptable(f"accept: {accept!r} is not written here; ask for {JSON}")


def number(parameters: Mapping[str, str], name: str) -> int | None:
    """A query parameter that counts; None when absent or empty; raises BadRequest."""
    text = parameters.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:20]) >= INTEGER_LIMIT:
        raise BadRequest(f"{name}: {text!r} is not a number")
    return int(text)


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A query parameter that is true or false; raises BadRequest."""
    text = parameters.get(name, "").lower()
    if text not in {"", "0", "1", "true", "false"}:
        raise BadRequest(f"{name}: {text!r} is neither true nor false")
    return text in {"1", "true"}


async def on_error(_request: Request, error: Exception) -> Response:
    """Every CloudError and routing error as a Status object."""
    status = to_status(error)
    return json_response(status, status.code)


def to_status(error: Exception) -> Status:
    """An error in Kubernetes' words."""
    if isinstance(error, StatusError):
        return error.status()
    if isinstance(error, StoreClosed):
        return Unavailable("the service is stopping; try again").status()
    if isinstance(error, HTTPException) and error.status_code == NotFound.code:
        return NotFound("there is nothing at this path; GET /apis says what there is").status()
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowed.code:
        return MethodNotAllowed("this method is not understood at this path").status()
    if isinstance(error, HTTPException):
        return BadRequest(error.detail).status()
    return Status(
        kind="Status",
        api_version="v1",
        metadata={},
        status="Failure",
        message="an error of the service, not of the request; its log says more",
        reason="InternalError",
        code=500,
    )


ERROR_HANDLERS = {
    CloudError: on_error,
    HTTPException: on_error,
    Exception: on_error,
}
"""For Starlette's `exception_handlers`."""
