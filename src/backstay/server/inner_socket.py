"""The socket between the front and grpcio: a unix socket that has lost its name, so that nobody else can find it.

grpcio can only listen on a path. The path is in a directory of our own for a moment; what stays is a descriptor of the
socket's inode, and the front connects through that, by `/proc/self/fd`. Nothing is left when the process is killed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from backstay import errors

OWN_DESCRIPTORS = "/proc/self/fd"
_NAME = "inner"


class InnerSocket:
    """One such socket. Linux only."""

    def __init__(self) -> None:
        self._descriptor = -1

    @property
    def path(self) -> str:
        """What to connect to; means nothing to another process."""
        assert self._descriptor >= 0, "nobody listens yet"
        return f"{OWN_DESCRIPTORS}/{self._descriptor}"

    def listen(self, bind: Callable[[str], object]) -> None:
        """Let `bind` listen on the path it is given, and take the path away. Raises `LISTENING_FAILED`."""
        place = ""
        try:
            place = tempfile.mkdtemp(prefix="backstay-")
            directory = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                bind(f"{OWN_DESCRIPTORS}/{directory}/{_NAME}")  # short, however long the directory's own path is
                self._descriptor = os.open(_NAME, os.O_PATH | os.O_CLOEXEC, dir_fd=directory)
                os.unlink(_NAME, dir_fd=directory)
            finally:
                os.close(directory)
        except (OSError, RuntimeError) as problem:
            why = getattr(problem, "strerror", None) or str(problem)
            where = place or tempfile.gettempdir()
            raise errors.LISTENING_FAILED.error("cannot listen on the inner socket", where=where, why=why) from problem
        finally:
            if place:
                Path(place).rmdir()

    def close(self) -> None:
        """Let it go. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
