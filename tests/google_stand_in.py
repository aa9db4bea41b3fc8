"""Stands in for Google Cloud Storage on this machine's loopback: the requests of its XML interface that obstore makes.

No emulator that can be had here takes uploads through that interface (fake-gcs-server 1.56 answers them "invalid
uploadType" and never reads `x-goog-if-generation-match`), so this one follows Google's reference of headers, codes and
answers. What it shows is that the driver keeps its contract over a service that does what the reference says; it
cannot show that Google does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Stored(NamedTuple):
    """One object."""

    content: bytes
    written: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class GoogleStandIn:
    """One bucket behind one token; begins with `with`, ends with it."""

    BUCKET, TOKEN, PAGE = "backups", "not-a-secret-at-all", 10

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()
        stand_in = self

        class Handler(_Handler):
            service = stand_in

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def location(self, prefix: str = "", bucket: str = BUCKET) -> str:
        """The location of a prefix in the bucket."""
        return f"gs://{bucket}/{prefix}?endpoint={self.endpoint}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `open_store` needs to know beside the location."""
        return {"CLOUDSDK_AUTH_ACCESS_TOKEN": self.TOKEN}


class _Handler(BaseHTTPRequestHandler):
    """One request. The lock makes a conditional write one step, as Google's is."""

    service: GoogleStandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    timeout = 0.5  # seconds that an idle connection lives: the server waits for its threads when it ends

    def do_PUT(self) -> None:
        self._serve()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        bucket, _, name = unquote(parts.path[1:]).partition("/")
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if self.headers.get("Authorization") != f"Bearer {self.service.TOKEN}":
            self._refuse(401, "AuthenticationRequired", "Authentication required.")
        elif bucket != self.service.BUCKET:
            self._refuse(404, "NoSuchBucket", "The specified bucket does not exist.")
        elif not name:
            self._list(query)
        elif self.command == "POST":
            self._upload(bucket, name, query)
        else:
            with self.service.lock:
                {"PUT": self._put, "GET": self._get, "HEAD": self._get, "DELETE": self._delete}[self.command](
                    name, query, body
                )

    def _put(self, name: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.service.uploads[query["uploadId"]][int(query["partNumber"])] = body
            self._answer(200, ETag=Stored(body, datetime.now(UTC)).etag)
        elif self.headers.get("x-goog-if-generation-match") == "0" and name in self.service.objects:
            self._refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
        else:
            self._store(name, body)
            self._answer(200, ETag=self.service.objects[name].etag)

    def _upload(self, bucket: str, name: str, query: dict[str, str]) -> None:
        """An upload in parts begins, or is put together."""
        with self.service.lock:
            if "uploads" in query:
                upload = f"upload-{len(self.service.uploads)}"
                self.service.uploads[upload] = {}
                inside = f"<Bucket>{bucket}</Bucket><Key>{escape(name)}</Key><UploadId>{upload}</UploadId>"
                self._answer(200, f"<InitiateMultipartUploadResult>{inside}</InitiateMultipartUploadResult>".encode())
                return
            uploaded = self.service.uploads.pop(query["uploadId"])
            self._store(name, b"".join(uploaded[number] for number in sorted(uploaded)))
            inside = f"<Bucket>{bucket}</Bucket><Key>{escape(name)}</Key><ETag>{self.service.objects[name].etag}</ETag>"
            self._answer(200, f"<CompleteMultipartUploadResult>{inside}</CompleteMultipartUploadResult>".encode())

    def _store(self, name: str, content: bytes) -> None:
        self.service.objects[name] = Stored(content, datetime.now(UTC))

    def _get(self, name: str, query: dict[str, str], body: bytes) -> None:
        if (found := self.service.objects.get(name)) is None:
            self._refuse(404, "NoSuchKey", "The specified key does not exist.")
            return
        size, content, headers = len(found.content), found.content, {}
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last or size), size - 1) + 1
            if begin >= size:
                self._refuse(416, "InvalidRange", "The requested range cannot be satisfied.")
                return
            content, headers = content[begin:end], {"Content-Range": f"bytes {begin}-{end - 1}/{size}"}
        headers |= {"ETag": found.etag, "Last-Modified": format_datetime(found.written, usegmt=True)}
        self._answer(206 if wanted else 200, content, **headers)

    def _delete(self, name: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.service.uploads.pop(query["uploadId"], None)
            self._answer(204)
        elif self.service.objects.pop(name, None) is None:
            self._refuse(404, "NoSuchKey", "The specified key does not exist.")
        else:
            self._answer(204)

    def _list(self, query: dict[str, str]) -> None:
        """A page of the listing; the token of the next is the last name of this one."""
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        with self.service.lock:
            names = sorted(name for name in self.service.objects if name.startswith(prefix) and name > after)
            page = names[: self.service.PAGE]
            entries = "".join(
                f"<Contents><Key>{escape(name)}</Key><Size>{len(self.service.objects[name].content)}</Size>"
                f"<LastModified>{self.service.objects[name].written:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified></Contents>"
                for name in page
            )
        following = (
            f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(names) > len(page) else ""
        )
        self._answer(200, f"<ListBucketResult>{entries}{following}</ListBucketResult>".encode())

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
