"""A TCP proxy between a client and a server of this machine, which the test tells to misbehave.

with FaultyProxy(server.port) as proxy:
    proxy.behave(PASS)           everything goes through
    proxy.behave(REFUSE)         new connections are closed at once, those that are open are cut
    proxy.behave(STALL)          connections are taken, and nothing is heard any more: half-open
    proxy.behave(cut_after(n))   after so many bytes to the server every connection is cut, and then refused
    proxy.behave(answer(503, body, times))   the next requests of HTTP are answered so, then everything goes through
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_CHUNK = 1 << 16
_WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class Behaviour:
    """How connections are treated. `times` is how many requests are answered by the proxy itself, -1 for all."""

    name: str
    cut_bytes: int = -1
    status: int = 0
    body: bytes = b""
    times: int = -1


PASS = Behaviour("pass")
REFUSE = Behaviour("refuse")
STALL = Behaviour("stall")


def cut_after(sent: int) -> Behaviour:
    """Cut everything once so many bytes have gone to the server."""
    return Behaviour("cut", cut_bytes=sent)


def answer(status: int, body: bytes, times: int = -1) -> Behaviour:
    """Answer requests of HTTP without asking the server."""
    return Behaviour("answer", status=status, body=body, times=times)


class FaultyProxy:
    """Listens on a port of its own; begins with `with`, ends with it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._behaviour, self._sent, self._answered = PASS, 0, 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ends = False

    def behave(self, behaviour: Behaviour) -> None:
        """From now on; what is connected is cut, so that every client feels it."""
        with self._lock:
            self._behaviour, self._sent, self._answered = behaviour, 0, 0
        self._cut()

    @property
    def answered(self) -> int:
        """How many requests the proxy has answered itself."""
        return self._answered

    @property
    def open_connections(self) -> int:
        """How many sockets are open now."""
        return len(self._open)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _cut(self) -> None:
        with self._lock:
            going = list(self._open)
        for each in going:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ends:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                behaviour = self._behaviour
                self._open.add(client)
            if behaviour.name == "refuse" or self._ends:
                self._close(client)
            elif behaviour.name == "stall":
                self._start(self._swallow, client)
            elif behaviour.name == "answer" and not 0 <= behaviour.times <= self._answered:
                self._start(self._answer, client, behaviour)
            else:
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            self._close(client)
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(server)
        back = threading.Thread(target=self._pump, args=(server, client, False))
        back.start()
        self._pump(client, server, True)
        back.join()
        self._close(client, server)

    def _pump(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if counts and self._is_over(len(data)):
                    sink.sendall(data[: len(data) // 2])
                    self._cut()
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _is_over(self, count: int) -> bool:
        with self._lock:
            self._sent += count
            over = 0 <= self._behaviour.cut_bytes < self._sent
            if over:
                self._behaviour = REFUSE
            return over

    def _swallow(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while client.recv(_CHUNK):
                pass
        self._close(client)

    def _answer(self, client: socket.socket, behaviour: Behaviour) -> None:
        with contextlib.suppress(OSError):
            client.settimeout(5)
            received = b""
            while b"\r\n\r\n" not in received and (data := client.recv(_CHUNK)):
                received += data
            head, _, body = received.partition(b"\r\n\r\n")
            fields = [line.partition(b":") for line in head.lower().split(b"\r\n")]
            length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
            while len(body) < length and (data := client.recv(_CHUNK)):
                body += data
            with self._lock:
                self._answered += 1
            first = f"HTTP/1.1 {behaviour.status} Said\r\nContent-Type: application/xml\r\nConnection: close\r\n"
            client.sendall(f"{first}Content-Length: {len(behaviour.body)}\r\n\r\n".encode() + behaviour.body)
        self._close(client)

    def _close(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with self._lock:
                self._open.discard(each)
            each.close()
