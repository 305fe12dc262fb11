"""Verdicts: is this root the next one, may this artifact run. The only callers of signatures."""

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from edge.trust.errors import MalformedError, Reason, Refused, RootError
from edge.trust.manifest import (
    MANIFEST_TYPE,
    ArtifactManifest,
    Kind,
    SignedFiles,
    decode_manifest,
    release_text,
)
from edge.trust.root import ROOT_ROLE, ROOT_TYPE, Role, Root, decode_root
from edge.trust.signed import Signed, claimed_signers, read
from edge.trust.signing import signers


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to run, in the words of who asks."""

    kind: Kind
    name: str
    digest: str
    size: int
    version: int
    capabilities: tuple[str, ...]
    files: SignedFiles | UnsetType = UNSET


def first_root(data: bytes) -> Root:
    """A root that came by a way that is trusted; it must be signed by its own keys."""
    signed = _read_root(data)
    root = decode_root(signed.payload)
    _require(root, signed, root)
    return root


def next_root(held: Root, data: bytes) -> Root:
    """The root that follows `held`; raises RootError or MalformedError, and `held` stays."""
    signed = _read_root(data)
    root = decode_root(signed.payload)
    if root.version != held.version + 1:
        raise RootError(
            f"root.version: {root.version} cannot follow {held.version}; "
            f"publish version {held.version + 1} first"
        )
    _require(held, signed, root)
    _require(root, signed, root)
    return root


def judge(root: Root, data: bytes, asked: Asked, now: int) -> ArtifactManifest:
    """What was signed, when it covers all that is asked; raises Refused.

    `now` is a lower bound of the time, in seconds since 1970. Which version may follow which is
    `check_floor`'s to say.
    """
    if root.expires <= now:
        raise Refused(
            Reason.ROOT_EXPIRED,
            f"version {root.version} of the trust root has expired: nothing new is admitted until "
            "there is a newer one; `skerry keys rotate root`, then `skerry keys publish`",
        )
    try:
        signed = read(data, MANIFEST_TYPE)
        manifest = decode_manifest(signed.payload)
    except MalformedError as error:
        raise Refused(Reason.SIGNATURE_INVALID, f"{error}; push it again") from error
    _check_signers(root, signed, asked.kind)
    _check_asked(manifest, asked)
    if manifest.expires is not None and manifest.expires <= now:
        raise Refused(Reason.EXPIRED, "the signature has expired; push it again")
    return manifest


def _read_root(data: bytes) -> Signed:
    return read(data, ROOT_TYPE)


def _require(judge_root: Root, signed: Signed, new: Root) -> None:
    role = judge_root.roles[ROOT_ROLE]
    found = signers(signed, judge_root.keys_of(ROOT_ROLE))
    if len(found) < role.threshold:
        raise RootError(
            f"root version {new.version}: {len(found)} of the {role.threshold} signatures that "
            f"version {judge_root.version} demands; sign it with more of its root keys"
        )


def _check_signers(root: Root, signed: Signed, kind: Kind) -> None:
    role = root.roles.get(kind.value, Role(keys=["0" * 64]))
    found = signers(signed, root.keys_of(kind.value))
    if len(found) >= role.threshold:
        return
    if found:
        raise Refused(
            Reason.TOO_FEW_SIGNATURES,
            f"{len(found)} of {role.threshold} signatures are there; "
            f"let the others sign: `skerry {kind.value} push` with their keys",
        )
    claimed = claimed_signers(signed)
    if claimed & root.keys_of(kind.value).keys() or not claimed:
        raise Refused(
            Reason.SIGNATURE_INVALID,
            "the signature is not over this manifest: somebody changed one of them on the way; "
            "push it again, and ask who can write to the registry",
        )
    raise Refused(
        Reason.SIGNER_UNKNOWN,
        f"nobody who signed it may sign an {kind.value} in version {root.version} of the trust "
        "root; push it with a key of that role, or publish the root that names this key",
    )


def _check_asked(manifest: ArtifactManifest, asked: Asked) -> None:
    pairs = {
        "kind": (manifest.kind.value, asked.kind.value),
        "name": (manifest.name, asked.name),
        "version": (release_text(manifest.version), release_text(asked.version)),
        "digest": (manifest.digest, asked.digest),
        "size": (manifest.size, asked.size),
        "files": (_described(manifest.files), _described(asked.files)),
    }
    for what, (signed, wanted) in pairs.items():
        if signed != wanted:
            raise Refused(
                Reason.MISMATCH,
                f"{what}: the signature says {signed}, the cloud asks for {wanted}; "
                "push it again, and ask who changed what the cloud serves",
            )
    more = sorted(set(asked.capabilities) - set(manifest.capabilities))
    if more:
        raise Refused(
            Reason.CAPABILITY,
            f"grants: {', '.join(more)[:200]}: asked for by the cloud and not signed by anybody; "
            "push it again, and ask who changed its manifest",
        )


def _described(files: SignedFiles | UnsetType) -> str:
    return "none" if files is UNSET else f"{files.digest} of {files.size} bytes"
