"""A blob store in an S3 bucket, or in what speaks S3 (Ceph, MinIO, versitygw, ...), through obstore.

Up to `SINGLE_REQUEST_BYTES` a blob is one PUT request, which S3 makes atomic, durable and, with `If-None-Match: *`,
conditional. Larger content cannot be conditional: with `create_only` it is refused, without it goes up in parts while it
is read, `PART_BYTES` times `PARTS_AT_ONCE` in memory. An upload in parts that breaks off never gets its name, but its
parts may stay and cost money: a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) removes them.

obstore reads `AWS_*` variables of the process by itself; what `S3Options` says is always passed explicitly and
wins. Only a single part of an upload in parts is tried again here; all else is for `RetryingStore`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Bucket

from backstay import errors
from backstay.blobs.contract import (
    CHUNK_BYTES,
    Answer,
    Blob,
    Bytes,
    Chunks,
    Content,
    Features,
    check_name,
    check_range,
    exists,
    is_name,
    not_found,
    pieces,
    sorted_by_name,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Config

SINGLE_REQUEST_BYTES = 64 << 20
PART_BYTES = 16 << 20  # 10,000 parts are allowed: 156 GiB
PARTS_AT_ONCE = 2
PART_ATTEMPTS = 4
_CONNECT = timedelta(seconds=10)
_SILENCE = timedelta(minutes=5)  # also the time that one request's body may take
_WHOLE = timedelta(hours=12)

_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "ConditionalRequestConflict"}
_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge"}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is and how to speak to it; `repr` shows no secret."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""  # empty: AWS
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)  # empty: the role of the machine or pod
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = True
    allow_http: bool = False
    checksum: str = "SHA256"  # empty: none beyond the signature
    authority: bytes = field(default=b"", repr=False)  # PEM of a private certificate authority


class S3BlobStore:
    """Objects below a prefix of one bucket."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._above = f"{options.prefix}/" if options.prefix else ""
        self._bucket = _bucket(options, retries=0)
        self._patient_bucket = _bucket(options, retries=PART_ATTEMPTS)

    @property
    def location(self) -> str:
        at = f" at {self._options.endpoint}" if self._options.endpoint else ""
        return f"s3://{self._options.bucket}/{self._options.prefix}{at}"

    def features(self) -> Features:
        return Features(
            create_refuses_existing=Answer.UNKNOWN,
            create_limit_bytes=SINGLE_REQUEST_BYTES,
            synced_on_return=Answer.UNKNOWN if self._options.endpoint else Answer.YES,
        )

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        path = self._path(name)
        beginning, rest = _beginning(content)
        if rest is None:
            try:
                obstore.put(
                    self._bucket, path, beginning, mode="create" if create_only else "overwrite", use_multipart=False
                )
            except (BaseError, FileNotFoundError) as problem:
                raise self._error(problem, name, writing=True) from problem
            return len(beginning)
        if create_only:
            why = f"it is larger than {SINGLE_REQUEST_BYTES} bytes"
            raise errors.BLOB_TOO_LARGE.error(f"cannot create `{name}`", where=self.location, why=why)
        return self._put_in_parts(name, path, chain((beginning,), rest))

    def _put_in_parts(self, name: str, path: str, stream: Iterator[Bytes]) -> int:
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for piece in stream:
                view = memoryview(piece)
                for start in range(0, len(view), CHUNK_BYTES):
                    part = bytes(view[start : start + CHUNK_BYTES])
                    size += len(part)
                    yield part

        try:
            obstore.put(
                self._patient_bucket,
                path,
                counted(),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except (BaseError, FileNotFoundError) as problem:
            if isinstance(problem, FileNotFoundError) and problem.errno is not None:
                raise  # of the content, not of the store
            raise self._error(problem, name, writing=True) from problem
        if (found := self.stat(name).size) != size:
            why = f"{size} bytes were sent, {found} are there"
            raise errors.STORAGE_BROKEN_OFF.error(f"cannot write `{name}`", where=self.location, why=why)
        return size

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        check_range(offset, length)
        path = self._path(name)
        if length == 0:
            self.stat(name)
            return
        whole = offset == 0 and length is None
        wanted: Any = {"offset": offset} if length is None else (offset, offset + length)
        try:
            answer = obstore.get(self._bucket, path, options=None if whole else {"range": wanted})
            first, behind = answer.range
            missing = behind - first
            for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                missing -= len(chunk)
                yield chunk
        except (BaseError, FileNotFoundError) as problem:
            error = self._error(problem, name)
            if _code(str(problem)) == "InvalidRange":
                return
            raise error from problem
        if missing:
            why = f"{missing} bytes are missing"
            raise errors.STORAGE_BROKEN_OFF.error(f"cannot read `{name}`", where=self.location, why=why)

    def stat(self, name: str) -> Blob:
        try:
            found = obstore.head(self._bucket, self._path(name))
        except (BaseError, FileNotFoundError) as problem:
            raise self._error(problem, name) from problem
        return self._blob(name, found)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        # obstore asks for whole parts of names only; what begins otherwise is left out here.
        folder = self._above + prefix[: prefix.rfind("/") + 1]
        blobs: list[Blob] = []
        try:
            for page in obstore.list(self._bucket, folder.rstrip("/") or None):
                for found in page:
                    name = found["path"].removeprefix(self._above)
                    if found["path"].startswith(self._above) and name.startswith(prefix) and is_name(name):
                        blobs.append(self._blob(name, found))
        except (BaseError, FileNotFoundError) as problem:
            raise self._error(problem, "") from problem
        return sorted_by_name(blobs)

    def delete(self, name: str) -> None:
        try:
            obstore.delete(self._bucket, self._path(name))
        except (BaseError, FileNotFoundError) as problem:
            error = self._error(problem, name)
            if error.kind is not errors.BLOB_NOT_FOUND:
                raise error from problem

    def close(self) -> None:
        """obstore closes its connections with its objects."""

    def _path(self, name: str) -> str:
        return self._above + check_name(name)

    @staticmethod
    def _blob(name: str, found: ObjectMeta) -> Blob:
        return Blob(name, found["size"], found["last_modified"])

    def _error(self, problem: Exception, name: str, *, writing: bool = False) -> errors.BackstayError:
        """The declared error for what obstore raised. Its text holds requests: only code and message are taken over."""
        text = str(problem)
        code, status, where = _code(text), _status(text), self.location
        what = f"cannot {'write' if writing else 'read'} `{name}`" if name else "cannot list the bucket"
        why = _reason(text)
        if code == "NoSuchBucket":
            return errors.STORAGE_ABSENT.error(f"there is no bucket `{self._options.bucket}`", where=where)
        if code in _DENIED or isinstance(problem, PermissionDeniedError | UnauthenticatedError):
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if code in _FULL or status == 507:
            return errors.STORAGE_FULL.error(what, where=where, why=why)
        if code in _BUSY or status in (408, 429) or status >= 500:
            return errors.STORAGE_BUSY.error(what, where=where, why=why)
        if isinstance(problem, AlreadyExistsError):
            return exists(self, name, "" if code in ("", "PreconditionFailed") else why)
        if isinstance(problem, FileNotFoundError) and code in ("", "NoSuchKey") and not writing:
            return not_found(self, name)
        if status == 0 and "error sending request" in text:
            return errors.STORAGE_UNREACHABLE.error(what, where=where, why=why)
        if status == 0 and ("169.254." in text or "credential" in text.lower()):
            why = "no credentials were given, and this machine has no role"
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if status == 0:
            return errors.STORAGE_BROKEN_OFF.error(what, where=where, why=why)
        return errors.STORAGE_FAILED.error(what, where=where, why=why)


def _bucket(options: S3Options, *, retries: int) -> Bucket:
    config: S3Config = {"region": options.region, "virtual_hosted_style_request": not options.path_style}
    config["disable_bulk_delete"] = True  # one name at a time is what every server understands
    if options.endpoint:
        # The second is what a variable of the process would set otherwise; it wins over the first.
        config["endpoint"] = config["aws_endpoint_url_s3"] = options.endpoint
    if options.access_key:
        config["access_key_id"] = options.access_key
        config["secret_access_key"] = options.secret_key
        if options.session_token:
            config["session_token"] = options.session_token
    if options.checksum:
        config["checksum_algorithm"] = options.checksum
    client: Any = {
        "allow_http": options.allow_http,
        "connect_timeout": _CONNECT,
        "read_timeout": _SILENCE,
        "timeout": _WHOLE,
        "user_agent": "backstay",
    }
    if options.authority:
        client["root_certificate"] = options.authority
    patience: Any = {"max_retries": retries, "retry_timeout": timedelta(minutes=4)}
    return Bucket(options.bucket, config=config, client_options=client, retry_config=patience)


def _beginning(content: Content) -> tuple[Bytes, Iterator[Bytes] | None]:
    """What fits into one request, and the rest when there is more."""
    stream = pieces(content)
    if isinstance(content, bytes | bytearray | memoryview):
        return (content, None) if len(content) <= SINGLE_REQUEST_BYTES else (b"", stream)
    collected = bytearray()
    for piece in stream:
        if len(collected) + len(piece) > SINGLE_REQUEST_BYTES:
            return collected, chain((piece,), stream)
        collected += piece
    return collected, None


def _code(text: str) -> str:
    found = re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text)
    return found[1] if found else ""


def _status(text: str) -> int:
    found = re.search(r"non-2xx status code: (\d{3})", text)
    return int(found[1]) if found else 0


def _reason(text: str) -> str:
    """The server's own words; otherwise the first line of obstore's, which names the request."""
    code = _code(text)
    message = re.search(r"<Message>([^<]{1,200})", text)
    if code:
        return f"{message[1]} ({code})" if message else code
    cause = re.search(r'"((?:tcp connect|dns|tls|invalid peer|operation timed)[^"]{0,100})"', text)
    refused = re.search(r'message: "([^"]{1,100})"', text)
    first = text.split("\n", 1)[0].rpartition(" - ")[2].strip(" :")[:200]
    details = [found[1] for found in (cause, refused) if found]
    return ": ".join([first, *details])
