"""Every parser that reads bytes from outside, with what it may raise and bytes to begin with.

A harness passes when the parser returns or refuses with an error of its own. Anything else (another
exception, a crash, a hang) is a finding. What was found is kept in corpus/ and replayed for ever.
"""

import contextlib
import json
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from boards.errors import BoardsError
from boards.flash import bmap
from boards.preseed import parse as parse_preseed
from cloud.access.actions import action_of
from cloud.access.gate import _token
from cloud.access.tokens import make, well_formed
from cloud.api.admission import admit
from cloud.api.http import check as check_json
from cloud.api.patch import apply_patch
from cloud.client import dsse
from cloud.errors import CloudError
from cloud.kinds.access import ROLE, ROLE_BINDING
from cloud.kinds.app import APP
from cloud.kinds.secret import SECRET
from cloud.pki import certificates
from cloud.pki.routes import TokenRequest
from cloud.registry import manifests
from cloud.registry.media import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from cloud.store.paging import decode_token
from cloud.store.selectors import parse_fields, parse_labels
from cloud.telemetry import senml
from cloud.telemetry.times import parse_duration, parse_time
from edge.aead import SealBrokenError, seal, unseal
from edge.net.address import Address
from edge.net.errors import NetError
from edge.net.refusal import reason_of
from edge.sandbox import senml as guest_senml
from edge.sandbox.wasi.bundle import tree
from edge.store import journal
from edge.store.entry import StoredEntry
from edge.trust import cose
from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import Refused, TrustError
from edge.trust.judge import first_root, judge
from edge.trust.manifest import MANIFEST_TYPE, decode_manifest
from edge.trust.root import ROOT_TYPE, decode_root
from edge.trust.signed import read as read_signed
from edge.verdict import Answer
from edge.wire import codec
from edge.wire.errors import WireError
from edge.wire.files import pack_files, unpack_files
from edge.wire.joining import (
    Issued,
    JoinRequest,
    JoinToken,
    ReenrolRequest,
    RenewRequest,
    Trust,
)
from edge.wire.manifest import AppManifest
from firmware.link import cbor as link_cbor
from firmware.link import console, frame, smp
from firmware.link.errors import LinkError
from hal.boardfile import make_board
from hal.errors import HalError
from tests.support.specs import desired_app
from tests.support.trust import NOW, asked, key, root, signature, signed_root, statement


@dataclass(frozen=True)
class Harness:
    """One parser."""

    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """For parsers that a server hands text to: any bytes are some text of Latin-1."""
    return lambda data: parse(data.decode("latin-1"))


def _json_body(data: bytes) -> Any:
    """As cloud.api.http reads a body, up to a kind's admission."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    check_json(value)
    return value if isinstance(value, dict) else None


def _admit(data: bytes) -> None:
    body = _json_body(data)
    for kind in (APP, ROLE, ROLE_BINDING, SECRET):
        if body is not None:
            try:
                admit(kind, dict(body), "default" if kind.namespaced else "")
            except CloudError:
                continue


def _patch(data: bytes) -> None:
    first, _, rest = data.partition(b"\n")
    try:
        target, patch = msgspec.json.decode(first), msgspec.json.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(target, dict):
        media = "json-patch" if isinstance(patch, list) else "merge-patch"
        apply_patch(f"application/{media}+json", target, patch)


def _app_toml(data: bytes) -> AppManifest:
    return msgspec.convert(tomllib.loads(data.decode()), AppManifest)


def _board(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        make_board(tomllib.loads(data.decode()), Path(place)).close()


def _request_line(data: bytes) -> None:
    path, _, query = data.partition(b"?")
    action_of("GET", path.decode("latin-1"), query)


def _oci(data: bytes) -> None:
    for media_type in (OCI_MANIFEST, OCI_INDEX, DOCKER_LIST):
        try:
            manifests.parse(media_type, data)
        except CloudError:
            continue


def _files(data: bytes) -> None:
    """What is taken is spelled the one way there is, and leads nowhere else."""
    files = unpack_files(data)
    assert pack_files(files) == data
    tree(files)


def _signed(data: bytes) -> None:
    """As the judge and whoever shows a signature read it."""
    for content_type, decode in ((MANIFEST_TYPE, decode_manifest), (ROOT_TYPE, decode_root)):
        try:
            decode(read_signed(data, content_type).payload)
        except TrustError:
            continue
    first_root(data)


def _judged(data: bytes) -> None:
    try:
        judge(_TRUSTED, data, asked(), NOW)
    except Refused:
        return


def _cose(data: bytes) -> None:
    envelope = cose.parse(data)
    assert cose.to_be_signed(envelope.protected, envelope.payload)
    assert isinstance(envelope.kid, bytes)


def _joining(data: bytes) -> None:
    """Bodies that anybody may send, as cloud.pki.routes reads them."""
    for kind in (JoinRequest, RenewRequest, ReenrolRequest, TokenRequest, Trust, Issued):
        try:
            msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _csr_of_a_node() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "barn")])
    asking = x509.CertificateSigningRequestBuilder().subject_name(name)
    return asking.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _certificate_of_a_ca() -> bytes:
    made = certificates.make_ca(certificates.new_key(), datetime(2026, 1, 1, tzinfo=UTC))
    return certificates.to_pem(made).encode()


def _certificate(text: str) -> None:
    found = certificates.read_certificate(text)
    certificates.serial_of(found)
    certificates.issued_by(found, [])
    certificates.proves(found, b"no signature", b"text")


def _dsse(data: bytes) -> None:
    public = key("app-1").public
    dsse.unseal(data, dsse.IN_TOTO, {key("app-1").id: public})


def _link(data: bytes) -> None:
    """What a microcontroller sends: frames, the lines of a console, and what is in them."""
    for reader in (frame.Reader(1024), console.Reader()):
        for message in reader.feed(data):
            with contextlib.suppress(LinkError):
                smp.decode(message)
    link_cbor.decode(data)


def _seal(data: bytes) -> None:
    assert unseal(bytes(32), seal(bytes(32), data, data[:8]), data[:8]) == data
    unseal(bytes(32), data, b"")


_MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "a/b", "digest": f"sha256:{'0' * 64}", "size": 3},
        "layers": [{"mediaType": "a/b", "digest": f"sha256:{'1' * 64}", "size": 3}],
    }
).encode()
_APP = json.dumps(
    {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": "a", "labels": {"x": "y"}},
        "spec": {"artifact": {"repository": "a", "reference": "1"}, "twin": {"i": 1}},
    }
).encode()
_TOML = (ValueError, UnicodeDecodeError, msgspec.ValidationError)
_PACK = cbor2.dumps([{-2: "room", -3: 1.8e9, 0: "t", 2: 21.5}, {3: "text"}, {8: b"\0"}])
_ENTRY = b"\0\0" + bytes(8) + bytes(4) + b"\1\1as" + b"\x80"

_TRUSTED = root()
_SIGNED = signature(statement())

HARNESSES: dict[str, Harness] = {
    "wire-up": Harness(
        codec.decode_up,
        (WireError,),
        (
            cbor2.dumps({"t": "ping", "id": 1}),
            cbor2.dumps({"t": "status", "id": 1, "items": [], "whole": True}),
        ),
    ),
    "wire-down": Harness(
        codec.decode_down,
        (WireError,),
        (cbor2.dumps({"t": "desired", "revision": 2, "base": None, "put": []}),),
    ),
    "wire-app-spec": Harness(
        codec.decode_app_spec, (WireError,), (codec.encode_app_spec(desired_app()),)
    ),
    "wire-files": Harness(
        _files, (WireError,), (pack_files({"main.py": b"print(1)", "lib/a.py": b""}),)
    ),
    "wire-gap": Harness(
        codec.decode_gap,
        (WireError,),
        (cbor2.dumps({"records": 1, "first_ns": 2, "last_ns": 3}),),
    ),
    "senml-cloud": Harness(lambda data: senml.decode(data, 1), (CloudError,), (_PACK,)),
    "senml-guest": Harness(
        lambda data: guest_senml.check(data, "s"), (guest_senml.InvalidPackError,), (_PACK,)
    ),
    "store-entry": Harness(StoredEntry.decode, (ValueError,), (_ENTRY,)),
    "store-journal": Harness(journal.parse, (), (b"SKJ1" + bytes(40),)),
    "api-body": Harness(_admit, (CloudError,), (_APP,)),
    "api-patch": Harness(
        _patch,
        (CloudError,),
        (b'{"a":{"b":1}}\n[{"op":"move","from":"/a/b","path":"/c"}]', b'{"a":1}\n{"a":null}'),
    ),
    "api-request-line": Harness(
        _request_line,
        (),
        (
            b"/apis/skerry.dev/v1alpha1/namespaces/x/apps/a/status?watch=1&fieldSelector=spec.node=a",
            b"/v2/a/b/blobs/uploads/x",
        ),
    ),
    "api-authorization": Harness(
        _text(lambda text: well_formed(_token(text))),
        (),
        (b"Basic YTpi", b"Bearer " + make("user", bytes(32)).encode()),
    ),
    "label-selector": Harness(
        _text(parse_labels), (CloudError,), (b"a=b,c!=d,e in (f,g),!h,i notin (j)",)
    ),
    "field-selector": Harness(
        _text(lambda text: parse_fields(text, ("metadata.name",))),
        (CloudError,),
        (b"metadata.name=a,metadata.name!=b",),
    ),
    "continue-token": Harness(_text(decode_token), (CloudError,), (b"WzEsImEiLCJiIl0=",)),
    "times": Harness(
        _text(lambda text: (parse_time("from", text, 10**18), parse_duration("i", text))),
        (CloudError,),
        (b"2026-11-23T12:00:00Z", b"-24h", b"10m"),
    ),
    "oci-manifest": Harness(_oci, (), (_MANIFEST,)),
    "app-toml": Harness(
        _app_toml,
        _TOML,
        (b'name="a"\nversion="1.0.0"\n[grants.p]\nkind="i2c"\n[limits]\nmemory=65536\n',),
    ),
    "preseed-toml": Harness(
        parse_preseed, (BoardsError,), (b'[node]\nname="barn"\n[cloud]\nurl="https://c"\n',)
    ),
    "board-toml": Harness(
        _board,
        (HalError, *_TOML),
        (b'[gpio.GPIO4]\nlevel=1\n[[i2c.i2c-1.devices]]\nmodel="tmp105"\naddress=0x48\n',),
    ),
    "block-map": Harness(
        bmap.parse, (BoardsError,), (b'<?xml version="1.0"?><bmap version="2.0"></bmap>',)
    ),
    "url": Harness(
        _text(lambda text: Address.parse(text, ("http", "https"))),
        (NetError,),
        (b"http://[::1]:80/a", b"https://cloud.example"),
    ),
    "cose": Harness(_cose, (TrustError,), read_signed(_SIGNED, MANIFEST_TYPE).envelopes),
    "signed": Harness(_signed, (TrustError,), (_SIGNED, signed_root(_TRUSTED))),
    "judged": Harness(_judged, (), (_SIGNED,)),
    "verdict": Harness(
        lambda data: decode_struct(data, Answer, "verdict", 1 << 16),
        (TrustError,),
        (encode_struct(Answer(accepted_roots=0, message="no")),),
    ),
    "dsse": Harness(
        _dsse, (dsse.EnvelopeError,), (dsse.seal(b"{}", dsse.IN_TOTO, [key("app-1")]),)
    ),
    "csr": Harness(_text(certificates.read_csr), (CloudError,), (_csr_of_a_node(),)),
    "certificate": Harness(_text(_certificate), (CloudError,), (_certificate_of_a_ca(),)),
    "join-token": Harness(
        _text(JoinToken.parse),
        (WireError,),
        (f"skerry1.{'a' * 8}.{'b' * 32}.{'c' * 64}".encode(),),
    ),
    "join-body": Harness(
        _joining,
        (),
        (b'{"node":"barn","csr":"x","token":"","labels":{"a":"b"}}', b'{"uses":1,"pattern":"*"}'),
    ),
    "link": Harness(
        _link, (LinkError,), (link_cbor.encode({"a": [1, b"b", None]}), frame.encode(b"hello"))
    ),
    "refusal": Harness(
        lambda data: reason_of(data, 403), (), (b'{"kind":"Status","message":"revoked"}',)
    ),
    "sealed": Harness(_seal, (SealBrokenError,), (seal(bytes(32), b"abc", b""),)),
}


def try_one(name: str, data: bytes) -> None:
    """Raises what is a finding."""
    harness = HARNESSES[name]
    try:
        harness.run(data)
    except harness.refusals:
        return
