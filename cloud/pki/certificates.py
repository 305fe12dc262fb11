"""Certificates, made and read: P-256 keys, ECDSA with SHA-256. Pure; the time is an argument.

P-256 rather than Ed25519: browsers and every TLS library take it, and it is as fast here.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.pki.errors import JoinRefused, PkiError
from edge.wire.joining import NODE_URI, PEM_LIMIT

BACKDATE = timedelta(hours=1)
"""Clocks of desks and clouds differ; nodes do not look at the beginning at all."""
CA_LIFE = timedelta(days=3650)

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey
Certificate = x509.Certificate


@dataclass(frozen=True, slots=True)
class Signer:
    """A CA that can sign."""

    key: Key
    certificate: Certificate


def new_key() -> Key:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_ca(key: Key, now: datetime, signer: Signer | None = None) -> Certificate:
    """A CA's certificate: its own, or the same name and key vouched for by an older CA."""
    name = _name(f"Skerry CA {key_id(key.public_key())[:16]}")
    issuer = signer.certificate.subject if signer else name
    signing = signer.key if signer else key
    builder = _builder(key.public_key(), name, issuer, now, now + CA_LIFE)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_issuer_key(signing), critical=False)
        .sign(signing, hashes.SHA256())
    )


def make_server(
    key: Key, names: Sequence[str], signer: Signer, now: datetime, life: timedelta
) -> Certificate:
    """The service's certificate, for host names and addresses."""
    subject = _name("skerry cloud")
    builder = _builder(key.public_key(), subject, signer.certificate.subject, now, now + life)
    builder = builder.add_extension(
        x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False
    )
    return _leaf(builder, signer, ExtendedKeyUsageOID.SERVER_AUTH)


def make_node(
    key: PublicKey, node: str, signer: Signer, now: datetime, life: timedelta
) -> Certificate:
    """A node's certificate: good for being that node, and for nothing else."""
    builder = _builder(key, _name(node), signer.certificate.subject, now, now + life)
    uri = x509.UniformResourceIdentifier(f"{NODE_URI}{node}")
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    return _leaf(builder, signer, ExtendedKeyUsageOID.CLIENT_AUTH)


def read_csr(text: str) -> PublicKey:
    """The key that asks, proven by its signature; raises JoinRefused. Nothing else is read."""
    try:
        csr = x509.load_pem_x509_csr(text[:PEM_LIMIT].encode("ascii"))
        key, signed = csr.public_key(), csr.is_signature_valid
    except Exception as error:  # of a parser of foreign bytes: whatever it raises
        raise JoinRefused(f"csr: not a usable PKCS #10 request: {error!s:.200}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise JoinRefused("csr: its key is not of the curve P-256")
    if not signed:
        raise JoinRefused("csr: not signed by its own key")
    return key


def read_certificate(text: str) -> Certificate:
    """A certificate in PEM; raises JoinRefused."""
    try:
        return x509.load_pem_x509_certificate(text.encode("ascii"))
    except Exception as error:  # as above
        raise JoinRefused(f"certificate: cannot be read: {error!s:.200}") from error


def issued_by(certificate: Certificate, authorities: Iterable[Certificate]) -> bool:
    """Whether one of them signed it."""
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def proves(certificate: Certificate, signature: bytes, message: bytes) -> bool:
    """Whether the certificate's key signed the message."""
    key = certificate.public_key()
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def key_id(key: PublicKey) -> str:
    """SHA-256 of a public key, in hex."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(serialization.Encoding.DER, form))
    return digest.finalize().hex()


def pin(certificate: Certificate) -> str:
    """What tokens pin: SHA-256 of a CA's certificate in DER, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_of(certificate: Certificate) -> str:
    """The serial number as the `ssl` module writes it: upper-case hex, even length."""
    text = f"{certificate.serial_number:X}"
    return text if len(text) % 2 == 0 else f"0{text}"


def to_pem(certificate: Certificate) -> str:
    """In PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_to_pem(key: Key) -> str:
    """In PEM, not encrypted: for a file that only its owner reads."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def read_key(pem: bytes) -> Key:
    """A private key of ours; raises PkiError."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise PkiError(f"a private key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError("a private key is not of the kind that was written")
    return key


def _leaf(
    builder: x509.CertificateBuilder, signer: Signer, use: x509.ObjectIdentifier
) -> Certificate:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(_issuer_key(signer.key), critical=False)
        .sign(signer.key, hashes.SHA256())
    )


def _builder(
    key: PublicKey,
    subject: x509.Name,
    issuer: x509.Name,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issuer_key(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
