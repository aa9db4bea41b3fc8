"""Why a connection failed, found out with a plain socket and the standard library's TLS.

Called after gRPC could not connect: its own words (`Socket closed`, `recvmsg: Connection reset by peer`) do not tell a
missing client certificate from a plain-text port. Each step costs at most `deadlines.PROBE` seconds. Nothing is sent but
the first bytes of HTTP/2.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from backstay import errors
from backstay.etcd import deadlines
from backstay.etcd.connection import Credentials, Endpoint
from backstay.etcd.transport import certificates

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # with an empty SETTINGS frame

_SETTINGS = 4  # the type of the first frame that an HTTP/2 server sends, at offset 3 of its header of 9 bytes

_CLIENT_CERTIFICATE_ALERTS = (
    "certificate required", "bad certificate", "unknown ca", "certificate unknown", "unsupported certificate",
    "certificate expired", "certificate revoked", "access denied", "handshake failure",
)  # fmt: skip


def diagnose(
    endpoint: Endpoint, credentials: Credentials, said: str, *, timeout_seconds: float = deadlines.PROBE
) -> errors.BackstayError:
    """The error that names why `endpoint` cannot be reached. `said` is what gRPC said, used when nothing better is found."""
    try:
        certificates.connect(endpoint, timeout_seconds).close()
    except OSError as problem:
        return errors.ENDPOINT_UNREACHABLE.error(
            f"no connection to {endpoint}", where=str(endpoint), why=_reason(problem)
        )
    if endpoint.is_tls:
        return _diagnose_tls(endpoint, credentials, said, timeout_seconds)
    if _speaks_tls(endpoint, timeout_seconds):
        return errors.ENDPOINT_TLS.error(
            f"{endpoint} speaks TLS, but plain text was asked for",
            where=str(endpoint),
            why="the port answered a TLS handshake",
            next_step=f"write https:// and give --cacert, --cert and --key: `--endpoints https://{endpoint.address}`",
        )
    return errors.ENDPOINT_UNREACHABLE.error(
        f"{endpoint} accepts connections but does not answer as etcd",
        where=str(endpoint),
        why=said or "no answer",
        next_step="check that the port is etcd's client port (2379), not the peer or metrics port",
    )


def _diagnose_tls(
    endpoint: Endpoint, credentials: Credentials, said: str, timeout_seconds: float
) -> errors.BackstayError:
    try:
        _handshake(endpoint, credentials, timeout_seconds)
    except ssl.SSLCertVerificationError as problem:
        return _untrusted(endpoint, credentials, problem)
    except ssl.SSLError as problem:
        if _speaks_plain_text(endpoint, timeout_seconds):
            return _plain_text(endpoint, "the port answered plain HTTP/2")
        return _refused(endpoint, credentials, problem)
    except TimeoutError:
        why = f"no answer to the TLS handshake within {timeout_seconds:g} s"
        return errors.ENDPOINT_UNREACHABLE.error(f"no TLS with {endpoint}", where=str(endpoint), why=why)
    except (ConnectionResetError, BrokenPipeError, EOFError) as problem:
        if _speaks_plain_text(endpoint, timeout_seconds):
            return _plain_text(endpoint, "the port answered plain HTTP/2")
        if not credentials.cert:
            return _client_certificate_missing(endpoint, _reason(problem) if isinstance(problem, OSError) else "closed")
        return _tls_failed(endpoint, f"the server closed the connection during the handshake ({said})")
    except OSError as problem:
        return _tls_failed(endpoint, _reason(problem))
    return errors.ENDPOINT_UNREACHABLE.error(
        f"{endpoint} accepts TLS but gRPC could not use the connection", where=str(endpoint), why=said or "no answer",
        next_step="check that the port is etcd's client port (2379), not the peer or metrics port; else try again",
    )  # fmt: skip


def _handshake(endpoint: Endpoint, credentials: Credentials, timeout_seconds: float) -> None:
    """Handshake and first exchange. In TLS 1.3 the server refuses a client certificate only after the handshake."""
    context = certificates.handshake_context(credentials, verify=not credentials.insecure_skip_tls_verify)
    name = credentials.server_name or endpoint.host
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(certificates.connect(endpoint, timeout_seconds))
        secure = stack.enter_context(context.wrap_socket(plain, server_hostname=name))
        secure.sendall(_PREFACE)
        try:
            if not secure.recv(9):
                raise EOFError
        except TimeoutError:
            return  # a server that waits is content with the handshake


def _speaks_tls(endpoint: Endpoint, timeout_seconds: float) -> bool:
    context = certificates.handshake_context(Credentials(), verify=False)
    try:
        with (
            certificates.connect(endpoint, timeout_seconds) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host),
        ):
            return True
    except ssl.SSLError as problem:
        # An alert of the other side is TLS too (it may want a certificate in TLS 1.2); noise is not.
        return "alert" in str(problem).lower() and "protocol version" not in str(problem).lower()
    except OSError:
        return False


def _speaks_plain_text(endpoint: Endpoint, timeout_seconds: float) -> bool:
    """Whether the port answers HTTP/2 without TLS. etcd without TLS closes on a handshake without a word."""
    try:
        with certificates.connect(endpoint, timeout_seconds) as plain:
            plain.sendall(_PREFACE)
            answer = plain.recv(9)
    except OSError:
        return False
    return len(answer) == 9 and answer[3] == _SETTINGS


def _plain_text(endpoint: Endpoint, why: str) -> errors.BackstayError:
    return errors.ENDPOINT_TLS.error(
        f"{endpoint} does not speak TLS", where=str(endpoint), why=why,
        next_step=f"write http:// if etcd really serves plain text there: `--endpoints http://{endpoint.address}`",
    )  # fmt: skip


def _untrusted(
    endpoint: Endpoint, credentials: Credentials, problem: ssl.SSLCertVerificationError
) -> errors.BackstayError:
    reason = problem.verify_message or str(problem)
    lowered = reason.lower()
    if "expired" in lowered or "not yet valid" in lowered:
        what = f"the certificate of {endpoint} is not valid now"
        step = "renew etcd's server certificate, and compare both machines' clocks"
    elif "mismatch" in lowered or "not valid for" in lowered:
        what = f"the certificate of {endpoint} is for another name"
        step = "use a name or address that the certificate holds (`openssl x509 -noout -ext subjectAltName`)"
    elif credentials.cacert:
        what = f"the certificate of {endpoint} is not signed by the CA in `{credentials.cacert}`"
        step = (
            "give the CA that signed etcd's server certificate with --cacert (kubeadm: /etc/kubernetes/pki/etcd/ca.crt)"
        )
    else:
        what = f"the certificate of {endpoint} is not signed by a CA of this machine"
        step = (
            "give the CA that signed etcd's server certificate with --cacert (kubeadm: /etc/kubernetes/pki/etcd/ca.crt)"
        )
    return errors.ENDPOINT_TLS.error(what, where=str(endpoint), why=reason, next_step=step)


def _refused(endpoint: Endpoint, credentials: Credentials, problem: ssl.SSLError) -> errors.BackstayError:
    reason = f"{problem.reason or problem}".replace("_", " ").lower()
    if "wrong version number" in reason or "http request" in reason or "record layer failure" in reason:
        return _plain_text(endpoint, f"the port answered plain text ({reason})")
    if any(alert in reason for alert in _CLIENT_CERTIFICATE_ALERTS):
        if not credentials.cert:
            return _client_certificate_missing(endpoint, reason)
        return errors.ENDPOINT_TLS.error(
            f"{endpoint} refused our certificate `{credentials.cert}`", where=str(endpoint), why=reason,
            next_step="give a certificate that etcd's client CA (--trusted-ca-file) signed for client use",
        )  # fmt: skip
    if ("eof" in reason) and not credentials.cert:
        return _client_certificate_missing(endpoint, reason)
    return _tls_failed(endpoint, reason)


def _client_certificate_missing(endpoint: Endpoint, reason: str) -> errors.BackstayError:
    return errors.ENDPOINT_TLS.error(
        f"{endpoint} wants a client certificate and none was given", where=str(endpoint), why=reason,
        next_step="give --cert and --key (kubeadm: /etc/kubernetes/pki/etcd/healthcheck-client.crt and .key)",
    )  # fmt: skip


def _tls_failed(endpoint: Endpoint, reason: str) -> errors.BackstayError:
    return errors.ENDPOINT_TLS.error(f"the TLS handshake with {endpoint} failed", where=str(endpoint), why=reason)


def _reason(problem: OSError) -> str:
    if isinstance(problem, socket.gaierror):
        return f"the name cannot be resolved ({problem.strerror})"
    if isinstance(problem, TimeoutError):
        return "no answer to the connection attempt (a firewall, or a machine that is down)"
    return problem.strerror or str(problem) or type(problem).__name__
