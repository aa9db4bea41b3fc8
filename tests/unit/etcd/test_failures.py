"""What a refusal of etcd or of gRPC means: one declared error, with etcd's own words kept."""

from __future__ import annotations

import grpc
import pytest

from backstay import errors
from backstay.errors import ErrorKind
from backstay.etcd.connection import Endpoint
from backstay.etcd.transport.calls import together
from backstay.etcd.transport.failures import translate_text

PLAIN, SECURE = Endpoint.parse("http://a:1"), Endpoint.parse("https://a:1")
CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (CODE.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", errors.REVISION_COMPACTED),
        (CODE.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision", errors.REVISION_FUTURE),
        (CODE.UNKNOWN, "mvcc: required revision has been compacted", errors.REVISION_COMPACTED),
        (CODE.PERMISSION_DENIED, "etcdserver: permission denied", errors.PERMISSION_DENIED),
        (CODE.UNAUTHENTICATED, "etcdserver: invalid auth token", errors.AUTHENTICATION_FAILED),
        (CODE.INVALID_ARGUMENT, "etcdserver: user name is empty", errors.AUTHENTICATION_FAILED),
        (CODE.UNAVAILABLE, "etcdserver: request timed out", errors.DEADLINE_EXCEEDED),
        (CODE.UNAVAILABLE, "etcdserver: no leader", errors.CLUSTER_UNAVAILABLE),
        (CODE.UNAVAILABLE, "Socket closed", errors.ENDPOINT_UNREACHABLE),
        (CODE.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.DEADLINE_EXCEEDED),
        (CODE.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", errors.REQUEST_REFUSED),
        (CODE.DATA_LOSS, "etcdserver: corrupt cluster", errors.REQUEST_REFUSED),
        (CODE.UNIMPLEMENTED, "", errors.REQUEST_REFUSED),
    ],
)
def test_texts_and_codes_become_declared_errors(code: grpc.StatusCode, text: str, kind: ErrorKind) -> None:
    error = translate_text(code, text, PLAIN, doing="KV/Range")
    assert error.kind is kind
    assert error.where == "http://a:1"
    assert error.why == (text or code.name)
    assert "KV/Range" in error.what or kind is errors.ENDPOINT_UNREACHABLE
    assert error.next_step


def test_a_certificate_whose_name_is_no_user_leads_to_the_flags_for_one() -> None:
    error = translate_text(
        CODE.FAILED_PRECONDITION, "etcdserver: user name not found", SECURE, doing="Maintenance/Snapshot"
    )
    assert "--user" in error.next_step


def test_a_handshake_that_failed_is_about_tls_only_where_tls_was_meant() -> None:
    text = "Ssl handshake failed: certificate verify failed"
    assert translate_text(CODE.UNAVAILABLE, text, SECURE).kind is errors.ENDPOINT_TLS
    assert translate_text(CODE.UNAVAILABLE, text, PLAIN).kind is errors.ENDPOINT_UNREACHABLE


def test_several_endpoints_fail_as_one_error() -> None:
    refused = [errors.ENDPOINT_UNREACHABLE.error("no connection", where=f"http://{name}:1") for name in "ab"]
    assert together(refused[:1]) is refused[0]
    alike = together(refused)
    assert alike.kind is errors.ENDPOINT_UNREACHABLE
    assert alike.where == "http://a:1, http://b:1"
    mixed = together([refused[0], errors.ENDPOINT_TLS.error("bad certificate", where="https://c:1")])
    assert mixed.kind is errors.NO_HEALTHY_ENDPOINT
    assert "http://a:1" in mixed.why
    assert "https://c:1" in mixed.why
