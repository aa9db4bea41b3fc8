"""Real servers for blob stores on this machine's loopback: versitygw and rclone (S3), Azurite (Azure), OpenSSH's sshd (SFTP).

All keep their files below a directory that the test gives, end with the test, and are never anything else's server.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh

from backstay.https.exchange import exchange
from backstay.https.signature_v4 import Credentials, Scope, signed_headers
from tests.etcd_process import free_ports
from tests.peers import Tool

READY_SECONDS = 30.0
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 5
OTHER_USER = "daemon"  # every Unix has it; `nobody` counts as locked where systemd answers for it


class ServerFailed(AssertionError):
    """The server ended or does not answer; the message ends with its log."""


class LoopbackServer:
    """One process that listens on a port of its own; begins with `with`, ends with it."""

    def __init__(self, tool: Tool, base: Path) -> None:
        self.tool = tool
        self.base = base
        self.port = 0
        self._log = base / f"{tool.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        """How the server is started on `self.port`."""
        raise NotImplementedError

    def environment_of_process(self) -> dict[str, str]:
        """The environment it runs in."""
        return dict(self.tool.environment)

    def __enter__(self) -> Self:
        for _ in range(PORT_ATTEMPTS):
            (self.port,) = free_ports(1)
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(),
                    cwd=self.base,
                    env=self.environment_of_process(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            if self._answers():
                return self
            self.__exit__(None, None, None)
        raise ServerFailed(f"{self.tool.name} does not answer:\n{self._log.read_text(errors='replace')[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                    return True
            except OSError:
                time.sleep(POLL_SECONDS)
        return False


class S3Server(LoopbackServer):
    """versitygw over a directory; a bucket is a directory in it."""

    ACCESS_KEY, SECRET_KEY, BUCKET = "backstay", "not-a-secret-at-all", "backups"

    def __init__(self, tool: Tool, base: Path) -> None:
        super().__init__(tool, base)
        self.data, self._sidecar = base / "s3", base / "sidecar"
        for directory in (self.data, self.data / self.BUCKET, self._sidecar):
            directory.mkdir()

    def command(self) -> Sequence[str | Path]:
        keys = ("--access", self.ACCESS_KEY, "--secret", self.SECRET_KEY)
        options = ("--port", f"127.0.0.1:{self.port}", "--quiet", *keys)
        return (self.tool.program, *options, "posix", "--sidecar", self._sidecar, self.data)

    def location(self, prefix: str = "", bucket: str = BUCKET) -> str:
        """The location of a prefix in the bucket."""
        return f"s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `open_store` needs to know beside the location."""
        return {"AWS_ACCESS_KEY_ID": self.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET_KEY}


class LockingS3Server(S3Server):
    """versitygw with versions, and a bucket in which objects can be locked."""

    LOCKED = "locked"

    def __init__(self, tool: Tool, base: Path) -> None:
        super().__init__(tool, base)
        self._versions = base / "versions"
        self._versions.mkdir()

    def command(self) -> Sequence[str | Path]:
        *options, _, _, data = super().command()
        # Without the sidecar: in it an object that was deleted and put again stays deleted.
        return (*options, "--versioning-dir", self._versions, data)

    def __enter__(self) -> Self:
        super().__enter__()
        headers = {"Host": f"127.0.0.1:{self.port}", "X-Amz-Content-Sha256": hashlib.sha256(b"").hexdigest()}
        path = f"/{self.LOCKED}"
        signed = signed_headers(
            Credentials(self.ACCESS_KEY, self.SECRET_KEY), Scope("us-east-1", "s3"),
            {**headers, "X-Amz-Bucket-Object-Lock-Enabled": "true"}, b"", datetime.now(UTC), method="PUT", path=path,
        )  # fmt: skip
        answer = exchange("PUT", f"http://127.0.0.1:{self.port}{path}", b"", signed)
        assert answer.status == 200, answer
        return self


class RcloneServer(LoopbackServer):
    """`rclone serve s3` over a directory: it speaks S3, overwrites where it was asked to create, and gives no ranges."""

    ACCESS_KEY, SECRET_KEY, BUCKET = "backstay", "not-a-secret-at-all", "backups"

    def command(self) -> Sequence[str | Path]:
        data = self.base / "rclone"
        (data / self.BUCKET).mkdir(parents=True, exist_ok=True)
        keys = ("--auth-key", f"{self.ACCESS_KEY},{self.SECRET_KEY}")
        options = ("--addr", f"127.0.0.1:{self.port}", "--config", "/dev/null", "--vfs-cache-mode", "off", *keys)
        return (self.tool.program, "serve", "s3", *options, data)

    def location(self, prefix: str = "") -> str:
        """The location of a prefix in the bucket."""
        return f"s3://{self.BUCKET}/{prefix}?endpoint=http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `open_store` needs to know beside the location."""
        return {"AWS_ACCESS_KEY_ID": self.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET_KEY}


class AzureServer(LoopbackServer):
    """Azurite's blob service over a directory, with one account and one container in it."""

    ACCOUNT, CONTAINER = "backstay", "backups"
    KEY = b64encode(b"not a secret at all").decode()
    _API = "2021-12-02"

    def command(self) -> Sequence[str | Path]:
        data = self.base / "azure"
        address = ("--blobHost", "127.0.0.1", "--blobPort", str(self.port))
        # It may be older than the version of the interface that obstore asks for, and answers all the same.
        return (
            self.tool.program,
            *address,
            "--location",
            data,
            "--silent",
            "--skipApiVersionCheck",
            "--disableTelemetry",
        )

    def environment_of_process(self) -> dict[str, str]:
        return {**self.tool.environment, "AZURITE_ACCOUNTS": f"{self.ACCOUNT}:{self.KEY}"}

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._create_container()
        except BaseException:
            self.stop()
            raise
        return self

    def _create_container(self) -> None:
        """The one request that backstay's client cannot make; Azure's Shared Key signs it."""
        date, path = formatdate(usegmt=True), f"/{self.ACCOUNT}/{self.CONTAINER}"
        headers = f"x-ms-date:{date}\nx-ms-version:{self._API}"
        signed = "PUT" + "\n" * 12 + f"{headers}\n/{self.ACCOUNT}{path}\nrestype:container"
        signature = b64encode(hmac.new(b64decode(self.KEY), signed.encode(), hashlib.sha256).digest()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        try:
            authorization = f"SharedKey {self.ACCOUNT}:{signature}"
            sent = {"x-ms-date": date, "x-ms-version": self._API, "Authorization": authorization, "Content-Length": "0"}
            connection.request("PUT", f"{path}?restype=container", headers=sent)
            answer = connection.getresponse()
            if answer.status != 201:
                raise ServerFailed(f"{self.tool.name} made no container: {answer.status} {answer.read()[:500]!r}")
        finally:
            connection.close()

    @property
    def endpoint(self) -> str:
        """The address of the account."""
        return f"http://127.0.0.1:{self.port}/{self.ACCOUNT}"

    def location(self, prefix: str = "", container: str = CONTAINER) -> str:
        """The location of a prefix in the container."""
        return f"az://{container}/{prefix}?endpoint={self.endpoint}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `open_store` needs to know beside the location."""
        return {"AZURE_STORAGE_ACCOUNT": self.ACCOUNT, "AZURE_STORAGE_KEY": self.KEY}


class SftpServer(LoopbackServer):
    """sshd for one user and one key, as the user who runs the tests, or as `daemon` when that is root.

    As root, sshd wants an account and a directory of the system, so it runs as somebody who needs neither; all that it
    reads then lies in a directory that this one may enter.
    """

    def __init__(self, tool: Tool, base: Path) -> None:
        super().__init__(tool, base)
        self._as_other = os.getuid() == 0
        account = pwd.getpwnam(OTHER_USER) if self._as_other else pwd.getpwuid(os.getuid())
        self.user, self._owner = account.pw_name, (account.pw_uid, account.pw_gid)
        self.home = Path(tempfile.mkdtemp(prefix="backstay-sshd-"))
        self.data = self.home / "data"
        self.data.mkdir()
        for file in tool.directory.iterdir():
            shutil.copy2(file, self.home / file.name)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key.write_private_key(self.home / "host_key")
        key.write_public_key(self.home / "authorized_keys")
        self.key = base / "id_ed25519"
        self.known_hosts = base / "known_hosts"
        key.write_private_key(self.key)
        for file in (self.home / "host_key", self.key):
            file.chmod(0o600)
        self.home.chmod(0o755)
        if self._as_other:
            for path in (self.home, *self.home.iterdir()):
                os.chown(path, *self._owner, follow_symlinks=False)

    def command(self) -> Sequence[str | Path]:
        public = self.host_key.export_public_key().decode().strip()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n", encoding="utf-8")
        options = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.home / "host_key",
            "AuthorizedKeysFile": self.home / "authorized_keys",
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "AllowUsers": self.user,
            "ForceCommand": "internal-sftp",
            "Subsystem": "sftp internal-sftp",
        }
        user, group = self._owner
        become = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups") if self._as_other else ()
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        # -E with an absolute path: the process that serves a connection starts elsewhere.
        return (*become, self.home / "sshd", "-D", "-f", os.devnull, "-E", self.home / "sshd.log", *settings)

    def environment_of_process(self) -> dict[str, str]:
        return {**self.tool.environment, "LD_LIBRARY_PATH": str(self.home)}

    def stop(self) -> None:
        super().stop()
        if (log := self.home / "sshd.log").exists():
            self._log.write_bytes(log.read_bytes())

    def remove(self) -> None:
        """Remove the server's own directory."""
        shutil.rmtree(self.home, ignore_errors=True)

    def directory(self, name: str) -> Path:
        """A new directory that the server's user may write to."""
        path = self.data / name
        path.mkdir(mode=0o700)
        if self._as_other:
            os.chown(path, *self._owner)
        return path

    def location(self, directory: Path) -> str:
        """The location of a directory."""
        return f"sftp://{self.user}@127.0.0.1:{self.port}{directory}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `open_store` needs to know beside the location."""
        return {"BACKSTAY_SFTP_KEY": str(self.key), "BACKSTAY_SFTP_KNOWN_HOSTS": str(self.known_hosts)}
