"""The port of every blob store: what a driver promises, method by method, and the values that pass through it.

A blob store keeps objects by name: backups, and later the files of a repository. Drivers (`local`, `memory`, `s3`,
`azure`, `gcs`, `sftp`) and wrappers (`retrying`, `limited`, `read_only`, `metered`) all have this one shape, so behaviour is
stacked, not configured. `backstay.testing.check_blob_store` checks a driver against these words; `probe` asks a real store.

What holds for every method: it may be called from several threads at once; names are checked with `check_name` before
anything else; failures are the declared errors `STORAGE_*` and `BLOB_*` of `backstay.errors`, whose `retryable` says
whether the same call may succeed later; no driver retries a call that has an effect, that is the wrapper's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from backstay import errors

CHUNK_BYTES = 1 << 20
"""About how much a stream hands over at a time."""

LONGEST_NAME = 512
LONGEST_PART = 200
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@,-]*")

Bytes: TypeAlias = bytes | bytearray | memoryview
Content: TypeAlias = Bytes | Iterator[bytes] | Callable[[], Iterator[bytes]]
"""What is put: bytes, a stream that can be read once, or a function that gives the stream anew at every call.

Only the first and the last can be sent again after a failure. An exception of the stream passes through `put` as it is.
"""

Chunks: TypeAlias = Generator[bytes, None, None]


class Blob(NamedTuple):
    """One object: its name, its size in bytes, and when the store says it was written (UTC, by the store's clock)."""

    name: str
    size: int
    modified: datetime


class Answer(Enum):
    """What is known about a feature."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Features:
    """Answers about one store. A driver answers what it knows; `probe` replaces answers by what it measured."""

    create_refuses_existing: Answer = Answer.UNKNOWN
    """Does `put(create_only=True)` really refuse a name that is taken, also when two writers race?"""
    create_limit_bytes: int | None = None
    """The largest content that `put(create_only=True)` takes; None without a limit."""
    synced_on_return: Answer = Answer.UNKNOWN
    """Does the content survive a power failure of the store right after `put` has returned?"""
    reads_ranges: Answer = Answer.UNKNOWN
    """Does `get` with an offset transfer that part, and the right one?"""
    lists_at_once: Answer = Answer.UNKNOWN
    """Does `list` know a new name, and forget a deleted one, as soon as the call has returned?"""
    deletes: Answer = Answer.UNKNOWN
    """May these credentials delete? Somebody who keeps backups out of an attacker's reach wants NO."""
    locks: Answer = Answer.UNKNOWN
    """Does `lock` keep an object from being deleted?"""
    reads_at_once: int = 1
    """How many small reads at once are faster than one after the other: more than 1 where each goes a long way."""
    clock_offset_seconds: float | None = None
    """The store's clock minus ours; None where nobody has asked."""


class BlobStore(Protocol):
    """Objects by name."""

    @property
    def location(self) -> str:
        """Where it is, for messages; never with secrets."""
        ...

    def features(self) -> Features:
        """What the driver knows about this store without asking it."""
        ...

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        """Store `content` under `name` and return its size in bytes.

        Atomic: readers and listings see the whole content or nothing (of it), whatever fails when. Durable before it
        returns, as far as `Features.synced_on_return` goes. With `create_only` a name that is taken raises
        `BLOB_EXISTS` and stays as it was, where the store has the means (`Features.create_refuses_existing`), and
        more than `Features.create_limit_bytes` raises `BLOB_TOO_LARGE`; without, the old content is replaced.
        Idempotent without `create_only`. After a failure that is retryable the name may hold the new content.
        """
        ...

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        """The content from `offset` on, at most `length` bytes, as a stream.

        Nothing happens before the first chunk is asked for: errors come from there. What lies behind the end is not
        there: the stream is shorter, or empty. A stream that ends without an error is complete. Closing or
        exhausting it releases what it holds. Raises `BLOB_NOT_FOUND`.
        """
        ...

    def stat(self, name: str) -> Blob:
        """What is under `name`. Raises `BLOB_NOT_FOUND`."""
        ...

    def list(self, prefix: str = "") -> Sequence[Blob]:
        """Every blob whose name begins with `prefix`, which may end inside a part; sorted by name.

        Complete or an error, never a part. What this port could not have written (odd names) is not listed.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove `name`; nothing happens when it is not there. Idempotent. Raises `BLOB_LOCKED` before the date of its lock."""
        ...

    def lock(self, name: str, until: datetime) -> None:
        """Let nobody delete `name` before `until`. A lock is only ever made longer: an earlier date changes nothing.

        Raises `LOCK_UNSUPPORTED` where the store or this driver cannot (`Features.locks`), and `BLOB_NOT_FOUND`.
        """
        ...

    def locked_until(self, name: str) -> datetime | None:
        """The date of the lock of `name`, whether it is over or not; None without one. Raises `LOCK_UNSUPPORTED`."""
        ...

    def close(self) -> None:
        """Release connections and files. Idempotent; the store is not used afterwards."""
        ...


def check_name(name: str) -> str:
    """Return `name` if every store can hold it, and no store misunderstands it; raises `BLOB_NAME_INVALID`."""
    if not 0 < len(name) <= LONGEST_NAME or not all(_valid_part(part) for part in name.split("/")):
        raise errors.BLOB_NAME_INVALID.error(f"`{name[:LONGEST_NAME]}` cannot be the name of a blob")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` accepts `name`: what listings leave out."""
    return 0 < len(name) <= LONGEST_NAME and all(map(_valid_part, name.split("/")))


def _valid_part(part: str) -> bool:
    return len(part) <= LONGEST_PART and _PART.fullmatch(part) is not None


def check_range(offset: int, length: int | None) -> None:
    """Raise ValueError for a range that means nothing; that is a mistake of the caller, not of the store."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"a range begins at or behind 0 and is not negative: offset {offset}, length {length}")


def pieces(content: Content) -> Iterator[Bytes]:
    """The content piece by piece; consumes a stream that can be read once."""
    if isinstance(content, bytes | bytearray | memoryview):
        return iter((content,))
    return iter(content() if callable(content) else content)


def can_repeat(content: Content) -> bool:
    """Whether `pieces` may be called on `content` again."""
    return isinstance(content, bytes | bytearray | memoryview) or callable(content)


def observed(content: Content, observe: Callable[[int], None]) -> Content:
    """`content`, with `observe` called with the size of each piece before it is handed on."""

    def watched() -> Iterator[bytes]:
        for piece in pieces(content):
            view = memoryview(piece)
            for start in range(0, len(view), CHUNK_BYTES):
                part = bytes(view[start : start + CHUNK_BYTES])
                observe(len(part))
                yield part

    return watched if can_repeat(content) else watched()


def file_content(path: Path) -> Callable[[], Iterator[bytes]]:
    """The bytes of a file as content that can be sent again."""

    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    return read


def read_all(store: BlobStore, name: str, *, limit_bytes: int) -> bytes:
    """The whole content of a small blob; more than `limit_bytes` raises `BLOB_TOO_LARGE` without being read."""
    content = b"".join(store.get(name, length=limit_bytes + 1))
    if len(content) > limit_bytes:
        raise errors.BLOB_TOO_LARGE.error(
            f"`{name}` is larger than {limit_bytes} bytes", where=store.location, next_step="check what lies there"
        )
    return content


def sorted_by_name(blobs: Iterable[Blob]) -> Sequence[Blob]:
    """Blobs in the order that `list` promises."""
    return sorted(blobs, key=lambda blob: blob.name)


def not_found(store: BlobStore, name: str) -> errors.BackstayError:
    """The one error for a name that is not there."""
    return errors.BLOB_NOT_FOUND.error(f"there is no `{name}`", where=store.location)


def unlockable(store: BlobStore, why: str = "") -> errors.BackstayError:
    """The one error of stores that keep no locks."""
    return errors.LOCK_UNSUPPORTED.error("objects cannot be locked here", where=store.location, why=why)


def locked(store: BlobStore, name: str, until: datetime) -> errors.BackstayError:
    """The one error for an object that is under lock."""
    return errors.BLOB_LOCKED.error(f"`{name}` is locked until {until:%Y-%m-%d %H:%M}", where=store.location)


def exists(store: BlobStore, name: str, why: str = "") -> errors.BackstayError:
    """The one error for a name that is taken."""
    return errors.BLOB_EXISTS.error(f"`{name}` exists", where=store.location, why=why)
