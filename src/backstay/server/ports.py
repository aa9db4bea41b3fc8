"""Sockets to listen on, with the system's own reason when one cannot be had."""

from __future__ import annotations

import os
import socket
import stat

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.listeners import Listener

UNIX_MODE = 0o600
BACKLOG = 4096


def bind(listener: Listener) -> socket.socket:
    """A socket that listens on the listener's address, and does not block. Raises `LISTENING_FAILED`."""
    if listener.unix_path:
        _remove_left_behind(listener.unix_path)
        return _listening(listener, socket.AF_UNIX, listener.unix_path)
    try:
        found = socket.getaddrinfo(
            listener.host or None, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as problem:
        raise _failed(listener, getattr(problem, "strerror", None) or str(problem)) from problem
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return _listening(listener, family, address)


def _listening(listener: Listener, family: int, address: object) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection inherits it. Without, an answer in two pieces waits 40 ms for the client to have seen the first.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)  # type: ignore[arg-type]  # an address of that family
        if family == socket.AF_UNIX:
            os.chmod(listener.unix_path, UNIX_MODE)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as problem:
        listening.close()
        raise _failed(listener, problem.strerror or str(problem)) from problem
    return listening


def _remove_left_behind(path: str) -> None:
    """Unlink a socket that nobody serves any more: the file outlives a process that was killed."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        try:
            visitor.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


def _failed(listener: Listener, why: str) -> BackstayError:
    return errors.LISTENING_FAILED.error(f"cannot listen on {listener.where}", where=listener.where, why=why)
