"""Everything a server needs to know, read and checked. Values only: what to do with them is the assembly's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from backstay.server.settings.words import Url

DEFAULT_NAME = "default"
DEFAULT_PEER_URL = Url("http", "localhost", 2380)
DEFAULT_CLIENT_URL = Url("http", "localhost", 2379)
UNLIMITED_STREAMS = 2**32 - 1

MINUTE = 60.0
HOUR = 60 * MINUTE


class CompactionMode(Enum):
    """What the retention of auto compaction counts."""

    PERIODIC = "periodic"
    REVISION = "revision"


class LogFormat(Enum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(Enum):
    """What is logged: this level and those after it."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    DPANIC = "dpanic"
    PANIC = "panic"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class AutoCompaction:
    """History that is kept: seconds of it, or so many revisions."""

    mode: CompactionMode
    retention: float


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates of client URLs. `make_certificate` is --auto-tls."""

    certificate: Path | None = None
    key: Path | None = None
    trusted_authority: Path | None = None
    requires_client_certificate: bool = False
    allowed_common_names: tuple[str, ...] = ()
    allowed_hostnames: tuple[str, ...] = ()
    revoked: Path | None = None
    make_certificate: bool = False
    validity_years: int = 1
    minimum_version: str = "TLS1.2"
    maximum_version: str = ""
    cipher_suites: tuple[str, ...] = ()
    """Names of RFCs; for TLS 1.2 only. Empty is the library's choice."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The server's own log."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON
    outputs: tuple[str, ...] = ("default",)
    """`default` and `stderr`, `stdout`, or paths of files."""


@dataclass(frozen=True, slots=True)
class KeepaliveSettings:
    """Pings of connections, in seconds; 0 is never (interval) or for ever (timeout)."""

    client_min_seconds: float = 5.0
    interval_seconds: float = 2 * HOUR
    timeout_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One server. Sizes are bytes, times seconds."""

    data_directory: Path
    name: str = DEFAULT_NAME
    listen_client_urls: tuple[Url, ...] = (DEFAULT_CLIENT_URL,)
    listen_client_http_urls: tuple[Url, ...] = ()
    """When not empty, HTTP is served here and no longer beside gRPC."""
    listen_metrics_urls: tuple[Url, ...] = ()
    advertise_client_urls: tuple[str, ...] = (DEFAULT_CLIENT_URL.text,)
    """Told to clients, as they were written."""
    peer_urls: tuple[str, ...] = (DEFAULT_PEER_URL.text,)
    """Kept in the directory when it is founded; with the token they make the ids of member and cluster."""
    cluster_token: str = "etcd-cluster"
    joins_existing: bool = False
    """--initial-cluster-state=existing: a directory must be there already, since there is nobody to join."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    snapshot_count: int = 10_000
    quota_bytes: int = 0
    """0 is etcd's default of 2 GiB, negative is none."""
    max_operations: int = 128
    max_request_bytes: int = 1_572_864
    max_concurrent_streams: int = UNLIMITED_STREAMS
    keepalive: KeepaliveSettings = field(default_factory=KeepaliveSettings)
    auto_compaction: AutoCompaction | None = None
    auth_token: str = "simple"
    """`simple`, or `jwt`, whose options are in `auth_token_options`."""
    auth_token_options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    auth_token_seconds: int = 300
    bcrypt_cost: int = 10
    extensive_metrics: bool = False
    serves_gateway: bool = True
    cors_origins: tuple[str, ...] = ("*",)
    host_names: tuple[str, ...] = ("*",)
    """Host headers that plain HTTP answers; `*` is any."""
    log: LogSettings = field(default_factory=LogSettings)
    election_timeout_seconds: float = 1.0
    progress_interval_seconds: float = 10 * MINUTE
    slow_call_seconds: float = 0.3
    """Calls that take longer are logged; 0 is none."""
    waits_for_disk: bool = True
    """False is --unsafe-no-fsync."""
