"""Files mapped for reading, and what can keep one from being read.

Memory stays at the pages that are looked at, and those are the kernel's: file-backed, clean, shared.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

from backstay import errors


class MappedFile:
    """A file mapped for reading; where asked for, nobody who takes etcd's locks can open it for writing meanwhile."""

    def __init__(self, path: Path, *, refuse_in_use: bool) -> None:
        self.path = path
        self._descriptor = _open_for_reading(path)
        try:
            if refuse_in_use:
                refuse_locked(self._descriptor, path)
            self.size = os.fstat(self._descriptor).st_size
            # Nothing can be mapped of an empty file.
            self._mapping = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) if self.size else None
            self.buffer: bytes | mmap.mmap = b"" if self._mapping is None else self._mapping
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def descriptor(self) -> int:
        """Of the open file."""
        return self._descriptor

    def release(self) -> None:
        """Hand the mapped pages back to the kernel; they are read again when they are needed."""
        if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap the file and give up its lock."""
        if self._mapping is not None:
            self._mapping.close()
        os.close(self._descriptor)


def refuse_locked(descriptor: int, path: Path) -> None:
    """Take a shared lock that ends with `descriptor`. Raises `DIRECTORY_IN_USE` if somebody holds an exclusive one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            raise errors.DIRECTORY_IN_USE.error(
                f"`{path}` is in use", where=str(path), why="a running etcd holds its lock"
            ) from problem
        # A file system without locks (some network and user-space ones): nothing there can be held either.


def _open_for_reading(path: Path) -> int:
    # Not blocking: somebody may name a pipe, and opening one would wait for its writer.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as problem:
        raise source_error(problem, path) from problem
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise errors.SOURCE_UNKNOWN.error(f"`{path}` is {kind}", where=str(path))


def source_error(problem: OSError, path: Path) -> errors.BackstayError:
    """The declared error for an `OSError` met while opening or reading `path`."""
    why = problem.strerror or str(problem)
    where = str(problem.filename or path)
    if problem.errno in (errno.ENOENT, errno.ENOTDIR):
        return errors.SOURCE_NOT_FOUND.error(f"`{path}` does not exist", where=where)
    if problem.errno in (errno.EACCES, errno.EPERM):
        return errors.SOURCE_UNREADABLE.error(f"cannot read `{path}`", where=where, why=why)
    return errors.INPUT_OUTPUT.error(f"cannot read `{path}`", where=where, why=why)
