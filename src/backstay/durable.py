"""The one way backstay writes to disk: temporary name, fsync, rename, fsync of the directory.

A file or directory appears under its final name complete or not at all, whatever is killed when. `Disk` is the port all
durable steps go through, so that tests can fail or kill the nth of them; `LocalDisk` is the real one. Nothing here
overwrites: a final name that exists is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from backstay import errors

Buffers = Sequence[bytes | bytearray | memoryview]

_WRITEV_LIMIT = 1000  # below IOV_MAX (1024 on Linux and macOS)


class Disk(Protocol):
    """The durable steps. Every method is one step that can fail, or after which the machine can die."""

    def create(self, path: Path, mode: int) -> int:
        """Create `path` for writing and reading back, refusing an existing one; returns a file descriptor."""
        ...

    def write(self, descriptor: int, buffers: Buffers) -> None:
        """Append all of `buffers` to the file."""
        ...

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write `data` at `offset`."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on stable storage."""
        ...

    def make_directory(self, path: Path, mode: int) -> None:
        """Create one directory."""
        ...

    def publish(self, temporary: Path, final: Path) -> None:
        """Give `temporary` its final name, refusing to replace anything but an empty directory."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Return when the names in `path` are on stable storage."""
        ...


class LocalDisk:
    """The machine's own file systems."""

    def create(self, path: Path, mode: int) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        os.fchmod(descriptor, mode)  # the umask must not weaken or widen what was asked for
        return descriptor

    def write(self, descriptor: int, buffers: Buffers) -> None:
        for start in range(0, len(buffers), _WRITEV_LIMIT):
            _write_fully(descriptor, buffers[start : start + _WRITEV_LIMIT])

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def make_directory(self, path: Path, mode: int) -> None:
        path.mkdir(mode=mode)
        path.chmod(mode)

    def publish(self, temporary: Path, final: Path) -> None:
        if temporary.is_dir():
            os.rename(temporary, final)  # POSIX: replaces an empty directory, refuses a full one
            return
        try:
            os.link(temporary, final)  # atomic, and fails if the name exists
        except OSError as problem:
            if problem.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            if os.path.lexists(final):  # a file system without hard links: the check and the rename are two steps
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
            os.rename(temporary, final)
            return
        os.unlink(temporary)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_fully(descriptor: int, buffers: Buffers) -> None:
    pending = list(buffers)
    while pending:
        written = os.writev(descriptor, pending)
        while pending and written >= len(pending[0]):
            written -= len(pending[0])
            pending.pop(0)
        if written:
            pending[0] = memoryview(pending[0])[written:]


class DurableFile:
    """A file being written under a temporary name; `durable_file` publishes or removes it."""

    def __init__(self, disk: Disk, descriptor: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self.size = 0

    def write(self, buffers: Buffers) -> None:
        """Append `buffers`."""
        self._disk.write(self._descriptor, buffers)
        self.size += sum(map(len, buffers))

    def write_at(self, data: bytes, offset: int) -> None:
        """Write `data` at `offset`, which must lie inside what was written or extend it."""
        self._disk.write_at(self._descriptor, data, offset)
        self.size = max(self.size, offset + len(data))

    def sync(self) -> None:
        """Return when everything written so far is on stable storage."""
        self._disk.sync(self._descriptor)

    @property
    def descriptor(self) -> int:
        """For reading back what was written (mmap, pread)."""
        return self._descriptor


@contextlib.contextmanager
def durable_file(disk: Disk, final: Path, *, mode: int = 0o600, suffix: str = ".part") -> Iterator[DurableFile]:
    """Write `final` through `final + suffix`.

    Leaving the block normally publishes the file; leaving it by an exception removes it. Raises `TARGET_EXISTS`,
    `TARGET_FULL`, `TARGET_UNWRITABLE` or `INPUT_OUTPUT` for what the operating system says.
    """
    temporary = final.with_name(final.name + suffix)
    with translated(final):
        if os.path.lexists(final):
            raise errors.TARGET_EXISTS.error(f"`{final}` exists", where=str(final))
        _remove_leftover(temporary)
        descriptor = disk.create(temporary, mode)
        try:
            file = DurableFile(disk, descriptor)
            try:
                yield file
                file.sync()
            finally:
                os.close(descriptor)
            disk.publish(temporary, final)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        disk.sync_directory(final.parent)


def write_durable(disk: Disk, final: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a small file durably."""
    with durable_file(disk, final, mode=mode) as file:
        file.write([data])


@contextlib.contextmanager
def durable_directory(disk: Disk, final: Path, *, mode: int = 0o700, suffix: str = ".part") -> Iterator[Path]:
    """Fill a directory under a temporary name beside `final`; it appears whole or not at all.

    The block gets the temporary path and must sync what it writes into it (`durable_file`, `Disk.sync_directory`).
    """
    temporary = final.with_name(final.name + suffix)
    with translated(final):
        refuse_occupied(final)
        _remove_leftover(temporary)
        disk.make_directory(temporary, mode)
        try:
            yield temporary
            disk.sync_directory(temporary)
            disk.publish(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        disk.sync_directory(final.parent)


def refuse_occupied(target: Path) -> None:
    """Raise `TARGET_EXISTS` unless `target` is absent or an empty directory."""
    if not os.path.lexists(target):
        return
    if not target.is_dir() or target.is_symlink() or any(target.iterdir()):
        raise errors.TARGET_EXISTS.error(f"`{target}` exists and is not an empty directory", where=str(target))


def _remove_leftover(temporary: Path) -> None:
    """Remove what a killed run of ours left under the temporary name; it was never published."""
    if temporary.is_symlink() or temporary.is_file():
        temporary.unlink()
    elif temporary.is_dir():
        shutil.rmtree(temporary)


@contextlib.contextmanager
def translated(target: Path) -> Iterator[None]:
    """Turn what the operating system says about `target` into a declared error."""
    try:
        yield
    except OSError as problem:
        raise target_error(problem, target) from problem


def target_error(problem: OSError, target: Path) -> errors.BackstayError:
    """The declared error for an `OSError` met while writing `target`."""
    why = problem.strerror or str(problem)
    where = str(problem.filename or target)
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.TARGET_FULL.error(f"cannot write `{target}`: no space left", where=where, why=why)
    if problem.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return errors.TARGET_EXISTS.error(f"`{target}` exists", where=where, why=why)
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR):
        return errors.TARGET_UNWRITABLE.error(f"cannot write `{target}`", where=where, why=why)
    return errors.INPUT_OUTPUT.error(f"cannot write `{target}`", where=where, why=why)
