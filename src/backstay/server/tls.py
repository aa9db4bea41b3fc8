"""Certificates of a TLS listener: read, checked, and read again when the files change.

Every handshake looks at the files' times first, as etcd reads them for every handshake; so a renewed certificate needs no
signal. Files that do not fit together (a renewal half done) leave the old ones in use, with a line in the log.

OpenSSL verifies the chain of a client's certificate. Names and revocation are looked at right after the handshake, before a
byte of the client is read: a serial number in the list is enough, whoever signed the list, as in etcd.
"""

from __future__ import annotations

import logging
import os
import ssl
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.listeners import TlsFiles
from backstay.server.transport import Peer

SIZE_LIMIT_BYTES = 4 << 20
PROTOCOLS = ["http/1.1", "h2"]
"""For ALPN, the preferred first: browsers and curl offer both and get HTTP/1.1; gRPC's clients offer `h2` alone."""
VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
"""The suites of TLS 1.2 by their names in the RFCs, which etcd's flag takes, and in OpenSSL."""

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, time and size of every file: another stamp, other contents."""

_log = logging.getLogger(__name__)


class ServerTls:
    """The certificates of one listener, and whose certificates it takes."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._look()
        self._current = self._read()
        self._revoked, self._revoked_stamp = _read_revoked(files.revoked), _look_at(files.revoked)
        self.context = self._read()
        """For the listener, for as long as it lives. Every handshake takes what is current instead."""
        self.context.sni_callback = self._choose
        self.context.sslobject_class = _SayingWhy

    @property
    def wants_client_certificate(self) -> bool:
        """An authority without the flag also means it, as in etcd."""
        return self._files.requires_client_certificate or self._files.trusted_authority is not None

    def reload(self) -> None:
        """Read the files now. Raises `SERVER_CERTIFICATE_UNUSABLE`; the old ones stay in use then."""
        stamp, revoked_stamp = self._look(), _look_at(self._files.revoked)
        current, revoked = self._read(), _read_revoked(self._files.revoked)
        self._current, self._stamp = current, stamp
        self._revoked, self._revoked_stamp = revoked, revoked_stamp

    def peer(self, address: str, certificate: bytes | None) -> Peer | None:
        """Who a client is, by its certificate (DER) that the handshake has verified; None when it may not come in."""
        if certificate is None:
            return Peer(address)
        name, alternatives, serial = _identify(certificate)
        files = self._files
        if files.allowed_common_names and name not in files.allowed_common_names:
            return None
        if files.allowed_hostnames and not any(covers(alternatives, host) for host in files.allowed_hostnames):
            return None
        if files.revoked is not None and serial in self._revoked_now(files.revoked):
            return None
        return Peer(address, name, alternatives)

    def _choose(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self.reload()
                _log.info("read the server's certificate again: %s", self._files.certificate)
            except BackstayError as problem:
                self._stamp = stamp  # one line a change, not one a handshake
                _log.warning("the server's old certificate stays in use: %s (%s)", problem.what, problem.why)
        handshake.context = self._current

    def _revoked_now(self, path: Path) -> frozenset[int]:
        stamp = _look_at(path)
        if stamp != self._revoked_stamp:
            self._revoked_stamp = stamp
            try:
                self._revoked = _read_revoked(path)
            except BackstayError as problem:
                _log.warning("the old revocation list stays in use: %s (%s)", problem.what, problem.why)
        return self._revoked

    def _look(self) -> Stamp:
        files = self._files
        return (*_look_at(files.certificate), *_look_at(files.key), *_look_at(files.trusted_authority))

    def _read(self) -> ssl.SSLContext:
        files = self._files
        _check_pair(files)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = VERSIONS[files.minimum_version or "TLS1.2"]
        if files.maximum_version:
            context.maximum_version = VERSIONS[files.maximum_version]
        if files.cipher_suites:
            context.set_ciphers(":".join(CIPHERS[name] for name in files.cipher_suites if name in CIPHERS))
        context.set_alpn_protocols(PROTOCOLS)
        try:
            context.load_cert_chain(files.certificate, files.key)
        except (OSError, ssl.SSLError) as problem:
            raise _unusable(files.certificate, str(problem)) from problem
        if self.wants_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            if files.trusted_authority is None:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
            else:
                _certificates(files.trusted_authority, _read_file(files.trusted_authority))
                context.load_verify_locations(files.trusted_authority)
        return context


class _SayingWhy(ssl.SSLObject):
    """A failed handshake whose alert is sent: asyncio would drop it with the connection, and the client never know why.

    The failure is shown as a wait first, for which asyncio sends what there is. The client that reads the alert closes; one
    that does not is closed when the time for handshakes is over.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as problem:
            self._failure = problem
            raise ssl.SSLWantReadError from problem


def covers(names: tuple[str, ...], host: str) -> bool:
    """Whether a certificate with these alternative names is for `host`; a name may begin with `*.` for one label."""
    wanted = host.rstrip(".").lower()
    for each in names:
        offered = each.rstrip(".").lower()
        if offered == wanted or (offered.startswith("*.") and wanted.partition(".")[2] == offered[2:]):
            return True
    return False


@lru_cache(maxsize=1024)
def _identify(certificate: bytes) -> tuple[str | None, tuple[str, ...], int]:
    leaf = x509.load_der_x509_certificate(certificate)
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[-1].value) if names else None
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return name, (), leaf.serial_number
    hosts = alternatives.get_values_for_type(x509.DNSName)
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return name, (*hosts, *map(str, addresses)), leaf.serial_number


def _look_at(path: Path | None) -> Stamp:
    if path is None:
        return ()
    try:
        found = os.stat(path)
    except OSError:
        return ((0, 0, 0),)
    return ((found.st_ino, found.st_mtime_ns, found.st_size),)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem
    if len(data) > SIZE_LIMIT_BYTES:
        raise _unusable(path, f"it is larger than {SIZE_LIMIT_BYTES} bytes")
    return data


def _certificates(path: Path, data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as problem:
        raise _unusable(path, f"no certificate in PEM: {_words(problem)}") from problem


def _words(problem: Exception) -> str:
    return str(problem).partition(". See http")[0]  # without the library's pointer to its own questions and answers


def _check_pair(files: TlsFiles) -> None:
    leaf = _certificates(files.certificate, _read_file(files.certificate))[0]
    try:
        private = load_pem_private_key(_read_file(files.key), password=None)
    except (ValueError, TypeError) as problem:
        raise _unusable(
            files.key, f"no private key in PEM that can be used without a password: {_words(problem)}"
        ) from problem
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise _unusable(files.key, f"it is not the key of {files.certificate}")


def _read_revoked(path: Path | None) -> frozenset[int]:
    if path is None:
        return frozenset()
    data = _read_file(path)
    try:
        pem = b"-----BEGIN" in data
        revoked = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        return frozenset(each.serial_number for each in revoked)
    except ValueError as problem:
        raise _unusable(path, f"no revocation list: {_words(problem)}") from problem


def _unusable(path: Path, why: str) -> BackstayError:
    return errors.SERVER_CERTIFICATE_UNUSABLE.error(f"cannot use `{path}`", where=str(path), why=why)
