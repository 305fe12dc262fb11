"""The two patches of the API: merge (RFC 7396) and JSON patch (RFC 6902). Pure."""

from typing import Any

import jsonpatch
import jsonpointer

from cloud.api.http import JSON_PATCH, MERGE_PATCH
from cloud.errors import BadRequest, Invalid, UnsupportedMediaType

OPERATIONS_LIMIT = 1000
"""Operations in one JSON patch; `copy` could otherwise double a document without end."""


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396 section 2; neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; raises BadRequest for a malformed patch, Invalid for one that does not apply."""
    if not isinstance(operations, list):
        raise BadRequest("body: a JSON patch is a list of operations")
    if len(operations) > OPERATIONS_LIMIT:
        raise BadRequest(f"body: more than {OPERATIONS_LIMIT} operations")
    for index, operation in enumerate(operations):
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise BadRequest(f"body[{index}]: an operation has op and path")
        if operation.get("op") in {"copy", "move"} and not isinstance(operation.get("from"), str):
            raise BadRequest(f"body[{index}].from: missing")
    try:
        return jsonpatch.JsonPatch(operations).apply(target)
    except jsonpatch.InvalidJsonPatch as error:
        raise BadRequest(f"body: not a JSON patch: {error}") from None
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise Invalid(f"the patch does not apply: {error}") from None


def apply_patch(media_type: str, target: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The patched object; raises UnsupportedMediaType, BadRequest, Invalid."""
    if media_type == MERGE_PATCH:
        if not isinstance(patch, dict):
            raise BadRequest("body: a merge patch is a JSON object")
        result = merge_patch(target, patch)
    elif media_type == JSON_PATCH:
        result = json_patch(target, patch)
    else:
        raise unsupported(media_type)
    if not isinstance(result, dict):
        raise Invalid("the patch leaves no object")
    return result


def unsupported(media_type: str) -> UnsupportedMediaType:
    """What to say of another kind of patch."""
    hint = ""
    if media_type.startswith("application/apply-patch"):
        hint = "; server-side apply is not supported: use kubectl apply without --server-side"
    elif media_type.startswith("application/strategic"):
        hint = "; strategic merge is for built-in kinds: use kubectl patch --type=merge"
    return UnsupportedMediaType(
        f"content-type: {media_type!r} is not understood; send {MERGE_PATCH} or {JSON_PATCH}{hint}"
    )
