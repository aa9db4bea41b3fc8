"""Keys and certificates, in memory: made, signed, read back. Writes nothing and reads no clock.

Extensions are those of kubeadm's certificates; subject and authority key identifiers are added because strict verifiers
(Python 3.13's default context among them) want them. Private keys come out in the traditional PEM forms that kubeadm writes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backstay.cluster.certificates.layout import CertificateKind

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Entropy = Callable[[int], bytes]
"""So many random bytes: `os.urandom`, except where a test wants the same serial numbers twice."""

BACKDATED = timedelta(minutes=5)
"""How long before its making a certificate is valid, for machines whose clocks are late."""

_SERIAL_BYTES = 16
_RSA_BITS = 2048


class Algorithm(Enum):
    """The keys that kubeadm can make; `rsa-2048` is its default, `ecdsa-p256` is faster by far."""

    ECDSA_P256 = "ecdsa-p256"
    RSA_2048 = "rsa-2048"


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: PrivateKey


def new_key(algorithm: Algorithm) -> PrivateKey:
    """A new private key."""
    if algorithm is Algorithm.RSA_2048:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """`key` as a file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """`certificate` as a file holds it."""
    return certificate.public_bytes(Encoding.PEM)


def read_key(pem: bytes) -> PrivateKey:
    """The private key in `pem`. Raises `ValueError` for what is none, or of a kind that etcd's tools do not use here."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as problem:
        raise ValueError("it is encrypted with a passphrase, which etcd cannot use") from problem
    if not isinstance(key, PrivateKey):
        raise ValueError("it is neither an RSA nor an elliptic curve key")
    return key


def is_key_of(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Whether the two belong together."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether `certificate` may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def issue(
    kind: CertificateKind,
    key: PrivateKey,
    hosts: tuple[str, ...],
    validity: Validity,
    issuer: Issuer | None,
    entropy: Entropy,
) -> x509.Certificate:
    """A certificate of `kind` for `key`, signed by `issuer`, or by `key` itself where there is none.

    `hosts` are its names and addresses; the first is the common name of a kind without one of its own.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind.common_name or hosts[0])])
    signer = issuer.key if issuer is not None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(entropy(_SERIAL_BYTES)) >> 1 | 1)
        .not_valid_before(validity.begin)
        .not_valid_after(validity.end)
        .add_extension(x509.BasicConstraints(ca=kind.is_authority, path_length=None), critical=True)
        .add_extension(_key_usage(kind), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not kind.is_authority:
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if kind.for_servers else []
        extended = x509.ExtendedKeyUsage([*purposes, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(extended, critical=False)
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(kind: CertificateKind) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=kind.is_authority,
        crl_sign=kind.is_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
