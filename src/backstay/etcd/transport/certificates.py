"""Read certificate and key files, and refuse bad ones with the file's name before a handshake hides the reason.

Called when a channel is opened. It must not decide what to trust beyond what `Credentials` says.

`insecure_skip_tls_verify`: Python's gRPC cannot switch verification off. Instead the certificate that the server shows
at the first contact is pinned as the only root, and its own name is expected. So anybody may answer the first time, but
nobody else the second; a server certificate that is expired, or that changes while the client lives, is still refused.
"""

from __future__ import annotations

import grp
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.clock import Clock
from backstay.etcd.connection import Credentials, Endpoint

if TYPE_CHECKING:
    from cryptography import x509

SIZE_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LoadedCertificates:
    """What goes into a handshake: PEM bytes, None where nothing was given; and the name to expect of the server."""

    roots: bytes | None = None
    chain: bytes | None = None
    key: bytes | None = None
    expected_name: str = ""


def load(credentials: Credentials, clock: Clock) -> LoadedCertificates:
    """Read and check the files that `credentials` name.

    Raises `CREDENTIALS_UNREADABLE` or `CREDENTIALS_INVALID`, naming the file.
    """
    roots = _read(credentials.cacert, "--cacert") if credentials.cacert else None
    chain = _read(credentials.cert, "--cert") if credentials.cert else None
    key = _read(credentials.key, "--key") if credentials.key else None
    now = clock.now()
    if roots is not None:
        authorities = _certificates(credentials.cacert, roots)
        if all(authority.not_valid_after_utc < now for authority in authorities):
            raise _expired(credentials.cacert, authorities[0].not_valid_after_utc)
    if chain is not None and key is not None:
        leaf = _certificates(credentials.cert, chain)[0]
        _check_dates(credentials.cert, leaf, now)
        _check_key(credentials, leaf, key)
    return LoadedCertificates(roots, chain, key, credentials.server_name)


def unreadable(path: str, problem: OSError, *, flag: str = "") -> errors.BackstayError:
    """`CREDENTIALS_UNREADABLE` for `path`: says sudo, or the group whose members may read it."""
    what = f"cannot read `{path}`" + (f" ({flag})" if flag else "")
    why = problem.strerror or str(problem)
    if isinstance(problem, PermissionError):
        group = readable_by_group(Path(path))
        step = "run the command with sudo" + (f", or as a member of the group `{group}`" if group else "")
    elif isinstance(problem, FileNotFoundError):
        step = "check the path"
    else:
        step = ""
    return errors.CREDENTIALS_UNREADABLE.error(what, where=path, why=why, next_step=step)


def readable_by_group(path: Path) -> str:
    """The name of the group that may read `path`, empty when there is none or it cannot be told."""
    try:
        status = path.stat()
        if not status.st_mode & 0o040:
            return ""
        return grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):  # an unreadable folder above, or a group without a name: there is nothing to name
        return ""


def _read(path: str, flag: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as problem:
        raise unreadable(path, problem, flag=flag) from problem
    if len(content) > SIZE_LIMIT_BYTES:
        raise _invalid(path, "the file is far too large for certificates")
    if not content.strip():
        raise _invalid(path, "the file is empty")
    return content


def _invalid(path: str, why: str) -> errors.BackstayError:
    return errors.CREDENTIALS_INVALID.error(f"`{path}` cannot be used", where=path, why=why)


def _expired(path: str, when: datetime) -> errors.BackstayError:
    return errors.CREDENTIALS_INVALID.error(
        f"the certificate `{path}` has expired",
        where=path,
        why=f"it was valid until {when:%Y-%m-%d %H:%M:%S} UTC",
        next_step="renew it (kubeadm: `kubeadm certs renew all`), or name another with --cert and --key",
    )


def _certificates(path: str, content: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as problem:
        raise _invalid(path, f"no PEM certificate in it ({_first_line(problem)})") from problem


def _check_dates(path: str, certificate: x509.Certificate, now: datetime) -> None:
    if certificate.not_valid_after_utc < now:
        raise _expired(path, certificate.not_valid_after_utc)
    if certificate.not_valid_before_utc > now:
        begins = certificate.not_valid_before_utc
        raise _invalid(path, f"it is valid only from {begins:%Y-%m-%d %H:%M:%S} UTC; is this machine's clock right?")


def _check_key(credentials: Credentials, leaf: x509.Certificate, content: bytes) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as problem:
        raise _invalid(
            credentials.key, "the key is encrypted with a passphrase, which etcd's tools cannot use"
        ) from problem
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise _invalid(credentials.key, f"no PEM private key in it ({_first_line(problem)})") from problem
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(encoding, form) != leaf.public_key().public_bytes(encoding, form):
        raise _invalid(credentials.key, f"it is not the key of the certificate `{credentials.cert}`")


def _first_line(problem: Exception) -> str:
    said = str(problem).partition(". See http")[0]  # without the library's pointer to its own questions and answers
    return (said.splitlines() or [""])[0][:120]


def pin(
    endpoint: Endpoint, loaded: LoadedCertificates, credentials: Credentials, timeout_seconds: float
) -> LoadedCertificates:
    """`loaded` with the server's own certificate as the only root; see the limits at the top.

    Raises `OSError` (also `ssl.SSLError`) when there is no handshake; the caller finds out why.
    """
    context = handshake_context(credentials, verify=False)
    with (
        connect(endpoint, timeout_seconds) as plain,
        context.wrap_socket(plain, server_hostname=endpoint.host) as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    if certificate is None:
        raise ssl.SSLError("the server showed no certificate")
    name = credentials.server_name or _name_of(certificate)
    return LoadedCertificates(ssl.DER_cert_to_PEM_cert(certificate).encode(), loaded.chain, loaded.key, name)


def _name_of(der: bytes) -> str:
    """A name that the certificate is valid for: its first DNS name or address, else its common name."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = [name for name in names.get_values_for_type(x509.DNSName) if "*" not in name]
        addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        wildcards = [name.replace("*", "any", 1) for name in names.get_values_for_type(x509.DNSName)]
        for name in (*dns_names, *addresses, *wildcards):
            return name
    except x509.ExtensionNotFound:
        pass  # an old certificate: its common name is all there is
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else ""


def handshake_context(credentials: Credentials, *, verify: bool) -> ssl.SSLContext:
    """The standard library's TLS set up like the channel, for looking at a handshake from near."""
    context = (
        ssl.create_default_context(cafile=credentials.cacert or None)
        if verify
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if credentials.cert:
        context.load_cert_chain(credentials.cert, credentials.key, password=_no_passphrase)
    return context


_no_passphrase: Callable[[], str] = lambda: ""  # noqa: E731  without it OpenSSL would ask on the terminal


def connect(endpoint: Endpoint, timeout_seconds: float) -> socket.socket:
    """A connected socket; raises `OSError`."""
    if endpoint.is_unix:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(timeout_seconds)
        try:
            plain.connect(os.fspath(endpoint.host))
        except OSError:
            plain.close()
            raise
        return plain
    return socket.create_connection((endpoint.host, endpoint.port), timeout=timeout_seconds)
