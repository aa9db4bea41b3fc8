"""Locks of S3 against servers that do not know them: what else is done there goes on, and nothing is put that could be content."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from backstay import errors
from backstay.blobs.s3_locks import LockOptions, ObjectLocks
from backstay.clock import SystemClock
from backstay.errors import BackstayError
from backstay.https.signature_v4 import Credentials
from tests.etcd_process import free_ports

ENABLED = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
TOMORROW = datetime.now(UTC) + timedelta(days=1)


class Server:
    """Answers every question of one kind alike, and remembers what it was asked."""

    def __init__(self, bucket: tuple[int, bytes], retention: tuple[int, bytes]) -> None:
        self.asked: list[str] = []
        self._answers = {"object-lock=": bucket, "retention=": retention}

    @contextmanager
    def locks(self) -> Iterator[ObjectLocks]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = self.path.partition("?")[2]
                server.asked.append(f"{self.command} {query}")
                status, body = server._answers[query]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing on stderr."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
            threading.Thread(target=listening.serve_forever, daemon=True).start()
            try:
                yield locks_at(f"http://127.0.0.1:{listening.server_port}")
            finally:
                listening.shutdown()


def locks_at(endpoint: str) -> ObjectLocks:
    options = LockOptions("bucket", endpoint, "us-east-1", path_style=True, credentials=Credentials("key", "secret"))
    return ObjectLocks(options, SystemClock())


def code(name: str) -> bytes:
    return f"<Error><Code>{name}</Code><Message>no</Message></Error>".encode()


@pytest.mark.parametrize(
    "bucket",
    [
        (404, code("ObjectLockConfigurationNotFoundError")), (501, code("NotImplemented")), (400, b""),
        (500, code("InternalError")), (200, b"<ListBucketResult></ListBucketResult>"), (204, b""), (502, b"<html>a proxy</html>"),
    ],
)  # fmt: skip
def test_whatever_a_server_answers_that_knows_no_locks_it_is_one_and_is_asked_once(bucket: tuple[int, bytes]) -> None:
    server = Server(bucket, (200, b"the content of the object"))
    with server.locks() as locks:
        for _ in range(2):
            with pytest.raises(BackstayError) as raised:
                locks.lock("name", TOMORROW)
            assert raised.value.kind is errors.LOCK_UNSUPPORTED
        assert locks.refusal() is not None
    assert server.asked == ["GET object-lock="]


def test_who_may_not_ask_is_told_so() -> None:
    with Server((403, code("AccessDenied")), (403, code("AccessDenied"))).locks() as locks:
        with pytest.raises(BackstayError) as raised:
            locks.lock("name", TOMORROW)
        assert raised.value.kind is errors.STORAGE_DENIED


def test_a_busy_server_is_asked_again_and_one_that_is_not_reached_is_not() -> None:
    server = Server((503, code("SlowDown")), (200, b""))
    with server.locks() as locks:
        for _ in range(2):
            with pytest.raises(BackstayError) as raised:
                locks.refusal()
            assert raised.value.kind is errors.STORAGE_BUSY
    assert len(server.asked) == 2
    (port,) = free_ports(1)
    refusal = locks_at(f"http://127.0.0.1:{port}").refusal()
    assert refusal is not None
    assert refusal.kind is errors.LOCK_UNSUPPORTED


def test_nothing_is_put_where_the_answer_for_one_object_speaks_of_no_lock() -> None:
    server = Server((200, ENABLED), (200, b"the content of the object"))
    with server.locks() as locks, pytest.raises(BackstayError) as raised:
        locks.lock("name", TOMORROW)
    assert raised.value.kind is errors.LOCK_UNSUPPORTED
    assert not [each for each in server.asked if each.startswith("PUT")]
