"""etcd's flags as of 3.7.3, and those of 3.4 to 3.6 that people still have in their files.

Each is supported, accepted or refused (`flags.Standing`); a test compares names and defaults with the help of real etcds.
Meanings are short because the help of a command shows them; etcd's own documentation says more.
"""

from __future__ import annotations

from backstay.server.settings.flags import Flag, Group, Kind, Standing

_TEXT, _SWITCH, _NUMBER, _SIGNED = Kind.TEXT, Kind.SWITCH, Kind.NUMBER, Kind.SIGNED
_DURATION, _URLS, _WORDS = Kind.DURATION, Kind.URLS, Kind.WORDS
_ACCEPTED, _REFUSED = Standing.ACCEPTED, Standing.REFUSED

_NO_PEERS = "a single member has no peers"
_NO_RAFT = "a single member decides alone: no elections, no heartbeats"
_NO_BBOLT = "the database is written by checkpoints, not by bbolt"
_NO_SERVICE = "name the only member with --name and --initial-advertise-peer-urls"
_NO_V2 = "etcd's v2 API went with 3.6"
_NO_PROXY = "run real etcd's `etcd grpc-proxy` in front"
_NO_TRACING = "scrape /metrics, or log slow requests with --warning-unary-request-duration"
_NO_ROTATION = "log to stderr, which journald or the container runtime rotates"
_NO_TIMES = "whole calls are timed instead"
_A_GATE = "write it in --feature-gates"

FEATURE_GATES = (
    "AllAlpha",
    "AllBeta",
    "CompactHashCheck",
    "FastLeaseKeepAlive",
    "InitialCorruptCheck",
    "LeaseCheckpoint",
    "LeaseCheckpointPersist",
    "PriorityRequest",
    "SetMemberLocalAddr",
    "StopGRPCServiceOnDefrag",
    "TxnModeWriteWithSharedBuffer",
)
"""Names that --feature-gates takes. None changes anything here: what they switch lies below the API, or among members."""

_MEMBER = (
    Flag("name", _TEXT, "default", "A name for this member."),
    Flag("data-dir", _TEXT, "${name}.etcd", "The data directory; it is founded where there is none."),
    Flag("wal-dir", _TEXT, "", "Another place for the log.", _REFUSED, "mount the other disk at DATA-DIR/member/wal"),
    Flag("snapshot-count", _NUMBER, "10000", "A checkpoint shortens the log after so many writes."),
    Flag("heartbeat-interval", _NUMBER, "100", "Milliseconds between heartbeats.", _ACCEPTED, _NO_RAFT),
    Flag("election-timeout", _NUMBER, "1000", "Milliseconds; leases live this much longer after a restart."),
    Flag("initial-election-tick-advance", _SWITCH, "true", "Hurry the first election.", _ACCEPTED, _NO_RAFT),
    Flag("listen-peer-urls", _URLS, "http://localhost:2380", "Where peers connect.", _ACCEPTED, _NO_PEERS),
    Flag("listen-client-urls", _URLS, "http://localhost:2379", "Where clients connect, gRPC and HTTP on one port."),
    Flag("listen-client-http-urls", _URLS, "", "Where HTTP is served instead of beside gRPC."),
    Flag(
        "max-snapshots",
        _NUMBER,
        "5",
        "Snapshot files to keep.",
        _ACCEPTED,
        "only the newest is kept",
        etcd_says="--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
    ),
    Flag(
        "max-wals", _NUMBER, "5", "Log files to keep.", _ACCEPTED, "a checkpoint drops every file it has made needless"
    ),
    Flag("memory-mlock", _SWITCH, "false", "Lock the database in memory.", _ACCEPTED, "the kernel decides"),
    Flag("quota-backend-bytes", _SIGNED, "0", "The size at which only deletes are taken; 0 is 2 GiB, negative none."),
    Flag("backend-bbolt-freelist-type", _TEXT, "map", "bbolt's free list.", _ACCEPTED, _NO_BBOLT),
    Flag("backend-batch-interval", _DURATION, "", "bbolt's commit interval.", _ACCEPTED, _NO_BBOLT),
    Flag("backend-batch-limit", _SIGNED, "0", "bbolt's commit size.", _ACCEPTED, _NO_BBOLT),
    Flag("max-txn-ops", _NUMBER, "128", "Operations that a transaction may have."),
    Flag("max-request-bytes", _NUMBER, "1572864", "The largest request."),
    Flag("max-concurrent-streams", _NUMBER, "math.MaxUint32", "Calls that a connection may have open at once."),
    Flag("grpc-keepalive-min-time", _DURATION, "5s", "How often a client may ping."),
    Flag("grpc-keepalive-interval", _DURATION, "2h", "After how much silence a client is pinged; 0 never."),
    Flag("grpc-keepalive-timeout", _DURATION, "20s", "How long a pinged client may take; 0 for ever."),
    Flag("socket-reuse-port", _SWITCH, "false", "Share the port.", _REFUSED, "give every server a port of its own"),
    Flag("socket-reuse-address", _SWITCH, "false", "Rebind at once.", _ACCEPTED, "ports are always rebound at once"),
    Flag("enable-grpc-gateway", _SWITCH, "true", "Serve the JSON gateway."),
    Flag("raft-read-timeout", _DURATION, "5s", "Peers' read timeout.", _ACCEPTED, _NO_PEERS),
    Flag("raft-write-timeout", _DURATION, "5s", "Peers' write timeout.", _ACCEPTED, _NO_PEERS),
    Flag(
        "feature-gates", Kind.GATES, "", "Switches of unfinished features.", _ACCEPTED, "none concerns a single member"
    ),
)

_CLUSTERING = (
    Flag("initial-advertise-peer-urls", _URLS, "http://localhost:2380", "This member's peer URLs; kept on founding."),
    Flag("initial-cluster", _TEXT, "default=http://localhost:2380", "The member itself: NAME=PEER-URL."),
    Flag("initial-cluster-state", _TEXT, "new", "Whether a cluster is founded or joined.", choices=("new", "existing")),
    Flag("initial-cluster-token", _TEXT, "etcd-cluster", "What sets this cluster apart from others; kept on founding."),
    Flag(
        "advertise-client-urls", _URLS, "http://localhost:2379", "Client URLs to tell; those listened on unless given."
    ),
    Flag("discovery", _TEXT, "", "A discovery service.", _REFUSED, _NO_SERVICE),
    Flag("discovery-token", _TEXT, "", "A token of a discovery service.", _REFUSED, _NO_SERVICE),
    Flag("discovery-endpoints", _WORDS, "", "A discovery service.", _REFUSED, _NO_SERVICE),
    Flag("discovery-dial-timeout", _DURATION, "2s", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-request-timeout", _DURATION, "5s", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-keepalive-time", _DURATION, "2s", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-keepalive-timeout", _DURATION, "6s", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-insecure-transport", _SWITCH, "true", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-insecure-skip-tls-verify", _SWITCH, "false", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-cert", _TEXT, "", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-key", _TEXT, "", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-cacert", _TEXT, "", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-user", _TEXT, "", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-password", _TEXT, "", "Of a discovery service.", _ACCEPTED, _NO_SERVICE),
    Flag("discovery-fallback", _TEXT, "exit", "Of a discovery service.", _ACCEPTED, _NO_SERVICE, ("exit", "proxy")),
    Flag("discovery-proxy", _TEXT, "", "Of a discovery service.", _REFUSED, _NO_SERVICE),
    Flag("discovery-srv", _TEXT, "", "A domain that names the members.", _REFUSED, _NO_SERVICE),
    Flag("discovery-srv-name", _TEXT, "", "Of a domain that names the members.", _REFUSED, _NO_SERVICE),
    Flag("strict-reconfig-check", _SWITCH, "true", "Keep the quorum when members change.", _ACCEPTED, _NO_PEERS),
    Flag("pre-vote", _SWITCH, "true", "How elections begin.", _ACCEPTED, _NO_RAFT),
    Flag("auto-compaction-retention", _TEXT, "0", "History to keep: hours, a duration, or revisions; 0 keeps all."),
    Flag("auto-compaction-mode", _TEXT, "periodic", "What the retention counts: periodic or revision."),
    Flag(
        "v2-deprecation",
        _TEXT,
        "write-only",
        "How much of v2 is left.",
        _ACCEPTED,
        _NO_V2,
        etcd_says="--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, "
        "ignoring user input.",
    ),
)

_SECURITY = (
    Flag("cert-file", _TEXT, "", "The server's certificate, for https client URLs."),
    Flag("key-file", _TEXT, "", "The key of the server's certificate."),
    Flag("client-cert-auth", _SWITCH, "false", "Let in only clients with a certificate of --trusted-ca-file."),
    Flag("client-cert-file", _TEXT, "", "For peers that call back.", _ACCEPTED, _NO_PEERS),
    Flag("client-key-file", _TEXT, "", "For peers that call back.", _ACCEPTED, _NO_PEERS),
    Flag("client-crl-file", _TEXT, "", "Client certificates that are revoked."),
    Flag("client-cert-allowed-hostname", _WORDS, "", "Names, one of which a client's certificate must have."),
    Flag("trusted-ca-file", _TEXT, "", "The authority of client certificates; when set, one is required."),
    Flag("auto-tls", _SWITCH, "false", "Serve TLS with a certificate made on the spot."),
    Flag("peer-cert-file", _TEXT, "", "The certificate for peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-key-file", _TEXT, "", "The key for peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-client-cert-auth", _SWITCH, "false", "Whether peers need certificates.", _ACCEPTED, _NO_PEERS),
    Flag("peer-client-cert-file", _TEXT, "", "The client certificate for peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-client-key-file", _TEXT, "", "The client key for peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-trusted-ca-file", _TEXT, "", "The authority of peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-cert-allowed-cn", _WORDS, "", "Names of peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-cert-allowed-hostname", _WORDS, "", "Names of peers.", _ACCEPTED, _NO_PEERS),
    Flag("peer-auto-tls", _SWITCH, "false", "Certificates for peers made on the spot.", _ACCEPTED, _NO_PEERS),
    Flag("self-signed-cert-validity", _NUMBER, "1", "Years that a certificate of --auto-tls is good for."),
    Flag("peer-crl-file", _TEXT, "", "Revoked certificates of peers.", _ACCEPTED, _NO_PEERS),
    Flag("cipher-suites", _WORDS, "", "Cipher suites of TLS 1.2 and no others."),
    Flag("cors", _WORDS, "*", "Origins whose web pages may use the HTTP side."),
    Flag("host-whitelist", _WORDS, "*", "Host names under which plain HTTP is answered."),
    Flag("tls-min-version", _TEXT, "TLS1.2", "The oldest TLS that is spoken.", choices=("TLS1.2", "TLS1.3")),
    Flag("tls-max-version", _TEXT, "", "The newest TLS that is spoken.", choices=("", "TLS1.2", "TLS1.3")),
)

_AUTH = (
    Flag("auth-token", _TEXT, "simple", "Tokens of users: simple, or jwt with its options."),
    Flag("bcrypt-cost", _NUMBER, "10", "How expensive a password is to guess: 4 to 31."),
    Flag("auth-token-ttl", _NUMBER, "300", "Seconds that a simple token lives unused."),
)

_MONITORING = (
    Flag("enable-pprof", _SWITCH, "false", "Profiles of Go.", _ACCEPTED, "there is no Go runtime to profile"),
    Flag("metrics", _TEXT, "basic", "How much is measured: basic, or extensive with times of every call."),
    Flag("listen-metrics-urls", _URLS, "", "Where metrics and health are served too."),
    Flag("enable-distributed-tracing", _SWITCH, "false", "Trace requests.", _REFUSED, _NO_TRACING),
    Flag("distributed-tracing-address", _TEXT, "localhost:4317", "Of traces.", _ACCEPTED, _NO_TRACING),
    Flag("distributed-tracing-service-name", _TEXT, "etcd", "Of traces.", _ACCEPTED, _NO_TRACING),
    Flag("distributed-tracing-instance-id", _TEXT, "", "Of traces.", _ACCEPTED, _NO_TRACING),
    Flag("distributed-tracing-sampling-rate", _NUMBER, "0", "Of traces.", _ACCEPTED, _NO_TRACING),
)

_LOGGING = (
    Flag("logger", _TEXT, "zap", "The logger; there is one.", choices=("zap",)),
    Flag("log-outputs", _WORDS, "default", "Where the log goes: stderr, stdout, or files."),
    Flag(
        "log-level",
        _TEXT,
        "info",
        "What is logged.",
        choices=("debug", "info", "warn", "error", "dpanic", "panic", "fatal"),
    ),
    Flag("log-format", _TEXT, "json", "How it is written: json or console.", choices=("json", "console")),
    Flag("enable-log-rotation", _SWITCH, "false", "Rotate a log file.", _REFUSED, _NO_ROTATION),
    Flag(
        "log-rotation-config-json",
        _TEXT,
        '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
        "How a log file is rotated.",
        _ACCEPTED,
        _NO_ROTATION,
    ),
    Flag("warning-unary-request-duration", _DURATION, "300ms", "Calls that take longer are logged."),
)

_FEATURES = (
    Flag("corrupt-check-time", _DURATION, "0s", "Compare members so often.", _ACCEPTED, _NO_PEERS),
    Flag("compact-hash-check-time", _DURATION, "1m", "Compare members so often.", _ACCEPTED, _NO_PEERS),
    Flag("compaction-batch-limit", _NUMBER, "1000", "Revisions dropped at once.", _ACCEPTED, _NO_BBOLT),
    Flag("peer-skip-client-san-verification", _SWITCH, "false", "Trust peers more.", _ACCEPTED, _NO_PEERS),
    Flag(
        "watch-progress-notify-interval", _DURATION, "10m", "How often an idle watch that asked for it hears progress."
    ),
    Flag("warning-apply-duration", _DURATION, "100ms", "Log slow applies.", _ACCEPTED, _NO_TIMES),
    Flag(
        "bootstrap-defrag-threshold-megabytes",
        _NUMBER,
        "",
        "Defragment at the start.",
        _ACCEPTED,
        _NO_BBOLT,
        etcd_says="Skipping defragmentation",
    ),
    Flag("max-learners", _NUMBER, "1", "Learners that a cluster may have.", _ACCEPTED, _NO_PEERS),
    Flag("compaction-sleep-interval", _DURATION, "", "Rest between drops.", _ACCEPTED, _NO_BBOLT),
    Flag("downgrade-check-time", _DURATION, "", "Look for a downgrade so often.", _ACCEPTED, _NO_PEERS),
    Flag("snapshot-catchup-entries", _NUMBER, "", "Entries kept for slow followers.", _ACCEPTED, _NO_PEERS),
)

_UNSAFE = (
    Flag(
        "force-new-cluster",
        _SWITCH,
        "false",
        "Make one member of several.",
        _ACCEPTED,
        "a cluster of one is all there is",
    ),
    Flag("unsafe-no-fsync", _SWITCH, "false", "Do not wait for the disk; a power cut loses acknowledged writes."),
)

_FORMER = (
    Flag("debug", _SWITCH, "false", "Log everything.", _REFUSED, "write --log-level=debug"),
    Flag("enable-v2", _SWITCH, "false", "Serve the v2 API.", _REFUSED, _NO_V2),
    Flag("log-package-levels", _TEXT, "", "Levels of packages.", _ACCEPTED, "use --log-level"),
    Flag("proxy", _TEXT, "off", "Be a v2 proxy.", _REFUSED, _NO_PROXY),
    Flag("proxy-dial-timeout", _NUMBER, "", "Of a v2 proxy.", _ACCEPTED, _NO_PROXY),
    Flag("proxy-failure-wait", _NUMBER, "", "Of a v2 proxy.", _ACCEPTED, _NO_PROXY),
    Flag("proxy-read-timeout", _NUMBER, "", "Of a v2 proxy.", _ACCEPTED, _NO_PROXY),
    Flag("proxy-refresh-interval", _NUMBER, "", "Of a v2 proxy.", _ACCEPTED, _NO_PROXY),
    Flag("proxy-write-timeout", _NUMBER, "", "Of a v2 proxy.", _ACCEPTED, _NO_PROXY),
    Flag("experimental-enable-v2v3", _TEXT, "", "Serve v2 from v3.", _REFUSED, _NO_V2),
    Flag("experimental-compact-hash-check-enabled", _SWITCH, "false", "A feature gate now.", _ACCEPTED, _A_GATE),
    Flag("experimental-enable-lease-checkpoint", _SWITCH, "false", "A feature gate now.", _ACCEPTED, _A_GATE),
    Flag("experimental-enable-lease-checkpoint-persist", _SWITCH, "false", "A feature gate now.", _ACCEPTED, _A_GATE),
    Flag("experimental-initial-corrupt-check", _SWITCH, "false", "A feature gate now.", _ACCEPTED, _A_GATE),
    Flag("experimental-stop-grpc-service-on-defrag", _SWITCH, "false", "A feature gate now.", _ACCEPTED, _A_GATE),
    Flag("experimental-txn-mode-write-with-shared-buffer", _SWITCH, "true", "A feature gate now.", _ACCEPTED, _A_GATE),
)

RENAMED = {
    f"experimental-{name}": name
    for name in (
        "backend-bbolt-freelist-type",
        "bootstrap-defrag-threshold-megabytes",
        "compact-hash-check-time",
        "compaction-batch-limit",
        "compaction-sleep-interval",
        "corrupt-check-time",
        "distributed-tracing-address",
        "distributed-tracing-instance-id",
        "distributed-tracing-sampling-rate",
        "distributed-tracing-service-name",
        "downgrade-check-time",
        "enable-distributed-tracing",
        "max-learners",
        "memory-mlock",
        "peer-skip-client-san-verification",
        "snapshot-catchup-entries",
        "warning-apply-duration",
        "warning-unary-request-duration",
        "watch-progress-notify-interval",
    )
}
"""Former names, with the present ones."""

GROUPS: dict[Group, tuple[Flag, ...]] = {
    Group.MEMBER: _MEMBER,
    Group.CLUSTERING: _CLUSTERING,
    Group.SECURITY: _SECURITY,
    Group.AUTH: _AUTH,
    Group.MONITORING: _MONITORING,
    Group.LOGGING: _LOGGING,
    Group.FEATURES: _FEATURES,
    Group.UNSAFE: _UNSAFE,
    Group.FORMER: _FORMER,
}

FLAGS: dict[str, Flag] = {flag.name: flag for group in GROUPS.values() for flag in group}
"""Every flag by its present name."""
