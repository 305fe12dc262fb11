"""Signs an app or a firmware on the desk before it is pushed."""

import sys
from argparse import Namespace

from msgspec import structs

from cloud.client.api import Client
from cloud.client.built import Built
from cloud.client.errors import InputError
from cloud.client.keyring import Keyring
from cloud.client.keys import publish_roots
from cloud.client.registry import digest_of, root_version
from cloud.clock import utc_now
from edge.trust.errors import MalformedError
from edge.trust.manifest import (
    MANIFEST_TYPE,
    ArtifactManifest,
    Kind,
    SignedFiles,
    board_capabilities,
    capabilities,
    encode_manifest,
    release_number,
)
from edge.trust.signed import Signed, read
from edge.trust.signing import with_signatures
from edge.wire.firmware import FirmwareManifest
from edge.wire.manifest import AppManifest

DAY = 86_400


def sign(client: Client, statement: ArtifactManifest, held: bytes, args: Namespace) -> bytes:
    """An artifact's signatures, those it has (`held`) and ours; nothing when it is not to be signed.

    Signs when keys are there, unless told otherwise. Publishes roots that the cloud lacks.
    """
    ring = Keyring(args.keys)
    role = statement.kind.value
    if args.sign is False:
        return held
    if not ring.exists:
        if args.sign or not held:
            _check_unsigned(client, ring, demanded=bool(args.sign))
        return held
    root = ring.root()
    keys = ring.signing_keys(root, role)
    if not keys:
        remedy = "bring one" if root.keys_of(role) else f"`skerry keys rotate {role}` makes one"
        raise InputError(
            f"{ring.directory}: no {role} key is here; {remedy}, or push with --no-sign"
        )
    publish_roots(client, ring)
    payload = encode_manifest(statement)
    before = _same_statement(held, payload)
    signed = with_signatures(Signed(payload, before), keys, MANIFEST_TYPE)
    missing = root.roles[role].threshold - len(signed.envelopes)
    if missing > 0:
        print(
            f"signed by {len(signed.envelopes)}; {missing} more must push it before a node runs it",
            file=sys.stderr,
        )
    return signed.to_bytes()


def still_good(statement: ArtifactManifest, former: bytes) -> bytes:
    """What of former signatures is over this statement, too; nothing when they are over another."""
    payload = encode_manifest(statement)
    kept = _same_statement(former, payload)
    return Signed(payload, kept).to_bytes() if kept else b""


def app_statement(app: Built, args: Namespace) -> ArtifactManifest:
    """What is signed of an app; raises InputError."""
    found = _statement(Kind.APP, app.manifest, app.module, capabilities(app.manifest), args)
    if not app.files:
        return found
    files = SignedFiles(digest=digest_of(app.files), size=len(app.files))
    return structs.replace(found, files=files)


def firmware_statement(
    manifest: FirmwareManifest, image: bytes, args: Namespace
) -> ArtifactManifest:
    """What is signed of a firmware; raises InputError."""
    return _statement(Kind.FIRMWARE, manifest, image, board_capabilities(manifest.board), args)


def _statement(
    kind: Kind,
    manifest: AppManifest | FirmwareManifest,
    content: bytes,
    asks: list[str],
    args: Namespace,
) -> ArtifactManifest:
    try:
        version = release_number(manifest.version)
        downgrade = release_number(args.downgrade_from) if args.downgrade_from else None
    except MalformedError as error:
        raise InputError(str(error)) from None
    days = args.sign_days
    return ArtifactManifest(
        digest=digest_of(content),
        size=len(content),
        kind=kind,
        name=manifest.name,
        version=version,
        capabilities=asks,
        expires=int(utc_now().timestamp()) // DAY * DAY + days * DAY if days else None,
        downgrade_from=downgrade,
    )


def _same_statement(held: bytes, payload: bytes) -> tuple[bytes, ...]:
    """Signatures of others over the same statement; over another one they are of no use."""
    if not held:
        return ()
    try:
        signed = read(held, MANIFEST_TYPE)
    except MalformedError:
        return ()
    return signed.envelopes if signed.payload == payload else ()


def _check_unsigned(client: Client, ring: Keyring, *, demanded: bool) -> None:
    if demanded:
        raise InputError(f"--sign: no keys in {ring.directory}; `skerry keys init` makes them")
    version = root_version(client)
    if version:
        raise InputError(
            f"{client.url} publishes a root of trust (version {version}): its nodes refuse what "
            f"nobody signed, and there are no keys in {ring.directory}. Push where the keys are "
            "(--keys DIR), or with --no-sign for nodes without a root"
        )
