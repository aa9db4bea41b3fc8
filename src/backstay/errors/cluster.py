"""Errors about a living etcd and the machine it runs on."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

# Talking to a living etcd.

ENDPOINT_UNREACHABLE = declare(
    "endpoint-unreachable",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.CLUSTER,
    "No connection to the endpoint: nothing listens there, or the network does not let us through.",
    "check that etcd runs and the address and port are right: `ss -ltn | grep 2379`",
    retryable=True,
)
ENDPOINT_TLS = declare(
    "endpoint-tls",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The TLS handshake with the endpoint failed: wrong CA, missing or expired certificate, or plain text against TLS.",
    "check --cacert, --cert and --key, their dates with `openssl x509 -noout -dates`, and http:// or https://",
)
CREDENTIALS_UNREADABLE = declare(
    "credentials-unreadable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A certificate or key file that was given or found cannot be read.",
    "run the command with sudo, or as a member of the group that owns the file",
)
CREDENTIALS_INVALID = declare(
    "credentials-invalid",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A certificate or key file is not what it should be: not PEM, expired, or the key does not belong to the certificate.",
    "name the right files with --cacert, --cert and --key",
)
AUTHENTICATION_FAILED = declare(
    "authentication-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "etcd refused the user name, the password or the token.",
    "check --user and --password",
)
PERMISSION_DENIED = declare(
    "permission-denied",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "etcd's own access control refused the request.",
    "use a user that holds the role root (snapshots and hashes need it)",
)
REQUEST_REFUSED = declare(
    "request-refused",
    ExitStatus.ERROR,
    Side.CLUSTER,
    "etcd answered the request with an error.",
    "read the reason; etcd's log has more",
)
DEADLINE_EXCEEDED = declare(
    "deadline-exceeded",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "No answer within the deadline; the member is overloaded, stopped, or has no quorum.",
    "check the member's health, or give more time with --command-timeout",
    retryable=True,
)
CLUSTER_UNAVAILABLE = declare(
    "cluster-unavailable",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "The member answered, but cannot serve the request now: no leader, a leader that changes, or a member that stops.",
    "wait for the election and try again; `etcdctl endpoint status --cluster` shows the leader",
    retryable=True,
)
STREAM_BROKEN = declare(
    "stream-broken",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "The stream from etcd ended before it was complete.",
    "try again; the member may have restarted",
    retryable=True,
)
SESSION_ENDED = declare(
    "session-ended",
    ExitStatus.ERROR,
    Side.CLUSTER,
    "The lease of a session ended while its lock or its election was waited for.",
    "try again, with a longer time to live if the connection is slow",
    retryable=True,
)
NO_HEALTHY_ENDPOINT = declare(
    "no-healthy-endpoint",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.CLUSTER,
    "None of the endpoints is healthy enough for the request.",
    "see what each endpoint said; with etcd down, use a snapshot or the data directory instead of `live`",
    retryable=True,
)
NO_ETCD_FOUND = declare(
    "no-etcd-found",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.YOU,
    "No etcd was named and none was found in the usual places of this host.",
    "name one with --endpoints (and --cacert, --cert, --key)",
)
MEMBERS_DISAGREE = declare(
    "members-disagree",
    ExitStatus.VERIFICATION_FAILED,
    Side.CLUSTER,
    "Members of one cluster answer different HashKV values for the same revision: their data has diverged.",
    "do not compact or restart; save a snapshot of every member and find the odd one out",
)


# The machine.

HOST_REFUSED = declare(
    "host-refused",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The service manager, the container runtime or the kernel of this host refused what was asked of it.",
    "run the command with sudo; read the reason and the unit's journal",
)


# Certificates and clusters of our own.

PKI_UNFIT = declare(
    "pki-unfit",
    ExitStatus.REFUSED,
    Side.YOU,
    "The files of a certificate directory do not fit together: a key is missing or another's, an authority cannot sign, or "
    "two generations are mixed. Nothing was written.",
    "move the files that do not belong there aside, or use another directory; `backstay pki show DIR` lists them",
)
CLUSTER_ABSENT = declare(
    "cluster-absent",
    ExitStatus.USAGE,
    Side.YOU,
    "There is no cluster of this machine in that directory: it has no `cluster.json`.",
    "name its directory with --directory, or make one with `backstay cluster up`",
)
CLUSTER_DIFFERS = declare(
    "cluster-differs",
    ExitStatus.REFUSED,
    Side.YOU,
    "The directory has a cluster already, and it is not the one that was asked for.",
    "leave the options out to start that one, or choose another --directory; `backstay cluster down --purge` removes it",
)
CLUSTER_BUSY = declare(
    "cluster-busy",
    ExitStatus.TRANSIENT,
    Side.YOU,
    "Another command is bringing this cluster up or down.",
    "wait until it has ended",
    retryable=True,
)
CLUSTER_NOT_READY = declare(
    "cluster-not-ready",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "A member of a cluster on this machine does not serve, does not join, or does not end in time.",
    "read its log; the same command goes on where it stopped, `backstay cluster down` ends all members",
    retryable=True,
)
ETCD_PROGRAM_OLD = declare(
    "etcd-program-old",
    ExitStatus.USAGE,
    Side.YOU,
    "The data was written by a newer release than the etcd that shall start on it; etcd refuses that.",
    "name a newer etcd with --etcd",
)
ETCD_PROGRAM_NEW = declare(
    "etcd-program-new",
    ExitStatus.USAGE,
    Side.YOU,
    "The log of the data directory holds requests of etcd 3.5 or older, on which etcd 3.7 panics. etcd is upgraded one release at "
    "a time, and 3.6 has to take a raft snapshot in between.",
    "name an etcd of 3.6 with --etcd, or restore the directory into a new one, whose log is new",
)
