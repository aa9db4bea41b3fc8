"""What a failed call means: from gRPC's code and etcd's text to a declared error.

Called by everything that waits for gRPC. etcd's clients match on its texts, which are stable over all releases, and only
then on the code, which is not (several errors travel as Unknown). etcd's exact text is always kept as `why`.
"""

from __future__ import annotations

from typing import Protocol, cast

import grpc

from backstay import errors
from backstay.etcd.connection import Endpoint

TOKEN_REFUSALS = (
    "invalid auth token",
    "revision of auth store is old",
    "user name is empty",
    "auth: revision in header is old",
)
"""Texts after which a new token may help, as in etcd's own client."""

_KIND_BY_TEXT: tuple[tuple[str, errors.ErrorKind], ...] = (
    ("required revision has been compacted", errors.REVISION_COMPACTED),
    ("required revision is a future revision", errors.REVISION_FUTURE),
    ("permission denied", errors.PERMISSION_DENIED),
    ("authentication failed", errors.AUTHENTICATION_FAILED),
    *((text, errors.AUTHENTICATION_FAILED) for text in TOKEN_REFUSALS),
    ("etcdserver: request timed out", errors.DEADLINE_EXCEEDED),
    ("context deadline exceeded", errors.DEADLINE_EXCEEDED),
)

_TLS_SIGNS = ("handshake", "certificate", "wrong_version_number", "wrong version number", "ssl", "tls")


class Failure(Protocol):
    """What both of gRPC's error classes offer."""

    def code(self) -> grpc.StatusCode: ...

    def details(self) -> str | None: ...


def code_of(problem: grpc.RpcError) -> grpc.StatusCode:
    """The status code of a failed call."""
    return cast(Failure, problem).code()


def text_of(problem: grpc.RpcError) -> str:
    """The message of a failed call: etcd's text, or gRPC's own."""
    return cast(Failure, problem).details() or ""


def is_from_etcd(text: str) -> bool:
    """Whether the message is etcd's own, as opposed to gRPC's about the connection."""
    return text.startswith(("etcdserver:", "auth:", "raft:", "mvcc:", "context deadline exceeded"))


def is_connection_failure(problem: grpc.RpcError) -> bool:
    """Whether the connection failed, rather than etcd answering with an error."""
    return code_of(problem) is grpc.StatusCode.UNAVAILABLE and not is_from_etcd(text_of(problem))


def wants_new_token(problem: grpc.RpcError) -> bool:
    """Whether etcd refused the token in a way that a new one may mend."""
    text = text_of(problem)
    return any(refusal in text for refusal in TOKEN_REFUSALS)


def translate(problem: grpc.RpcError, endpoint: Endpoint, *, doing: str = "the request") -> errors.BackstayError:
    """The declared error for `problem`; `doing` names the call (`KV/Range`) in the message."""
    return translate_text(code_of(problem), text_of(problem), endpoint, doing=doing)


def translate_text(
    code: grpc.StatusCode, text: str, endpoint: Endpoint, *, doing: str = "the request"
) -> errors.BackstayError:
    """As `translate`, from code and text alone (watch cancellations carry only a text)."""
    where = str(endpoint)
    for fragment, kind in _KIND_BY_TEXT:
        if fragment in text:
            return kind.error(_what(kind, doing), where=where, why=text, next_step=_step(text))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DEADLINE_EXCEEDED.error(f"no answer to {doing} in time", where=where, why=text)
    if code is grpc.StatusCode.UNAVAILABLE:
        if is_from_etcd(text):
            return errors.CLUSTER_UNAVAILABLE.error(f"etcd cannot serve {doing} now", where=where, why=text)
        lowered = text.lower()
        if endpoint.is_tls and any(sign in lowered for sign in _TLS_SIGNS):
            return errors.ENDPOINT_TLS.error(f"the TLS connection to {endpoint} failed", where=where, why=text)
        return errors.ENDPOINT_UNREACHABLE.error(f"no connection to {endpoint}", where=where, why=text)
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return errors.PERMISSION_DENIED.error(_what(errors.PERMISSION_DENIED, doing), where=where, why=text)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return errors.AUTHENTICATION_FAILED.error(_what(errors.AUTHENTICATION_FAILED, doing), where=where, why=text)
    return errors.REQUEST_REFUSED.error(
        f"etcd refused {doing}", where=where, why=text or code.name, next_step=_step(text)
    )


def _what(kind: errors.ErrorKind, doing: str) -> str:
    return {
        errors.REVISION_COMPACTED.code: f"{doing} needs a revision that is compacted",
        errors.REVISION_FUTURE.code: f"{doing} needs a revision that does not exist yet",
        errors.PERMISSION_DENIED.code: f"etcd's access control refused {doing}",
        errors.AUTHENTICATION_FAILED.code: f"etcd did not accept who we are in {doing}",
        errors.DEADLINE_EXCEEDED.code: f"no answer to {doing} in time",
    }[kind.code]


def _step(text: str) -> str:
    """A next step that fits the text better than the catalogue's, or empty."""
    if "user name is empty" in text:
        return "this etcd has authentication switched on: give --user and --password"
    if "user name not found" in text:
        return (
            "etcd has no user of this name; without --user the name is the common name of the client certificate: "
            "give --user and --password"
        )
    if text.startswith("unknown method"):
        return "this etcd is older than the call: do without it, or ask a member of a newer release"
    if "database space exceeded" in text:
        return "compact and defragment, then `etcdctl alarm disarm`; raise --quota-backend-bytes if the data is wanted"
    if "corrupt cluster" in text:
        return "a CORRUPT alarm is raised: compare the members with `hashkv` before anything else"
    return ""
