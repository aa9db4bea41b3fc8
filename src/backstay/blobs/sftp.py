"""A blob store in a directory of an SSH server, through asyncssh: one file per blob, as `local` lays them out.

A blob is written under a hidden name (`.part-` and a random token), synced with `fsync@openssh.com` where the server
offers it, and then given its name: with `hardlink@openssh.com` where offered, else with SFTP's plain rename, both of
which refuse a name that is taken (servers that do not are found by `probe`). To replace, `posix-rename@openssh.com` is
needed. SFTP cannot sync a directory, and a connection that breaks may leave a hidden name behind: it is never listed.

The server must be in the known hosts; there is no way to switch that off. Nothing is read from `~/.ssh/config`. The rest
of backstay is synchronous, so asyncssh runs in a thread of this module; one connection serves all threads, and is made
again at the next call after it was lost.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import secrets
import stat
import threading
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import asyncssh

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
    not_found,
    pieces,
    sorted_by_name,
    unlockable,
)

T = TypeVar("T")

PART = ".part-"
KEEPALIVE_SECONDS, KEEPALIVES = 15.0, 4  # a connection that is dead without a word is found so after a minute
CONNECT_SECONDS = 20.0
WRITE_BYTES = 4 << 20
READS_AT_ONCE = 8
_NOTHING_THERE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory)
_DENIED = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect, asyncssh.SFTPCannotDelete)
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class SftpOptions:
    """Whom to speak to and how to prove who we are; `repr` shows no secret."""

    host: str
    user: str
    directory: str  # relative: below the user's home
    known_hosts: Path
    port: int = 22
    keys: tuple[Path, ...] = ()
    key_chosen: bool = False  # a key that was chosen must be usable; one that was found may be passed over
    passphrase: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    agent: str = ""


class _Session(NamedTuple):
    connection: asyncssh.SSHClientConnection
    client: asyncssh.SFTPClient


class SftpStore:
    """Objects as files below a directory of the server."""

    def __init__(self, options: SftpOptions) -> None:
        self._options = options
        self._root = PurePosixPath(options.directory)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: _Session | None = None
        self._connecting = asyncio.Lock()

    @property
    def location(self) -> str:
        options = self._options
        return f"sftp://{options.user}@{options.host}:{options.port}/{options.directory.lstrip('/')}"

    def features(self) -> Features:
        return Features(reads_ranges=Answer.YES, lists_at_once=Answer.YES, reads_at_once=READS_AT_ONCE)

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        final = self._path(name)
        temporary = str(PurePosixPath(final).with_name(f"{PART}{secrets.token_hex(8)}"))
        file = self._run(self._begin(name, final, temporary, create_only=create_only), name)
        size = 0
        try:
            for data in _gathered(content):
                self._run(self._write(file, data), name)
                size += len(data)
            self._run(self._publish(file, name, temporary, final, create_only=create_only), name)
        except BaseException:
            # With a lost connection this fails too; the hidden file stays, and is nothing to any reader.
            with contextlib.suppress(errors.BackstayError):
                self._run(self._abandon(file, temporary), name)
            raise
        return size

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        check_range(offset, length)
        path = self._path(name)
        size = self.stat(name).size
        end = size if length is None else min(size, offset + length)
        if offset >= end:
            return
        file = self._run(self._open(path), name)
        try:
            while offset < end:
                chunk = self._run(self._read(file, min(CHUNK_BYTES, end - offset), offset), name)
                if not chunk:
                    why = f"the file ends at {offset}, it was {size} bytes long"
                    raise errors.STORAGE_BROKEN_OFF.error(f"cannot read `{name}`", where=self.location, why=why)
                offset += len(chunk)
                yield chunk
        finally:
            with contextlib.suppress(errors.BackstayError):
                self._run(file.close(), name)

    def stat(self, name: str) -> Blob:
        attributes = self._run(self._lstat(self._path(name)), name)
        if not stat.S_ISREG(attributes.permissions or 0):
            raise not_found(self, name)
        return _blob(name, attributes)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        return sorted_by_name(self._run(self._walk(self._root, "", prefix), ""))

    def delete(self, name: str) -> None:
        self._run(self._remove(self._path(name)), name)

    def lock(self, name: str, until: datetime) -> None:
        raise unlockable(self)

    def locked_until(self, name: str) -> datetime | None:
        raise unlockable(self)

    def close(self) -> None:
        with self._lock:
            loop, thread, session = self._loop, self._thread, self._session
            self._loop = self._thread = self._session = None
        if loop is None or thread is None:
            return
        if session is not None:
            asyncio.run_coroutine_threadsafe(_hang_up(session), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    # --- what runs in the thread of the connection ---

    async def _begin(self, name: str, final: str, temporary: str, *, create_only: bool) -> asyncssh.SFTPClientFile:
        client = await self._client()
        if create_only and await client.lexists(final):
            raise exists(self, name)
        parents = [PurePosixPath(final).parent]
        while parents[-1] != self._root:
            parents.append(parents[-1].parent)
        for directory in reversed(parents[:-1]):
            if not await client.lexists(str(directory)):
                with contextlib.suppress(asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):  # another was faster
                    await client.mkdir(str(directory), asyncssh.SFTPAttrs(permissions=0o700))
            if not await client.isdir(str(directory)):
                raise exists(self, name, "a part of the name is a blob itself")
        return await client.open(temporary, "xb", asyncssh.SFTPAttrs(permissions=0o600), block_size=-1)

    async def _write(self, file: asyncssh.SFTPClientFile, data: bytes) -> None:
        await file.write(data)

    async def _publish(
        self, file: asyncssh.SFTPClientFile, name: str, temporary: str, final: str, *, create_only: bool
    ) -> None:
        client = await self._client()
        with contextlib.suppress(asyncssh.SFTPOpUnsupported):
            await file.fsync()
        await file.close()
        if not create_only:
            await client.posix_rename(temporary, final)
            return
        try:
            try:
                await client.link(temporary, final)
            except asyncssh.SFTPOpUnsupported:
                await client.rename(temporary, final)
                return
        except asyncssh.SFTPError as problem:
            # Version 3 of the protocol has no word for "exists".
            if await client.lexists(final):
                raise exists(self, name) from problem
            raise
        # The blob has its name; a hidden second one that stays behind harms nobody.
        with contextlib.suppress(asyncssh.SFTPError):
            await client.remove(temporary)

    async def _abandon(self, file: asyncssh.SFTPClientFile, temporary: str) -> None:
        client = await self._client()
        with contextlib.suppress(asyncssh.SFTPError, ValueError):
            await file.close()
        with contextlib.suppress(asyncssh.SFTPError):
            await client.remove(temporary)

    async def _open(self, path: str) -> asyncssh.SFTPClientFile:
        client = await self._client()
        return await client.open(path, "rb")

    async def _read(self, file: asyncssh.SFTPClientFile, size: int, offset: int) -> bytes:
        data = await file.read(size, offset)
        return data.encode() if isinstance(data, str) else data  # never text: the file was opened in binary mode

    async def _lstat(self, path: str) -> asyncssh.SFTPAttrs:
        client = await self._client()
        return await client.lstat(path)

    async def _remove(self, path: str) -> None:
        client = await self._client()
        try:
            await client.remove(path)
        except _NOTHING_THERE:
            return
        except asyncssh.SFTPFailure:
            if not await client.isdir(path):
                raise

    async def _walk(self, directory: PurePosixPath, above: str, prefix: str) -> Sequence[Blob]:
        client = await self._client()
        blobs: builtins.list[Blob] = []
        async for entry in client.scandir(str(directory)):
            name = above + (entry.filename if isinstance(entry.filename, str) else "")
            mode = entry.attrs.permissions or 0
            if not is_name(name):
                continue
            if stat.S_ISDIR(mode):
                below = f"{name}/"
                if below.startswith(prefix) or prefix.startswith(below):
                    blobs += await self._walk(self._root / name, below, prefix)
            elif name.startswith(prefix) and stat.S_ISREG(mode):
                blobs.append(_blob(name, entry.attrs))
        return blobs

    async def _client(self) -> asyncssh.SFTPClient:
        """The session, made when there is none: by one call, while others that need it wait."""
        session = self._session
        if session is None:
            async with self._connecting:
                session = self._session = self._session or await self._connect()
        return session.client

    async def _connect(self) -> _Session:
        options = self._options
        if not options.known_hosts.is_file():
            why = f"there is no file `{options.known_hosts}`"
            raise errors.STORAGE_HOST_UNKNOWN.error("the server is not known", where=self.location, why=why)
        connection = await asyncssh.connect(
            options.host,
            options.port,
            config=None,
            username=options.user,
            password=options.password or None,
            client_keys=self._keys() or None,
            agent_path=options.agent or None,
            known_hosts=str(options.known_hosts),
            preferred_auth="publickey,password",
            gss_host=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVES,
        )
        try:
            client = await connection.start_sftp_client()
            if not await client.isdir(str(self._root)):
                raise errors.STORAGE_ABSENT.error(f"there is no directory `{self._root}`", where=self.location)
        except BaseException:
            connection.abort()
            raise
        return _Session(connection, client)

    def _keys(self) -> Sequence[asyncssh.SSHKey]:
        keys = []
        for path in self._options.keys:
            try:
                keys.append(asyncssh.read_private_key(path, self._options.passphrase or None))
            except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as problem:
                if self._options.key_chosen:
                    raise errors.STORAGE_DENIED.error(
                        "cannot use the key", where=str(path), why=str(problem)
                    ) from problem
        return keys

    # --- the bridge from the callers' threads ---

    def _run(self, work: Coroutine[Any, Any, T], name: str) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="backstay-sftp", daemon=True)
                self._thread.start()
            loop = self._loop
        try:
            return asyncio.run_coroutine_threadsafe(work, loop).result()
        except (asyncssh.Error, OSError) as problem:
            raise self._error(problem, name) from problem

    def _error(self, problem: Exception, name: str) -> errors.BackstayError:
        where, why = self.location, getattr(problem, "reason", "") or str(problem)
        what = f"cannot read or write `{name}`" if name else "cannot list the directory"
        if isinstance(problem, _NOTHING_THERE):
            return not_found(self, name)
        if isinstance(problem, asyncssh.HostKeyNotVerifiable):
            return errors.STORAGE_HOST_UNKNOWN.error("the server's host key is not the known one", where=where, why=why)
        if isinstance(problem, (*_DENIED, asyncssh.PermissionDenied)):
            return errors.STORAGE_DENIED.error(what, where=where, why=why)
        if isinstance(problem, _FULL):
            return errors.STORAGE_FULL.error(what, where=where, why=why)
        if isinstance(problem, asyncssh.SFTPOpUnsupported):
            return errors.STORAGE_UNSUPPORTED.error(what, where=where, why=why)
        if isinstance(problem, _LOST):
            self._session = None
            return errors.STORAGE_UNREACHABLE.error(what, where=where, why=why)
        if isinstance(problem, asyncssh.SFTPFailure) and self._is_full():
            return errors.STORAGE_FULL.error(what, where=where, why=why)
        return errors.STORAGE_FAILED.error(what, where=where, why=why)

    def _is_full(self) -> bool:
        """Version 3 of the protocol says "failure" for a full disk; the server may tell how much is left."""
        session, loop = self._session, self._loop
        if session is None or loop is None:
            return False
        question = session.client.statvfs(str(self._root))
        try:
            answer = asyncio.run_coroutine_threadsafe(question, loop).result()
        except (asyncssh.Error, OSError):
            return False
        free, total_files = (answer.bavail or 0) * (answer.frsize or 0), answer.files or 0
        return free < CHUNK_BYTES or (not answer.favail and total_files > 0)

    def _path(self, name: str) -> str:
        return str(self._root / check_name(name))


async def _hang_up(session: _Session) -> None:
    session.client.exit()
    session.connection.close()
    with contextlib.suppress(asyncssh.Error, OSError):
        await session.connection.wait_closed()


def _gathered(content: Content) -> Iterator[bytes]:
    """The content in writes that are large enough to keep the line busy."""
    waiting = bytearray()
    for piece in pieces(content):
        view = memoryview(piece)
        for start in range(0, len(view), WRITE_BYTES):
            waiting += view[start : start + WRITE_BYTES]
            if len(waiting) >= WRITE_BYTES:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)


def _blob(name: str, attributes: asyncssh.SFTPAttrs) -> Blob:
    return Blob(name, attributes.size or 0, datetime.fromtimestamp(attributes.mtime or 0, UTC))
