"""An etcd inside a test: `with Etcd() as etcd:`. Nothing to install, nothing to clean up.

    with Etcd() as etcd:                            # a free port, a temporary directory
        with etcd.client() as client:
            client.kv.put(b"a", b"1")
        etcd.kill()                                 # as a crash would; nothing that was acknowledged is lost
        etcd.start()

It is `backstay serve`, in a child process or on a thread; to its clients it is etcd 3.7. The disk is not waited for, which
only a power cut could tell: a killed store has everything.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from backstay.testing.certificates import Certificates
from backstay.testing.serving import ChildServing, Serving, ThreadServing

if TYPE_CHECKING:
    from backstay.etcd import Client, Credentials


class Etcd:
    """A store for a test.

    `data_dir` is kept when given, else it is a temporary one that goes with the last `stop`. `flags` are etcd's, without
    dashes (`{"quota-backend-bytes": "16777216"}`). With `certificates` it speaks TLS and wants a client certificate.
    `in_process` runs it on a thread. `waits_for_disk` makes every write wait for fsync, as in production.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        flags: Mapping[str, str] | None = None,
        certificates: bool | Certificates = False,
        in_process: bool = False,
        waits_for_disk: bool = False,
        port: int = 0,
    ) -> None:
        self._flags = dict(flags or {})
        self._in_process = in_process
        self._waits_for_disk = waits_for_disk
        self._wanted = certificates
        self._kept = Path(data_dir) if data_dir is not None else None
        self._port = port
        self._place: Path | None = None
        self._serving: Serving | None = None
        self.certificates: Certificates | None = certificates if isinstance(certificates, Certificates) else None
        """The certificates in use, once it has started with them."""

    # --- where it is ---

    @property
    def data_dir(self) -> Path:
        """The data directory; real etcd opens it too, once this one has stopped."""
        return self._kept or self._temporary() / "data"

    @property
    def port(self) -> int:
        """The port of clients, on 127.0.0.1; 0 before the first start."""
        return self._port

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._port}"

    @property
    def endpoint(self) -> str:
        """The client URL, as etcdctl and every client take it."""
        return f"{'https' if self.certificates is not None else 'http'}://{self.address}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make etcdctl and `backstay` talk to this store."""
        said = {"ETCDCTL_ENDPOINTS": self.endpoint}
        if self.certificates is not None:
            said["ETCDCTL_CACERT"] = str(self.certificates.authority)
            said["ETCDCTL_CERT"] = str(self.certificates.certificate)
            said["ETCDCTL_KEY"] = str(self.certificates.key)
        return said

    @property
    def log(self) -> str:
        """What the child logged so far, in etcd's JSON lines; empty for a store on a thread, which uses `logging`."""
        path = self._temporary() / "etcd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._serving.pid if isinstance(self._serving, ChildServing) else None

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._serving is not None and self._serving.running

    # --- its life ---

    def start(self) -> Etcd:
        """Serve, and return once clients are answered; on the same port and data as before, if it ran before.

        Raises `STORE_NOT_STARTED`, or on a thread what opening raises.
        """
        if self.running:
            return self
        place = self._temporary()
        if self._wanted and self.certificates is None:
            self.certificates = Certificates.make(place / "certificates")
        flags = {
            "name": "test",
            "data-dir": str(self.data_dir),
            "listen-client-urls": self.endpoint,
            **(self.certificates.flags if self.certificates is not None else {}),
            **({} if self._waits_for_disk else {"unsafe-no-fsync": "true"}),
            **self._flags,
        }
        self._serving = ThreadServing(flags) if self._in_process else ChildServing(flags, place / "etcd.log")
        self._port = int(self._serving.start().rpartition(":")[2])
        return self

    def wait(self) -> int:
        """Wait until a child has ended by itself, or by somebody's signal; its exit status, -9 for SIGKILL."""
        if not isinstance(self._serving, ChildServing):
            raise ValueError("only a child has an exit status")
        return self._serving.wait()

    def stop(self) -> None:
        """Drain and end, as SIGTERM does. The data stays until the `with` block ends."""
        if self._serving is not None:
            self._serving.stop()
            self._serving = None

    def kill(self) -> None:
        """End at once: SIGKILL to the child. A store on a thread cannot be killed; it is stopped without draining."""
        if self._serving is not None:
            self._serving.kill()
            self._serving = None

    def restart(self) -> Etcd:
        """Stop and start again."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop, and remove what is temporary."""
        try:
            self.stop()
        finally:
            if self._place is not None:
                shutil.rmtree(self._place, ignore_errors=True)
                self._place = None

    def __enter__(self) -> Etcd:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- talking to it ---

    def client(self, *, user: str = "", password: str = "") -> Client:
        """A client of this store; close it, or use it in a `with` block."""
        from backstay.etcd import Client, ConnectionOptions

        return Client(ConnectionOptions.of([self.endpoint], self._credentials(user, password)))

    def snapshot(self, path: Path | str) -> Path:
        """Save a snapshot of the store, as `etcdctl snapshot save` does; returns its path. Nothing is overwritten."""
        from backstay.durable import LocalDisk, durable_file

        final = Path(path)
        with self.client() as client, client.maintenance.snapshot() as stream, durable_file(LocalDisk(), final) as file:
            for chunk in stream:
                file.write([chunk.blob])
        return final

    def _credentials(self, user: str, password: str) -> Credentials:
        from backstay.etcd import Credentials

        files = self.certificates
        if files is None:
            return Credentials(user=user, password=password)
        return Credentials(
            cacert=str(files.authority),
            cert=str(files.certificate),
            key=str(files.key),
            user=user,
            password=password,
        )

    def _temporary(self) -> Path:
        if self._place is None:
            self._place = Path(tempfile.mkdtemp(prefix="backstay-"))
        return self._place
