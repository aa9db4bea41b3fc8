"""The one place that wires a server together: settings -> files and engine -> handler -> transport, on one event loop.

    open_server   the store in a data directory, to be written and read
    open_backup   a snapshot or a directory as it stands, read-only

Opening finds out everything that can be wrong before anything is changed: addresses are tried and certificates read first.
Clock and randomness enter here; the command line and the testing package call this and nothing below it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.clock import Clock, SystemClock
from backstay.findings import Finding
from backstay.formats.directory import DATABASE, MEMBER, SNAP
from backstay.server.compacting import AutoCompaction, PeriodicCompaction, RevisionCompaction
from backstay.server.handler.hosting import Snapshot
from backstay.server.http.service import HttpOptions
from backstay.server.identity import Identity
from backstay.server.listeners import Listener, Serves, TlsFiles
from backstay.server.metered_disk import MeteredStoreDisk
from backstay.server.passwords import BcryptHashes
from backstay.server.ports import bind
from backstay.server.running import RunningOptions, StoreRunner, open_runner, view_runner
from backstay.server.settings import CompactionMode, ServerSettings, TlsSettings, Url
from backstay.server.settings.words import duration
from backstay.server.store_server import ServerOptions, StoreServer
from backstay.server.store_statistics import StoreStatistics
from backstay.store.durable import Founder, StoreOptions
from backstay.store.tokens import SimpleTokens, TokenProvider
from backstay.values import Revision, hex_id

if TYPE_CHECKING:
    from backstay.snapshot.opened import OpenedStore

_LARGEST_KEY_FILE = 1 << 20


class OpenedServer:
    """A store that is open, and its transports. Not yet listening; `close` after `stop`, also when `start` failed."""

    def __init__(
        self,
        runner: StoreRunner,
        settings: ServerSettings,
        listeners: Sequence[Listener],
        disk: MeteredStoreDisk | None = None,
        backup: OpenedStore | None = None,
    ) -> None:
        self.runner = runner
        self.settings = settings
        self._listeners = tuple(listeners)
        self._backup = backup
        cluster, member, term = runner.identity
        options = ServerOptions(
            identity=Identity(cluster, member, term),
            listeners=self._listeners,
            http=HttpOptions(
                origins=frozenset(settings.cors_origins),
                hosts=frozenset(settings.host_names),
                has_gateway=settings.serves_gateway,
            ),
            max_request_bytes=settings.max_request_bytes,
            max_concurrent_streams=settings.max_concurrent_streams,
            keepalive_min_seconds=settings.keepalive.client_min_seconds,
            keepalive_interval_seconds=settings.keepalive.interval_seconds,
            keepalive_timeout_seconds=settings.keepalive.timeout_seconds,
        )
        self._server = StoreServer(runner.handler, runner, StoreStatistics(runner, disk), options)
        runner.handler.attach(self._server.inbox)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What opening noticed and repaired."""
        store = self.runner.store or self._backup
        return tuple(store.findings) if store is not None else ()

    @property
    def identity(self) -> Mapping[str, str]:
        """Cluster and member id, as etcd prints them."""
        cluster, member, _ = self.runner.identity
        return {"cluster-id": hex_id(cluster), "member-id": hex_id(member)}

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports really listened on, in the order of the listeners; 0 for a unix socket."""
        return self._server.ports

    @property
    def traffic(self) -> tuple[tuple[str, str, bool], ...]:
        """What is spoken (`grpc+http`), at which address, and whether over TLS; known after `start`."""
        return tuple(
            (_spoken(listener.serves), _address(listener, port), listener.tls is not None)
            for listener, port in zip(self._listeners, self.ports, strict=True)
        )

    async def start(self) -> None:
        """Listen. Raises `LISTENING_FAILED` and `SERVER_CERTIFICATE_UNUSABLE`."""
        await self._server.start()

    async def wait(self) -> None:
        """Return when it was stopped. Raises why it cannot go on (`JOURNAL_STOPPED`, `STORE_DEFECT`)."""
        await self._server.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Take no new calls, end the streams, let running calls finish for so long."""
        await self._server.stop(grace_seconds)

    def reload_certificates(self) -> None:
        """Read certificates again. Raises `SERVER_CERTIFICATE_UNUSABLE`; the old ones stay in use then."""
        self._server.reload_certificates()

    def close(self) -> None:
        """Write what was submitted and give the directory up."""
        self.runner.close()
        if self._backup is not None:
            self._backup.close()


def open_server(
    settings: ServerSettings, *, clock: Clock | None = None, randomness: random.Random | None = None
) -> OpenedServer:
    """Open the store in the data directory of `settings`, founding it where there is none.

    Raises `LISTENING_FAILED`, `SERVER_CERTIFICATE_UNUSABLE`, `SEVERAL_MEMBERS_WANTED`, and what `open_runner` raises.
    """
    clock = clock or SystemClock()
    directory = settings.data_directory
    if settings.joins_existing and not (directory / MEMBER).exists():
        raise errors.SEVERAL_MEMBERS_WANTED.error(
            f"`{directory}` is new, but the initial cluster state is `existing`",
            where="--initial-cluster-state",
            why="it would have to join other members",
            next_step="leave --initial-cluster-state out to found a store, or start real etcd to join a cluster",
        )
    tokens = _tokens(settings, clock)
    listeners = listeners_of(settings)
    _try_out(listeners)
    disk = MeteredStoreDisk() if settings.waits_for_disk else _HastyDisk()
    runner = open_runner(
        directory,
        _running_options(settings),
        clock=clock,
        random=randomness or random.SystemRandom(),
        disk=disk,
        tokens=tokens,
        passwords=BcryptHashes(settings.bcrypt_cost),
        compaction=_compaction(settings, clock),
    )
    try:
        return OpenedServer(runner, settings, listeners, disk)
    except BaseException:
        runner.close()
        raise


def open_backup(
    settings: ServerSettings, source: Path, at_revision: int | None, *, clock: Clock | None = None
) -> OpenedServer:
    """Open a snapshot file or a data directory to serve it, read-only, at a revision of its history (None: the newest).

    Nothing is written, and nothing copied until a client asks for a snapshot. Raises `LISTENING_FAILED`,
    `SERVER_CERTIFICATE_UNUSABLE`, what `open_file` and `open_directory` raise, and what `view_state` raises.
    """
    from backstay.snapshot.opened import open_directory, open_file
    from backstay.snapshot.view import view_file, view_state

    if settings.joins_existing:
        raise errors.SEVERAL_MEMBERS_WANTED.error("a backup joins nobody", where="--initial-cluster-state")
    clock = clock or SystemClock()
    listeners = listeners_of(settings)
    _try_out(listeners)
    store = open_directory(source) if source.is_dir() else open_file(source)
    try:
        state = view_state(store, Revision(at_revision) if at_revision is not None else None)
        # What was wrong with the cluster that made the backup is no reason to hide what is in it.
        state.alarms = set()
        runner = view_runner(
            state,
            source / MEMBER / SNAP / DATABASE if source.is_dir() else source,
            _running_options(settings),
            clock=clock,
            random=random.SystemRandom(),
            contents=lambda: Snapshot(*view_file(store, state)),
            tokens=_tokens(settings, clock),
            passwords=BcryptHashes(settings.bcrypt_cost),
        )
        return OpenedServer(runner, settings, listeners, backup=store)
    except BaseException:
        store.close()
        raise


def listeners_of(settings: ServerSettings) -> tuple[Listener, ...]:
    """Where the server of `settings` listens, and what it offers there."""
    with_http = not settings.listen_client_http_urls
    client = Serves.GRPC | Serves.HTTP if with_http else Serves.GRPC
    return (
        *(_listener(url, client, settings.tls) for url in settings.listen_client_urls),
        *(_listener(url, Serves.HTTP, settings.tls) for url in settings.listen_client_http_urls),
        *(_listener(url, Serves.METRICS, settings.tls) for url in settings.listen_metrics_urls),
    )


def _listener(url: Url, serves: Serves, tls: TlsSettings) -> Listener:
    files = _tls_files(tls) if url.secure else None
    if url.path:
        return Listener(unix_path=url.path, tls=files, serves=serves)
    return Listener(host=url.host, port=url.port, tls=files, serves=serves)


def _tls_files(tls: TlsSettings) -> TlsFiles:
    assert tls.certificate is not None and tls.key is not None  # `resolve` has seen to it
    return TlsFiles(
        certificate=tls.certificate,
        key=tls.key,
        trusted_authority=tls.trusted_authority,
        requires_client_certificate=tls.requires_client_certificate,
        allowed_common_names=tls.allowed_common_names,
        allowed_hostnames=tls.allowed_hostnames,
        revoked=tls.revoked,
        minimum_version=tls.minimum_version,
        maximum_version=tls.maximum_version,
        cipher_suites=tls.cipher_suites,
    )


def _try_out(listeners: Sequence[Listener]) -> None:
    """Read the certificates and take every address once, so that nothing is founded for a server that cannot listen."""
    for listener in listeners:
        if listener.tls is not None:
            from backstay.server.tls import ServerTls  # only servers with TLS pay for its import

            ServerTls(listener.tls)
    for listener in listeners:
        bind(listener).close()


def _running_options(settings: ServerSettings) -> RunningOptions:
    founder = Founder(settings.name, settings.peer_urls, settings.cluster_token)
    return RunningOptions(
        store=StoreOptions(founder=founder),
        client_urls=settings.advertise_client_urls,
        max_request_bytes=settings.max_request_bytes,
        max_operations=settings.max_operations,
        quota_bytes=settings.quota_bytes,
        election_timeout=settings.election_timeout_seconds,
        progress_interval=settings.progress_interval_seconds,
        snapshot_count=settings.snapshot_count,
    )


def _compaction(settings: ServerSettings, clock: Clock) -> AutoCompaction | None:
    wanted = settings.auto_compaction
    if wanted is None:
        return None
    if wanted.mode is CompactionMode.REVISION:
        return RevisionCompaction(int(wanted.retention), clock.monotonic())
    return PeriodicCompaction(wanted.retention, clock.monotonic())


def _tokens(settings: ServerSettings, clock: Clock) -> TokenProvider:
    if settings.auth_token == "simple":
        return SimpleTokens(clock, random.SystemRandom(), ttl_seconds=settings.auth_token_seconds)
    from backstay.store.tokens.signed import SignedTokens

    options = settings.auth_token_options
    try:
        lifetime = {"ttl_seconds": duration(options["ttl"])} if "ttl" in options else {}
        return SignedTokens(
            clock,
            options["sign-method"],
            private_key=_key(options.get("priv-key")),
            public_key=_key(options.get("pub-key")),
            **lifetime,
        )
    except (ValueError, OSError) as problem:
        raise errors.SETTING_INVALID.error(
            "`auth-token` cannot be used", where="--auth-token", why=str(problem)
        ) from problem


def _key(path: str | None) -> bytes | None:
    if path is None:
        return None
    with Path(path).open("rb") as file:
        return file.read(_LARGEST_KEY_FILE)


class _HastyDisk(MeteredStoreDisk):
    """--unsafe-no-fsync: everything is left to the kernel's own time."""

    def sync(self, descriptor: int) -> None:
        """Nothing is waited for."""

    def sync_data(self, descriptor: int) -> None:
        """Nothing is waited for."""

    def sync_directory(self, path: Path) -> None:
        """Nothing is waited for."""


def _spoken(serves: Serves) -> str:
    words = {Serves.GRPC: "grpc", Serves.HTTP: "http", Serves.METRICS: "metrics"}
    return "+".join(word for each, word in words.items() if each in serves)


def _address(listener: Listener, port: int) -> str:
    if listener.unix_path:
        return listener.unix_path
    return f"[{listener.host}]:{port}" if ":" in listener.host else f"{listener.host}:{port}"
