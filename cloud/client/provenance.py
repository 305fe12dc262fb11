"""`skerry image sign` and `skerry verify`: whether a file is what somebody we trust has built.

Everything is read from files, nothing from a network: FILE, its provenance FILE.intoto.json (signed:
FILE.intoto.jsonl, which counts alone) and its bill of materials FILE.cdx.json.
"""

import hashlib
from argparse import Namespace
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from cloud.client import dsse
from cloud.client.errors import InputError
from cloud.client.keyring import Keyring
from cloud.clock import utc_now
from edge.trust.errors import TrustError
from edge.trust.judge import first_root
from edge.trust.manifest import Kind
from edge.trust.root import Root
from edge.trust.signed import BUNDLE_LIMIT

LIMIT = 16 << 20
"""Bytes of a statement, an envelope or a bill of materials; an image's have 100 KiB."""


class _Digest(msgspec.Struct, frozen=True):
    sha256: str = ""


class _Named(msgspec.Struct, frozen=True):
    name: str = ""
    uri: str = ""
    digest: _Digest = _Digest()


class _Builder(msgspec.Struct, frozen=True):
    id: str


class _RunDetails(msgspec.Struct, frozen=True):
    builder: _Builder


class _Definition(msgspec.Struct, frozen=True, rename="camel"):
    resolved_dependencies: list[_Named]
    external_parameters: dict[str, Any]


class _Predicate(msgspec.Struct, frozen=True, rename="camel"):
    build_definition: _Definition
    run_details: _RunDetails


class _Statement(msgspec.Struct, frozen=True, rename="camel"):
    type_: str = msgspec.field(name="_type")
    predicate_type: str
    subject: list[_Named]
    predicate: _Predicate


class _Hash(msgspec.Struct, frozen=True):
    alg: str
    content: str


class _Component(msgspec.Struct, frozen=True):
    purl: str
    hashes: list[_Hash] = []


class _Bill(msgspec.Struct, frozen=True):
    components: list[_Component]


def sign(args: Namespace) -> None:
    """Sign the provenance of an image with the image keys that are here."""
    file: Path = args.file
    plain = _beside(file, ".intoto.json")
    payload = _read(plain)
    _check_subject(_statement(plain, payload), file)
    ring = Keyring(args.keys)
    root = ring.root()
    role = root.roles.get(Kind.IMAGE.value)
    keys = ring.signing_keys(root, Kind.IMAGE.value) if role else []
    if role is None or not keys:
        raise InputError(
            f"{ring.directory}: no image key is here; `skerry keys rotate image` makes one"
        )
    out = _beside(file, ".intoto.jsonl")
    out.write_bytes(dsse.seal(payload, dsse.IN_TOTO, keys))
    missing = role.threshold - len(keys)
    print(f"{out}: signed by {len(keys)}" + (f"; {missing} more must sign" if missing > 0 else ""))


def verify(args: Namespace) -> None:
    """Check a file against its provenance, its bill of materials, and who signed."""
    file: Path = args.file
    envelope = _beside(file, ".intoto.jsonl")
    if args.unsigned:
        source = _beside(file, ".intoto.json")
        payload, who = _read(source), "nobody; only the digests were compared"
    else:
        if not envelope.exists():
            raise InputError(
                f"{envelope}: missing, so nobody vouches for {file.name}; get it from where the "
                "file is from, or compare digests alone with --unsigned"
            )
        source = envelope
        payload, who = _opened(envelope, args)
    found = _statement(source, payload)
    _check_subject(found, file)
    parts = _check_bill(found, _beside(file, ".cdx.json"))
    definition = found.predicate.build_definition
    asked = ", ".join(f"{name} {value}" for name, value in definition.external_parameters.items())
    print(f"{file}: is what was built ({asked}) by {found.predicate.run_details.builder.id}")
    print(f"  from {len(definition.resolved_dependencies)} things, {parts} of them in it")
    print(f"  signed by {who}")


def _opened(envelope: Path, args: Namespace) -> tuple[bytes, str]:
    root = _root(args)
    role = root.roles.get(Kind.IMAGE.value)
    if role is None:
        raise InputError("the root of trust names nobody who may sign images")
    if root.expires < utc_now().timestamp():
        raise InputError("the root of trust has expired; get the newest root.cose")
    try:
        payload, signed = dsse.unseal(
            _read(envelope), dsse.IN_TOTO, root.keys_of(Kind.IMAGE.value)
        )
    except dsse.EnvelopeError as error:
        raise InputError(f"{envelope}: {error}") from None
    if len(signed) < role.threshold:
        raise InputError(
            f"{envelope}: {len(signed)} of {role.threshold} signatures by keys that the root of "
            "trust names for images; it was signed by somebody else, or changed"
        )
    return payload, ", ".join(sorted(name[:16] for name in signed))


def _root(args: Namespace) -> Root:
    if args.trust_root is None:
        return Keyring(args.keys).root()
    try:
        with Path(args.trust_root).open("rb") as file:
            return first_root(file.read(BUNDLE_LIMIT + 1))
    except (TrustError, OSError) as error:
        raise InputError(f"--trust-root: {args.trust_root}: {error}") from None


def _statement(source: Path, payload: bytes) -> _Statement:
    try:
        found = msgspec.json.decode(payload, type=_Statement)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: no in-toto statement of provenance: {error}") from None
    for field, value, wanted in (
        ("_type", found.type_, "https://in-toto.io/Statement/v1"),
        ("predicateType", found.predicate_type, "https://slsa.dev/provenance/v1"),
    ):
        if value != wanted:
            raise InputError(f"{source}: {field}: {value[:60]!r} is not {wanted}")
    return found


def _check_subject(found: _Statement, file: Path) -> None:
    digest = _sha256(file)
    if all(subject.digest.sha256 != digest for subject in found.subject):
        raise InputError(
            f"{file}: its SHA-256 is {digest}, which its provenance does not name: it was changed "
            "or packed after it was built, or this is another file's provenance"
        )


def _check_bill(found: _Statement, bill: Path) -> int:
    """The number of components; each must be among the things it was built from."""
    digest = _sha256(bill)
    if all(subject.digest.sha256 != digest for subject in found.subject):
        raise InputError(f"{bill}: not the bill of materials that the provenance names")
    try:
        components = msgspec.json.decode(_read(bill), type=_Bill).components
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{bill}: no CycloneDX document: {error}") from None
    used: defaultdict[str, set[str]] = defaultdict(set)
    for item in found.predicate.build_definition.resolved_dependencies:
        used[item.uri].add(item.digest.sha256)
    for component in components:
        hashes = {item.content for item in component.hashes if item.alg == "SHA-256"}
        if not hashes or not hashes <= used[component.purl]:
            raise InputError(f"{bill}: {component.purl} is not what the provenance says it used")
    return len(components)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as content:
            data = content.read(LIMIT + 1)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    if len(data) > LIMIT:
        raise InputError(f"{file}: more than {LIMIT >> 20} MiB")
    return data
