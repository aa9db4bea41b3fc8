"""Certificates of a TLS listener: read, checked, handed to grpcio, and read again when the files change.

Every handshake looks at the files' times first, as etcd reads them for every handshake; so a renewed certificate needs no
signal. Files that do not fit together (a renewal half done) leave the old ones in use, with a line in the log.

grpcio verifies the chain of a client's certificate. What it cannot do, its handlers do for every call: common names, host
names and revocation. So a client that is not welcome is refused by a status rather than in the handshake. What grpcio cannot
do at all: choose versions below TLS 1.3 or ciphers, serve HTTP/1.1 on the same port.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from functools import lru_cache
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.grpcio.options import TlsFiles
from backstay.server.transport import Peer

SIZE_LIMIT_BYTES = 4 << 20

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, time and size of every file: another stamp, other contents."""

_log = logging.getLogger(__name__)


class ServerCertificates:
    """The certificates of one listener, and whose certificates it takes. Safe to use from grpcio's threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._configuration = self._read()
        self._revoked, self._revoked_stamp = _read_revoked(files.revoked), _look_at(files.revoked)

    @property
    def wants_client_certificate(self) -> bool:
        """An authority without the flag also means it, as in etcd."""
        return self._files.requires_client_certificate or self._files.trusted_authority is not None

    def credentials(self) -> grpc.ServerCredentials:
        """For grpcio; asks for changed files at every handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration, self._current, require_client_authentication=self.wants_client_certificate
        )

    def reload(self) -> None:
        """Read the files now. Raises `SERVER_CERTIFICATE_UNUSABLE`; the old ones stay in use then."""
        with self._lock:
            stamp = self._look()
            self._configuration = self._read()
            self._revoked, self._revoked_stamp = _read_revoked(self._files.revoked), _look_at(self._files.revoked)
            self._stamp = stamp

    def admits(self, certificate: bytes, peer: Peer) -> bool:
        """Whether a client may come in whose certificate (PEM) the handshake has verified."""
        files = self._files
        if files.allowed_common_names and peer.common_name not in files.allowed_common_names:
            return False
        if files.allowed_hostnames and not any(_covers(certificate, name) for name in files.allowed_hostnames):
            return False
        if files.revoked is None:
            return True
        return _serial_of(certificate) not in self._revoked_now(files.revoked)

    def _current(self) -> grpc.ServerCertificateConfiguration:
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self.reload()
                _log.info("read the server's certificate again: %s", self._files.certificate)
            except BackstayError as problem:
                self._stamp = stamp  # one line a change, not one a handshake
                _log.warning("the server's old certificate stays in use: %s (%s)", problem.what, problem.why)
        return self._configuration

    def _revoked_now(self, path: Path) -> frozenset[int]:
        stamp = _look_at(path)
        if stamp != self._revoked_stamp:
            with self._lock:
                self._revoked_stamp = stamp
                try:
                    self._revoked = _read_revoked(path)
                except BackstayError as problem:
                    _log.warning("the old revocation list stays in use: %s (%s)", problem.what, problem.why)
        return self._revoked

    def _look(self) -> Stamp:
        files = self._files
        return sum((_look_at(path) for path in (files.certificate, files.key, files.trusted_authority)), ())

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key = _read_file(self._files.certificate), _read_file(self._files.key)
        _check_pair(self._files, chain, key)
        authority = None
        if self.wants_client_certificate:
            authority_path = self._files.trusted_authority or _system_authorities()
            authority = _read_file(authority_path)
            _certificates(authority_path, authority)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authority)


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
        raise _unusable(path, f"no certificate in PEM: {problem}") from problem


def _check_pair(files: TlsFiles, chain: bytes, key: bytes) -> None:
    leaf = _certificates(files.certificate, chain)[0]
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as problem:
        raise _unusable(files.key, f"no private key in PEM that can be used without a password: {problem}") from problem
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise _unusable(files.key, f"it is not the key of {files.certificate}")


def _system_authorities() -> Path:
    found = ssl.get_default_verify_paths().cafile
    if found is None:
        raise errors.SERVER_CERTIFICATE_UNUSABLE.error(
            "client certificates are required, but no authority is named and this system has no list of authorities"
        )
    return Path(found)


def _read_revoked(path: Path | None) -> frozenset[int]:
    if path is None:
        return frozenset()
    data = _read_file(path)
    try:
        pem = b"-----BEGIN" in data
        revoked = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        return frozenset(each.serial_number for each in revoked)
    except ValueError as problem:
        raise _unusable(path, f"no revocation list: {problem}") from problem


@lru_cache(maxsize=1024)
def _serial_of(certificate: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate).serial_number


@lru_cache(maxsize=1024)
def _covers(certificate: bytes, name: str) -> bool:
    """Whether a certificate is for a host; a name of the certificate may begin with `*.` for one label."""
    leaf = x509.load_pem_x509_certificate(certificate)
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if name in {str(address) for address in names.get_values_for_type(x509.IPAddress)}:
        return True
    wanted = name.rstrip(".").lower()
    for each in names.get_values_for_type(x509.DNSName):
        offered = each.rstrip(".").lower()
        if offered == wanted or (offered.startswith("*.") and wanted.partition(".")[2] == offered[2:]):
            return True
    return False


def _unusable(path: Path, why: str) -> BackstayError:
    return errors.SERVER_CERTIFICATE_UNUSABLE.error(f"cannot use `{path}`", where=str(path), why=why)
