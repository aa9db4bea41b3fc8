"""What drivers of object stores over obstore have in common: requests, parts, listings, and errors in our words.

Up to `SINGLE_REQUEST_BYTES` a blob is one PUT request: atomic, durable, and conditional (`mode="create"`, which is
`If-None-Match: *` or `x-goog-if-generation-match: 0`). Larger content cannot be conditional: with `create_only` it is
refused, without it goes up in parts while it is read, `PART_BYTES` times `PARTS_AT_ONCE` in memory. An upload in parts
that breaks off never gets its name; `s3`, `azure` and `gcs` say what becomes of its parts.

obstore reads variables of the process by itself; a driver passes everything it was told explicitly, which wins. Only a
single part of an upload in parts is tried again here; all else is for `RetryingStore`. Nothing here knows one service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

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
    unlockable,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Bucket: TypeAlias = AzureStore | GCSStore | S3Store

SINGLE_REQUEST_BYTES = 64 << 20
PART_BYTES = 16 << 20  # S3 and Google allow 10,000 parts: 156 GiB; Azure 50,000
PARTS_AT_ONCE = 2
PART_ATTEMPTS = 4
READS_AT_ONCE = 16
"""As many as keep a way of 30 ms busy without troubling a server."""
_CONNECT = timedelta(seconds=10)
_SILENCE = timedelta(minutes=5)  # also the time that one request's body may take
_WHOLE = timedelta(hours=12)
_ROLE_ADDRESSES = ("169.254.", "metadata.google.internal")  # where a machine's own role is asked for


@dataclass(frozen=True, slots=True)
class Service:
    """How one service calls things: the codes of its error answers, by what they mean here."""

    container: str  # its word for what holds the objects
    container_absent: frozenset[str]
    blob_absent: frozenset[str]
    taken: frozenset[str]
    denied: frozenset[str]
    busy: frozenset[str]
    full: frozenset[str]


class ObjectBlobStore:
    """Objects below a prefix of one bucket; a driver gives the bucket and says what its service calls things.

    `patient_bucket` is the same bucket by a client that tries a request again: only parts are sent through it.
    `synced` is `Features.synced_on_return`, which only the service's owner can promise.
    """

    def __init__(
        self,
        service: Service,
        bucket: Bucket,
        patient_bucket: Bucket,
        *,
        name: str,
        prefix: str,
        location: str,
        synced: Answer,
    ) -> None:
        self._service = service
        self._name = name
        self._location = location
        self._synced = synced
        self._above = f"{prefix}/" if prefix else ""
        self._bucket = bucket
        self._patient_bucket = patient_bucket

    @property
    def location(self) -> str:
        return self._location

    def features(self) -> Features:
        return Features(
            create_limit_bytes=SINGLE_REQUEST_BYTES, synced_on_return=self._synced, reads_at_once=READS_AT_ONCE
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
            if _begins_behind_the_end(str(problem)):
                return
            raise self._error(problem, name) from problem
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

    def lock(self, name: str, until: datetime) -> None:
        raise unlockable(self)

    def locked_until(self, name: str) -> datetime | None:
        raise unlockable(self)

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
        code, status, where, service = _code(text), _status(text), self.location, self._service
        what = f"cannot {'write' if writing else 'read'} `{name}`" if name else f"cannot list the {service.container}"
        why = _reason(text)
        if code in service.container_absent:
            return errors.STORAGE_ABSENT.error(f"there is no {service.container} `{self._name}`", where=where)
        if code in service.taken:
            return exists(self, name)
        if code in service.denied or isinstance(problem, PermissionDeniedError | UnauthenticatedError):
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if code in service.full or status == 507:
            return errors.STORAGE_FULL.error(what, where=where, why=why)
        if code in service.busy or status in (408, 429) or status >= 500:
            return errors.STORAGE_BUSY.error(what, where=where, why=why)
        if isinstance(problem, AlreadyExistsError) and writing:
            return exists(self, name, why if code else "")
        if isinstance(problem, FileNotFoundError) and (not code or code in service.blob_absent) and not writing:
            return not_found(self, name)
        if status == 0 and any(address in text for address in _ROLE_ADDRESSES):
            why = "no credentials were given, and this machine has no role"
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if status == 0 and "error sending request" in text:
            return errors.STORAGE_UNREACHABLE.error(what, where=where, why=why)
        if status == 0 and "credential" in text.lower():
            why = "no credentials were given, and this machine has no role"
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if status == 0:
            return errors.STORAGE_BROKEN_OFF.error(what, where=where, why=why)
        return errors.STORAGE_FAILED.error(what, where=where, why=why)


def client_options(*, allow_http: bool, authority: bytes = b"") -> ClientConfig:
    """How every driver's client speaks HTTP; `authority` is the PEM of a private certificate authority."""
    options: Any = {
        "allow_http": allow_http,
        "connect_timeout": _CONNECT,
        "read_timeout": _SILENCE,
        "timeout": _WHOLE,
        "user_agent": "backstay",
    }
    if authority:
        options["root_certificate"] = authority
    chosen: ClientConfig = options
    return chosen


def patience(attempts: int) -> RetryConfig:
    """How often a client tries a request again by itself."""
    return {"max_retries": attempts, "retry_timeout": timedelta(minutes=4)}


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


def _begins_behind_the_end(text: str) -> bool:
    """Whether there is nothing in the range asked for: the server says so, or gives the size to obstore, which does."""
    return _code(text) == "InvalidRange" or "Wanted range starting at" in text


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
