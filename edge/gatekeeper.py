"""Decides what may run on this node and its microcontrollers, and remembers what it decided.

Kept in the store: the newest root that was proven, for each name the highest version that ran
well, and the artifacts that were admitted. What was admitted once is admitted for ever, unless a
newer version has run well since: neither a clock, nor an expired root, nor a changed root stops
what runs, also not over a restart. Floors outlive what they are of: deleting it is no way around them.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Protocol

from msgspec import UNSET, Meta, Struct, field, structs

from edge.errors import RefusedError, TrustConfigError
from edge.trust.encoding import decode_struct, encode, encode_struct
from edge.trust.errors import CURABLE, MalformedError, Reason, Refused, TrustError
from edge.trust.manifest import (
    Kind,
    board_capabilities,
    capabilities,
    check_floor,
    release_number,
    signed_files,
)
from edge.trust.root import ROOT_TYPE, Root, decode_root
from edge.trust.signed import BUNDLE_LIMIT, read
from edge.verdict import Answer, Question
from edge.wire.firmware import DesiredFirmware
from edge.wire.messages import DesiredApp

ADMITTED_LIMIT = 4
"""Admitted artifacts kept of one name: the one that runs, the next, and two to go back to."""
REFUSED_LIMIT = 64
"""Refusals remembered, so that a retry starts a child only when there is a newer root."""
_ROOT = "trust-root"
_RECORD_LIMIT = 4096
_SECOND_NS = 10**9

_log = logging.getLogger(__name__)

Ask = Callable[[Question], Awaitable[Answer]]
NewerRoots = Callable[[int], Awaitable[list[bytes]]]
"""Roots after a version, unproven."""


class Facts(Protocol):
    """Where decisions are kept: `Store.meta`."""

    def get(self, name: str) -> bytes | None:
        """The fact."""
        ...

    def set(self, name: str, value: bytes) -> None:
        """Keep it; blocks for the disk."""
        ...


class _HeldRoot(Struct, frozen=True, kw_only=True):
    file: bytes
    """SHA-256 of the file that this node was given; another file starts over."""
    root: bytes


class Admitted(Struct, frozen=True, kw_only=True):
    """What may run, by its signature."""

    question: bytes
    """SHA-256 of what was asked and of the signature."""
    version: int
    downgrade_from: int | None = None
    """It may take the place of versions up to this one."""


class _Name(Struct, frozen=True, kw_only=True):
    floor: int = 0
    admitted: Annotated[list[Admitted], Meta(max_length=ADMITTED_LIMIT)] = field(
        default_factory=list[Admitted]
    )


class Gatekeeper:
    """One node's. `admit` belongs to the loop, one call at a time; `proven` may block."""

    def __init__(
        self,
        facts: Facts,
        *,
        root_file: Path | None,
        allow_unsigned: bool,
        ask: Ask,
        newer_roots: NewerRoots,
        now_ns: Callable[[], int],
    ) -> None:
        """Raises TrustConfigError when the given root cannot be read."""
        self._facts = facts
        self._ask = ask
        self._newer_roots = newer_roots
        self._now_ns = now_ns
        self._refused: dict[bytes, tuple[int, Refused]] = {}
        self._held = self._take_root(root_file)
        self._root = _decode(self._held) if self._held is not None else None
        self.unsigned_allowed = allow_unsigned and self._root is None
        """Whether apps run that nobody signed; the cloud is told."""
        if allow_unsigned and self._root is not None:
            _log.warning("this node has a root of trust: unsigned apps are refused all the same")
        elif allow_unsigned:
            _log.warning("this node runs apps that nobody signed, as its configuration says")

    @property
    def root_version(self) -> int:
        """Of the root that is held; 0 without one."""
        return self._root.version if self._root is not None else 0

    async def admit(self, spec: DesiredApp | DesiredFirmware) -> Admitted | None:
        """Return when this may run here, with what was signed; None where nothing need be.

        Raises RefusedError, or RetryableError for no verdict.
        """
        if self._root is None and self.unsigned_allowed:
            return None
        try:
            return await self._admit(spec)
        except Refused as refused:
            curable = refused.reason in CURABLE
            raise RefusedError(refused.reason.value, refused.message, curable=curable) from refused
        except MalformedError as error:
            raise RefusedError(Reason.MISMATCH.value, str(error), curable=False) from error

    def proven(self, spec: DesiredApp | DesiredFirmware) -> None:
        """It runs well: nothing older of its name runs here again. What nobody admitted changes nothing."""
        name, version = _floor_name(spec), release_number(spec.manifest.version)
        record = self._record(name)
        if version > record.floor and version in (each.version for each in record.admitted):
            self._keep(name, _Name(floor=version, admitted=record.admitted))

    # --- the decision --------------------------------------------------------------------------

    async def _admit(self, spec: DesiredApp | DesiredFirmware) -> Admitted:
        if self._held is None or self._root is None:
            raise Refused(
                Reason.NO_ROOT,
                "this node has no root of trust and refuses everything; give it one: "
                "`skerry agent --trust-root FILE`, the FILE that `skerry keys init` made",
            )
        if not spec.signature:
            raise Refused(
                Reason.UNSIGNED,
                "nobody signed it, and this node has a root of trust; `skerry "
                f"{_kind(spec).value} push` signs where the keys are, then deploy again",
            )
        asked = _question(spec, self._held.root, self._now_ns() // _SECOND_NS)
        key = _key(asked)
        name = _floor_name(spec)
        record = await asyncio.to_thread(self._record, name)
        found = next((each for each in record.admitted if each.question == key), None)
        if found is None:
            found = await self._judge(asked, key)
        check_floor(spec.manifest.name, found.version, found.downgrade_from, record.floor)
        admitted = [found, *(each for each in record.admitted if each.question != key)]
        kept = _Name(floor=record.floor, admitted=admitted[:ADMITTED_LIMIT])
        if kept != record:
            await asyncio.to_thread(self._keep, name, kept)
        return found

    async def _judge(self, asked: Question, key: bytes) -> Admitted:
        newer = await self._newer_roots(self.root_version)
        before = self._refused.get(key)
        if before is not None and not newer and before[0] == self.root_version:
            raise before[1]
        question = structs.replace(asked, newer=newer)
        answer = await self._ask(question)
        await self._follow(newer, answer)
        if answer.manifest is not None:
            self._refused.pop(key, None)
            signed = answer.manifest
            return Admitted(
                question=key, version=signed.version, downgrade_from=signed.downgrade_from
            )
        refused = Refused(answer.reason or Reason.SIGNATURE_INVALID, answer.message)
        if len(self._refused) >= REFUSED_LIMIT:
            self._refused.clear()
        self._refused[key] = (self.root_version, refused)
        raise refused

    async def _follow(self, newer: list[bytes], answer: Answer) -> None:
        """Take in the roots that were proven, on disk before anything is believed for them."""
        if answer.root_problem:
            _log.error("a newer root of trust is refused: %s", answer.root_problem)
        if answer.accepted_roots and self._held is not None:
            held = _HeldRoot(file=self._held.file, root=newer[answer.accepted_roots - 1])
            await asyncio.to_thread(self._facts.set, _ROOT, encode_struct(held))
            self._held, self._root = held, _decode(held)
            _log.warning("the root of trust is now version %d", self.root_version)

    # --- what is kept --------------------------------------------------------------------------

    def _take_root(self, file: Path | None) -> _HeldRoot | None:
        stored = self._facts.get(_ROOT)
        held = decode_struct(stored, _HeldRoot, "store", 2 * BUNDLE_LIMIT) if stored else None
        if file is None:
            return held
        try:
            data = file.read_bytes()
        except OSError as error:
            if held is not None:
                _log.warning("%s: %s; the root in the store is used", file, error.strerror)
                return held
            raise TrustConfigError(f"--trust-root: {file}: {error.strerror}") from error
        digest = hashlib.sha256(data).digest()
        if held is not None and held.file == digest:
            return held
        given = _HeldRoot(file=digest, root=data)
        try:
            version = _decode(given).version
        except TrustError as error:
            raise TrustConfigError(f"--trust-root: {file}: {error}") from error
        self._facts.set(_ROOT, encode_struct(given))
        _log.warning("%s: version %d is this node's root of trust from now on", file, version)
        return given

    def _record(self, name: str) -> _Name:
        data = self._facts.get(_fact(name))
        return decode_struct(data, _Name, "store", _RECORD_LIMIT) if data else _Name()

    def _keep(self, name: str, record: _Name) -> None:
        self._facts.set(_fact(name), encode_struct(record))


def _fact(name: str) -> str:
    return f"trust-{name}"


def _kind(spec: DesiredApp | DesiredFirmware) -> Kind:
    return Kind.APP if isinstance(spec, DesiredApp) else Kind.FIRMWARE


def _floor_name(spec: DesiredApp | DesiredFirmware) -> str:
    """An app and a firmware of one name have a floor each; an app's is kept under its bare name."""
    name = spec.manifest.name
    return name if isinstance(spec, DesiredApp) else f"{Kind.FIRMWARE.value}:{name}"


def _decode(held: _HeldRoot) -> Root:
    return decode_root(read(held.root, ROOT_TYPE).payload)


def _question(spec: DesiredApp | DesiredFirmware, root: bytes, now: int) -> Question:
    blob = spec.module if isinstance(spec, DesiredApp) else spec.image
    asks = (
        capabilities(spec.manifest)
        if isinstance(spec, DesiredApp)
        else board_capabilities(spec.manifest.board)
    )
    return Question(
        root=root,
        signature=spec.signature,
        kind=_kind(spec),
        name=spec.manifest.name,
        digest=blob.digest,
        size=blob.size,
        version=release_number(spec.manifest.version),
        capabilities=asks,
        now=now,
        files=signed_files(spec.files) if isinstance(spec, DesiredApp) else UNSET,
    )


def _key(asked: Question) -> bytes:
    """Names what was asked, without the root and the time under which it was."""
    parts = [asked.signature, asked.kind.value, asked.name, asked.digest, asked.size]
    # Apps without files keep the key under which nodes remember them.
    files = [] if asked.files is UNSET else [asked.files.digest, asked.files.size]
    return hashlib.sha256(encode([*parts, asked.version, asked.capabilities, *files])).digest()
