"""The child that does the cryptography, and takes its megabytes with it when it ends.

Runs as `python -c "from edge.identity.worker import main; main()" VERB FILE...`. Input and output
are JSON on standard input and output; a private key is only ever in files of the node.

request KEYFILE NODE   make a key unless there is one → {"csr"}
keep KEYFILE SLOT      {"node", "certificate", "trust"} → write the slot → its facts
prove SLOT             {"nonce", "csr"} → {"certificate", "signature"}
"""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.identity.lifetime import Facts
from edge.private import write_private
from edge.wire.joining import BODY_LIMIT, NODE_URI, proof

_PEM = serialization.Encoding.PEM


def main() -> None:
    """Serve one request; status 1 and a line on standard error when it cannot be."""
    verb, *arguments = sys.argv[1:]
    try:
        said = json.loads(sys.stdin.buffer.read(BODY_LIMIT) or b"{}")
        found: Mapping[str, str | int]
        match verb:
            case "request":
                found = request(Path(arguments[0]), arguments[1])
            case "keep":
                found = keep(Path(arguments[0]), Path(arguments[1]), said)
            case "prove":
                found = prove(Path(arguments[0]), said)
            case _:
                sys.exit(f"{verb}: unknown")
    except (OSError, ValueError, TypeError, KeyError, InvalidSignature) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(found))


def request(file: Path, node: str) -> Mapping[str, str]:
    """A request for a certificate; the same key again while it is not answered."""
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        write_private(file, key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    csr = builder.sign(_key(file.read_bytes()), hashes.SHA256())
    return {"csr": csr.public_bytes(_PEM).decode()}


def keep(file: Path, slot: Path, said: Mapping[str, str]) -> Mapping[str, str | int]:
    """Check what the cloud issued, and write it with its key as one file."""
    data = file.read_bytes()
    certificate = x509.load_pem_x509_certificate(said["certificate"].encode())
    key = _key(data)
    if certificate.public_key() != key.public_key():
        raise ValueError("the certificate is for another key")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if uris != [f"{NODE_URI}{said['node']}"]:
        raise ValueError(f"the certificate is for {uris}")
    _check_issuer(certificate, said["trust"])
    facts = Facts(
        node=said["node"],
        serial=f"{certificate.serial_number:x}",
        not_before_ns=_ns(certificate.not_valid_before_utc),
        not_after_ns=_ns(certificate.not_valid_after_utc),
    )
    write_private(
        slot, b"# " + msgspec.json.encode(facts) + b"\n" + data + certificate.public_bytes(_PEM)
    )
    found: Mapping[str, str | int] = msgspec.to_builtins(facts)
    return found


def prove(slot: Path, said: Mapping[str, str]) -> Mapping[str, str]:
    """A signature by the slot's key that shows who the node was."""
    data = slot.read_bytes()
    signed = _key(data).sign(proof(said["nonce"], said["csr"]), ec.ECDSA(hashes.SHA256()))
    certificate = x509.load_pem_x509_certificate(data)
    return {"certificate": certificate.public_bytes(_PEM).decode(), "signature": signed.hex()}


def _key(data: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(data, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a P-256 key")
    return key


def _check_issuer(certificate: x509.Certificate, trust: str) -> None:
    for authority in x509.load_pem_x509_certificates(trust.encode()):
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, InvalidSignature):
            continue
        return
    raise ValueError("the certificate comes from a CA that this node does not trust")


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9
