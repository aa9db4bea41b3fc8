"""The two ways in which a test gets a server: as a child process, or on a thread of its own.

A child is what runs in production, can be killed, and keeps gRPC out of the test's process. A thread is there in a few
milliseconds once gRPC is loaded. Both are ready when `start` returns; the child says so through systemd's protocol, so
nothing polls.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from backstay import errors

if TYPE_CHECKING:
    import asyncio

    from backstay.server.opening import OpenedServer

START_SECONDS = 60.0
STOP_SECONDS = 30.0

_LOOK_SECONDS = 0.1
_LAST_LINES = 20
_NOTE_BYTES = 4096
_ADDRESSES = "X_BACKSTAY_ADDRESSES="


class Serving(Protocol):
    """A server of a test."""

    def start(self) -> str:
        """Serve; the address of the first client URL, once it answers there. Raises why it does not."""
        ...

    def stop(self) -> None:
        """Drain and end. Nothing happens when it has ended."""
        ...

    def kill(self) -> None:
        """End at once."""
        ...

    @property
    def running(self) -> bool:
        """Whether it is there."""
        ...


class ChildServing:
    """`backstay serve` in a process of its own; its log is in `log`."""

    def __init__(self, flags: Mapping[str, str], log: Path) -> None:
        self._command = [
            sys.executable,
            "-m",
            "backstay",
            "serve",
            *(f"--{name}={text}" for name, text in flags.items()),
        ]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        path = self._log.with_name("ready")
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as listener:
            listener.bind(str(path))
            # A variable for etcd would be refused beside the flags that are given here.
            environment = {name: text for name, text in os.environ.items() if not name.startswith("ETCD_")}
            environment["NOTIFY_SOCKET"] = str(path)
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
                )
            try:
                return self._heard(listener, self._process)
            except BaseException:
                self.kill()
                raise
            finally:
                path.unlink(missing_ok=True)

    def _heard(self, listener: socket.socket, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ready, _, _ = select.select([listener], [], [], _LOOK_SECONDS)
            if ready:
                for line in listener.recv(_NOTE_BYTES).decode().splitlines():
                    if line.startswith(_ADDRESSES):
                        return line.removeprefix(_ADDRESSES).partition(",")[0]
            elif process.poll() is not None:
                break
        ended = process.poll()
        what = (
            f"it ended with status {ended}" if ended is not None else f"it was not ready within {START_SECONDS:.0f} s"
        )
        raise errors.STORE_NOT_STARTED.error(
            "the store did not start", where=str(self._log), why=f"{what}\n{self._said()}"
        )

    def _said(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def wait(self) -> int:
        """The exit status, once it has ended."""
        if self._process is None:
            raise ValueError("it does not run")
        return self._process.wait(STOP_SECONDS)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None


class ThreadServing:
    """The store on a thread of this process. Its log is this process's `logging`, under `backstay`."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        self._flags = dict(flags)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: OpenedServer | None = None
        self._stopping: asyncio.Event | None = None
        self._settled = threading.Event()
        self._failures: list[BaseException] = []
        self._grace = 0.0

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> str:
        self._settled.clear()
        self._failures.clear()
        self._thread = threading.Thread(target=self._run, name="backstay", daemon=True)
        self._thread.start()
        self._settled.wait()
        if self._failures:
            self._thread.join()
            self._thread = None
            raise self._failures[0]
        assert self._opened is not None
        return self._opened.traffic[0][1]

    def stop(self) -> None:
        self._end(grace_seconds=1.0)

    def kill(self) -> None:
        self._end(grace_seconds=0.0)

    def _end(self, *, grace_seconds: float) -> None:
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        self._grace = grace_seconds
        loop.call_soon_threadsafe(stopping.set)
        thread.join(STOP_SECONDS)
        self._thread = None
        if self._failures:
            raise self._failures[0]

    def _run(self) -> None:
        import asyncio  # a child needs none of it here

        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            self._failures.append(problem)
        finally:
            self._settled.set()

    async def _serve(self) -> None:
        import asyncio
        from random import SystemRandom

        from backstay.clock import SystemClock
        from backstay.server.opening import open_server
        from backstay.server.settings import Given, resolve

        settings = resolve({name: Given(text, f"--{name}") for name, text in self._flags.items()}).settings
        opened = open_server(settings, clock=SystemClock(), randomness=SystemRandom())
        try:
            await opened.start()
            self._loop, self._stopping, self._opened = asyncio.get_running_loop(), asyncio.Event(), opened
            self._settled.set()
            over = asyncio.ensure_future(opened.wait())
            ended = asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait((over, ended), return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            await opened.stop(self._grace)
            await over
        finally:
            self._opened = None
            opened.close()
