"""A blob store in a directory of this machine (or a mounted file system): one file per blob, its name as its path.

A blob is written under a hidden name, `.part-` and a random token, in its own directory, synced, and then given its
name with a hard link, which refuses a name that is taken; the directory is synced last. What a killed writer left under
a hidden name is removed by the next `put` into that directory: the writer holds a lock on it while it lives.

A blob that is locked has a hidden file beside it, `.until-` and its name, with the date: it keeps backstay, and only
backstay, from deleting it before. Who has a shell on this machine is kept from nothing by it (docs/decisions/0051).

The directory itself is never created: a backup disk that is not mounted must not be replaced by a directory on the
system's own disk. Symbolic links inside are neither followed nor listed. All durable steps go through `durable.Disk`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backstay import errors
from backstay.blobs.contract import (
    CHUNK_BYTES,
    Answer,
    Blob,
    Chunks,
    Content,
    Features,
    check_name,
    check_range,
    exists,
    is_name,
    locked,
    not_found,
    pieces,
    sorted_by_name,
)
from backstay.durable import Disk, LocalDisk

PART = ".part-"
UNTIL = ".until-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR)


class LocalStore:
    """Objects as files below `root`, readable by their owner only."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self._root = root
        self._disk = disk or LocalDisk()
        self._swept: set[Path] = set()
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        return str(self._root)

    def features(self) -> Features:
        yes = Answer.YES
        return Features(
            create_refuses_existing=yes,
            synced_on_return=yes,
            reads_ranges=yes,
            lists_at_once=yes,
            deletes=Answer.UNKNOWN,
            locks=yes,
        )

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        final = self._path(name)
        with self._translated(name):
            if create_only and os.path.lexists(final):
                raise exists(self, name)
            self._make_parents(final.parent)
            if not final.parent.is_dir():
                raise exists(self, name, "a part of the name is a blob itself")
            self._sweep(final.parent)
            temporary, descriptor = self._begin(final.parent)
        try:
            size = 0
            try:
                for piece in pieces(content):
                    with self._translated(name):
                        self._disk.write(descriptor, [piece])
                    size += len(piece)
                with self._translated(name):
                    self._disk.sync(descriptor)
                    self._publish(temporary, final, create_only=create_only)
            finally:
                os.close(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        with self._translated(name):
            self._disk.sync_directory(final.parent)
        return size

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        check_range(offset, length)
        with self._translated(name), open(self._open(name), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            end = size if length is None else min(size, offset + length)
            while offset < end:
                chunk = os.pread(file.fileno(), min(CHUNK_BYTES, end - offset), offset)
                if not chunk:
                    why = f"the file ends at {offset}, it was {size} bytes long"
                    raise errors.STORAGE_BROKEN_OFF.error(f"cannot read `{name}`", where=self.location, why=why)
                offset += len(chunk)
                yield chunk

    def stat(self, name: str) -> Blob:
        with self._translated(name):
            status = os.lstat(self._path(name))
        if not stat.S_ISREG(status.st_mode):
            raise not_found(self, name)
        return _blob(name, status)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        with self._translated(""):
            self._require_root()
            return sorted_by_name(self._walk(self._root, "", prefix))

    def delete(self, name: str) -> None:
        path = self._path(name)
        with self._translated(name):
            self._require_root()
            until = self._lock_of(path)
            if until is not None and datetime.now(UTC) < until and path.is_file():
                raise locked(self, name, until)
            try:
                path.unlink()
                self._sidecar(path).unlink(missing_ok=True)
            except OSError as problem:
                if problem.errno not in _NOTHING_THERE and not path.is_dir():
                    raise
                return
            self._disk.sync_directory(path.parent)

    def lock(self, name: str, until: datetime) -> None:
        path = self._path(name)
        self.stat(name)
        with self._translated(name):
            before = self._lock_of(path)
            if before is not None and before >= until:
                return
            temporary, descriptor = self._begin(path.parent)
            try:
                self._disk.write(descriptor, [f"{until.astimezone(UTC).isoformat()}\n".encode()])
                self._disk.sync(descriptor)
                os.replace(temporary, self._sidecar(path))
            finally:
                os.close(descriptor)
            self._disk.sync_directory(path.parent)

    def locked_until(self, name: str) -> datetime | None:
        self.stat(name)
        with self._translated(name):
            return self._lock_of(self._path(name))

    def _lock_of(self, path: Path) -> datetime | None:
        """The date beside a file. What cannot be understood locks for ever."""
        try:
            return datetime.fromisoformat(self._sidecar(path).read_text(encoding="ascii").strip())
        except ValueError:
            return datetime.max.replace(tzinfo=UTC)
        except OSError as problem:
            if problem.errno not in _NOTHING_THERE:
                raise
            return None

    def _sidecar(self, path: Path) -> Path:
        return path.with_name(f"{UNTIL}{path.name}")

    def close(self) -> None:
        """Nothing is held between calls."""

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise errors.STORAGE_ABSENT.error(f"there is no directory `{self._root}`", where=self.location)

    def _make_parents(self, directory: Path) -> None:
        self._require_root()
        if directory == self._root or directory.is_dir():
            return
        self._make_parents(directory.parent)
        with contextlib.suppress(FileExistsError):  # another writer was faster; a file there fails at the next step
            self._disk.make_directory(directory, 0o700)
        self._disk.sync_directory(directory.parent)

    def _begin(self, directory: Path) -> tuple[Path, int]:
        while True:
            temporary = directory / f"{PART}{secrets.token_hex(8)}"
            descriptor = self._disk.create(temporary, 0o600)
            # Where the file system has no locks nobody can take this one either, so nobody sweeps the file away.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return temporary, descriptor
            os.close(descriptor)  # somebody swept it away before it was locked

    def _publish(self, temporary: Path, final: Path, *, create_only: bool) -> None:
        if create_only:
            self._disk.publish(temporary, final)
        else:
            os.replace(temporary, final)

    def _sweep(self, directory: Path) -> None:
        """Once per directory: remove what dead writers left. A living writer holds the lock of its file."""
        with self._lock:
            if directory in self._swept:
                return
            self._swept.add(directory)
        for leftover in directory.glob(f"{PART}*"):
            with contextlib.suppress(OSError):
                descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    leftover.unlink()
                finally:
                    os.close(descriptor)

    def _open(self, name: str) -> int:
        # O_NONBLOCK: a FIFO under the name must not hang the reader.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._path(name), flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise not_found(self, name)
        return descriptor

    def _walk(self, directory: Path, above: str, prefix: str) -> Iterator[Blob]:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = above + entry.name
                if not is_name(name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below = f"{name}/"
                    if below.startswith(prefix) or prefix.startswith(below):
                        yield from self._walk(directory / entry.name, below, prefix)
                elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):  # deleted since the directory was read
                        yield _blob(name, entry.stat(follow_symlinks=False))

    @contextlib.contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise self._error(problem, name) from problem

    def _error(self, problem: OSError, name: str) -> errors.BackstayError:
        why, where = problem.strerror or str(problem), self.location
        what = f"cannot read or write `{name}`" if name else "cannot list the directory"
        if problem.errno in _FULL:
            return errors.STORAGE_FULL.error(what, where=where, why=why)
        if problem.errno in _DENIED:
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if problem.errno in (errno.EEXIST, errno.EISDIR):
            return exists(self, name)
        if problem.errno in (*_NOTHING_THERE, errno.ELOOP):
            if not self._root.is_dir():
                return errors.STORAGE_ABSENT.error(f"there is no directory `{self._root}`", where=where)
            return not_found(self, name)
        return errors.STORAGE_FAILED.error(what, where=where, why=why)


def _blob(name: str, status: os.stat_result) -> Blob:
    return Blob(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
