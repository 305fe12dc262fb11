"""Names of the distribution spec. Whatever passes here is safe as a path and in a header."""

import re

from cloud.registry.errors import Code, RegistryError

NAME_LIMIT = 255
"""Characters of a repository's name, as other registries have it."""

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_name(name: str) -> str:
    """The repository's name, when it is one; RegistryError NAME_INVALID."""
    if len(name) > NAME_LIMIT or not _NAME.fullmatch(name):
        raise RegistryError(
            Code.NAME_INVALID,
            "repository: lower-case letters and digits with single . _ - or / between them,"
            f" at most {NAME_LIMIT}",
        )
    return name


def check_digest(digest: str) -> str:
    """The digest, when it is one; RegistryError DIGEST_INVALID."""
    if not _DIGEST.fullmatch(digest):
        raise RegistryError(Code.DIGEST_INVALID, "digest: must be sha256: and 64 hex digits")
    return digest


def is_digest(reference: str) -> bool:
    """A manifest's reference is a digest, not a tag; RegistryError when it is neither."""
    if ":" in reference:
        check_digest(reference)
        return True
    if not _TAG.fullmatch(reference):
        raise RegistryError(
            Code.MANIFEST_INVALID,
            "reference: a tag has letters, digits, . _ - and at most 128 characters",
        )
    return False
