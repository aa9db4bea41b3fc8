"""From settings to a store that is open and a server that could listen: the one place that knows all parts of `server`.

    settings -> addresses taken, certificates read -> files and engine -> handler -> fronts, gRPC, HTTP

Addresses are taken and certificates read first, so that nothing is founded for a server that cannot serve. Everything here
belongs to the event loop's thread, which is the store's; `open_server` may be called before the loop runs.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random, SystemRandom

from backstay import errors
from backstay.clock import Clock
from backstay.findings import Finding
from backstay.formats.directory import MEMBER
from backstay.server.compacting import AutoCompaction, PeriodicCompaction, RevisionCompaction
from backstay.server.grpcio.options import CallOptions
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
from backstay.store.state import StoreState
from backstay.store.tokens import SimpleTokens, TokenProvider
from backstay.values import hex_id

_LARGEST_KEY_FILE = 1 << 20


class OpenedServer:
    """A store that is open, on addresses that are taken. Serves from `start` to `stop`; `close` it in the end."""

    def __init__(
        self,
        runner: StoreRunner,
        settings: ServerSettings,
        addresses: Addresses,
        *,
        disk: MeteredStoreDisk | None = None,
        findings: Sequence[Finding] = (),
        closes: Callable[[], None] | None = None,
    ) -> None:
        self.runner = runner
        self.settings = settings
        self.findings = tuple(findings)
        """What opening noticed and repaired."""
        self._addresses = addresses
        self._closes = closes
        cluster, member, term = runner.identity
        options = ServerOptions(
            identity=Identity(cluster, member, term),
            listeners=addresses.listeners,
            http=HttpOptions(
                origins=frozenset(settings.cors_origins),
                hosts=frozenset(settings.host_names),
                has_gateway=settings.serves_gateway,
            ),
            calls=CallOptions(
                max_request_bytes=settings.max_request_bytes,
                max_concurrent_streams=settings.max_concurrent_streams,
                keepalive_min_seconds=settings.keepalive.client_min_seconds,
                keepalive_interval_seconds=settings.keepalive.interval_seconds,
                keepalive_timeout_seconds=settings.keepalive.timeout_seconds,
                slow_call_seconds=settings.slow_call_seconds,
                extensive_metrics=settings.extensive_metrics,
            ),
        )
        self._server = StoreServer(
            runner.handler, runner, StoreStatistics(runner, disk), options, sockets=addresses.sockets
        )
        runner.handler.attach(self._server.inbox)

    @property
    def identity(self) -> Mapping[str, str]:
        """Cluster and member id, as etcd prints them."""
        cluster, member, _ = self.runner.identity
        return {"cluster-id": hex_id(cluster), "member-id": hex_id(member)}

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports listened on, client URLs first; 0 for a unix socket."""
        return tuple(each.port for each in self._addresses.listeners)

    @property
    def traffic(self) -> tuple[tuple[str, str, bool], ...]:
        """What is spoken (`grpc+http`), at which address, and whether over TLS."""
        return tuple(
            (_spoken(each.serves), each.unix_path or each.where, each.tls is not None)
            for each in self._addresses.listeners
        )

    async def start(self) -> None:
        """Serve, on the running event loop."""
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
        """Write what was submitted, give the directory and the addresses up."""
        self._addresses.close()
        self.runner.close()
        if self._closes is not None:
            self._closes()


def open_server(settings: ServerSettings, *, clock: Clock, randomness: Random) -> OpenedServer:
    """Open the store in the data directory of `settings`, founding it where there is none.

    Raises `LISTENING_FAILED`, `SERVER_CERTIFICATE_UNUSABLE`, `SEVERAL_MEMBERS_WANTED`, and what `open_runner` raises.
    """
    directory = settings.data_directory
    if settings.joins_existing and not (directory / MEMBER).exists():
        raise errors.SEVERAL_MEMBERS_WANTED.error(
            f"`{directory}` is new, but the initial cluster state is `existing`",
            where="--initial-cluster-state",
            why="it would have to join other members",
            next_step="leave --initial-cluster-state out to found a store, or start real etcd to join a cluster",
        )
    tokens = _tokens(settings, clock)
    addresses = Addresses(settings)
    try:
        disk = MeteredStoreDisk() if settings.waits_for_disk else _HastyDisk()
        runner = open_runner(
            directory,
            _running_options(settings, addresses),
            clock=clock,
            random=randomness,
            disk=disk,
            tokens=tokens,
            passwords=BcryptHashes(settings.bcrypt_cost),
            compaction=_compaction(settings, clock),
        )
        assert runner.store is not None
        return OpenedServer(runner, settings, addresses, disk=disk, findings=runner.store.findings)
    except BaseException:
        addresses.close()
        raise


def open_view(
    settings: ServerSettings,
    read: Callable[[], tuple[StoreState, Path]],
    contents: Callable[[StoreState], Snapshot],
    *,
    clock: Clock,
    randomness: Random,
    findings: Sequence[Finding] = (),
    closes: Callable[[], None] | None = None,
) -> OpenedServer:
    """Serve a state that somebody read from a file, read-only. `contents` makes what a client's snapshot is made of.

    Raises `LISTENING_FAILED`, `SERVER_CERTIFICATE_UNUSABLE`, and what `read` raises.
    """
    addresses = Addresses(settings)
    try:
        state, file = read()
        runner = view_runner(
            state,
            file,
            _running_options(settings, addresses),
            clock=clock,
            random=randomness,
            contents=lambda: contents(state),
            tokens=_tokens(settings, clock),
            passwords=BcryptHashes(settings.bcrypt_cost),
        )
        return OpenedServer(runner, settings, addresses, findings=findings, closes=closes)
    except BaseException:
        addresses.close()
        raise


class Addresses:
    """Where a server listens: sockets that are bound, with the port that the system chose where 0 was asked for.

    Raises `LISTENING_FAILED` and `SERVER_CERTIFICATE_UNUSABLE`.
    """

    def __init__(self, settings: ServerSettings) -> None:
        wanted = listeners_of(settings)
        for listener in wanted:
            if listener.tls is not None:
                from backstay.server.tls import ServerTls  # only servers with TLS pay for its import

                ServerTls(listener.tls)
        self.sockets: tuple[socket.socket, ...] = ()
        self.listeners: tuple[Listener, ...] = ()
        try:
            for listener in wanted:
                taken = bind(listener)
                self.sockets += (taken,)
                if not listener.unix_path:
                    listener = replace(listener, port=taken.getsockname()[1])
                self.listeners += (listener,)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the addresses up; what the server has closed already stays so."""
        for each in self.sockets:
            each.close()


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
    assert tls.certificate is not None and tls.key is not None  # `resolve`, or whoever makes certificates, saw to it
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


def _running_options(settings: ServerSettings, addresses: Addresses) -> RunningOptions:
    founder = Founder(settings.name, settings.peer_urls, settings.cluster_token)
    return RunningOptions(
        store=StoreOptions(founder=founder),
        client_urls=_advertised(settings, addresses),
        max_request_bytes=settings.max_request_bytes,
        max_operations=settings.max_operations,
        quota_bytes=settings.quota_bytes,
        election_timeout=settings.election_timeout_seconds,
        progress_interval=settings.progress_interval_seconds,
        snapshot_count=settings.snapshot_count,
    )


def _advertised(settings: ServerSettings, addresses: Addresses) -> tuple[str, ...]:
    """The client URLs to tell, with the port that the system chose where one was left to it."""
    chosen = {
        url.text: listener.port
        for url, listener in zip(settings.listen_client_urls, addresses.listeners, strict=False)
        if not url.path and not url.port
    }
    told = []
    for text in settings.advertise_client_urls:
        base, colon, port = text.rpartition(":")
        left_open = colon and port == "0" and len(chosen) == 1
        told.append(f"{base}:{next(iter(chosen.values()))}" if left_open else text)
    return tuple(told)


def _compaction(settings: ServerSettings, clock: Clock) -> AutoCompaction | None:
    wanted = settings.auto_compaction
    if wanted is None:
        return None
    if wanted.mode is CompactionMode.REVISION:
        return RevisionCompaction(int(wanted.retention), clock.monotonic())
    return PeriodicCompaction(wanted.retention, clock.monotonic())


def _tokens(settings: ServerSettings, clock: Clock) -> TokenProvider:
    if settings.auth_token == "simple":
        return SimpleTokens(clock, SystemRandom(), ttl_seconds=settings.auth_token_seconds)
    from backstay.store.tokens.signed import SignedTokens  # its cryptography is slow to import

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
