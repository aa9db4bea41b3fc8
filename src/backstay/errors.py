"""Every error backstay can raise, declared once: its code, exit status, whose side it is on, and the next step.

Code raises `SOME_KIND.error(what=..., where=..., why=...)`. The command line renders `what / where / why / next step`,
the exit status comes from the kind, and `backstay explain CODE` prints the meaning from this catalogue. An error code is
stable API; its words may improve. Integrity problems never come back as `False`: they are raised, or they are a finding.

Commands that keep etcd's exit statuses (`snapshot save|status|restore`, `hashkv`) translate in the command line; the
statuses here are backstay's own (docs/reference/exit-codes.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of backstay's own commands; stable API."""

    OK = 0
    ERROR = 1
    USAGE = 2
    WARNINGS = 3
    VERIFICATION_FAILED = 4
    NOT_RESTORABLE = 5
    TAMPERED = 6
    KEY_OR_PERMISSION = 7
    STORAGE = 8
    REFUSED = 9
    NO_REPOSITORY = 10
    LEASE_HELD = 11
    SOURCE_UNREACHABLE = 12
    TRANSIENT = 75
    INTERRUPTED = 130


class Side(Enum):
    """Whose turn it is to act."""

    YOU = "you"
    CLUSTER = "the cluster"
    STORAGE = "the storage"
    BACKSTAY = "backstay"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One declared error. `meaning` and `next_step` are what `backstay explain` prints."""

    code: str
    exit_status: ExitStatus
    side: Side
    meaning: str
    next_step: str
    retryable: bool = False

    def error(self, what: str, *, where: str = "", why: str = "", next_step: str = "") -> BackstayError:
        """An error of this kind; a `next_step` given here is more specific than the catalogue's and replaces it."""
        return BackstayError(self, what, where=where, why=why, next_step=next_step or self.next_step)


class BackstayError(Exception):
    """What went wrong, where, why, and what to do next. `kind` carries code, exit status and whether a retry can help."""

    def __init__(self, kind: ErrorKind, what: str, *, where: str = "", why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.where = where
        self.why = why
        self.next_step = next_step or kind.next_step

    def __str__(self) -> str:
        text = self.what
        if self.where:
            text += f" ({self.where})"
        if self.why:
            text += f": {self.why}"
        return text


class FormatError(BackstayError):
    """Bytes that are not what their format promises. `offset` counts from the start of the buffer that was given."""

    def __init__(self, what: str, *, offset: int, where: str = "", why: str = "") -> None:
        super().__init__(FORMAT_INVALID, what, where=where or f"offset {offset}", why=why)
        self.offset = offset


_catalogue: dict[str, ErrorKind] = {}


def _declare(
    code: str,
    exit_status: ExitStatus,
    side: Side,
    meaning: str,
    next_step: str,
    *,
    retryable: bool = False,
) -> ErrorKind:
    kind = ErrorKind(code, exit_status, side, meaning, next_step, retryable)
    if code in _catalogue:
        raise ValueError(f"error code {code!r} is declared twice")
    _catalogue[code] = kind
    return kind


def catalogue() -> dict[str, ErrorKind]:
    """Every declared error by its code, in the order of declaration."""
    return dict(_catalogue)


# Files and formats.

FORMAT_INVALID = _declare(
    "format-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "Bytes of a file are not what its format promises: the file is damaged, cut short, or not of this format.",
    "run `backstay snapshot verify FILE` for all findings, and take another copy of the file",
)
SNAPSHOT_INVALID = _declare(
    "snapshot-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "A snapshot failed a check that it must pass before it may be kept or restored.",
    "take a new snapshot from a healthy member, or restore an older one that verifies",
)
TRAILER_MISSING = _declare(
    "trailer-missing",
    ExitStatus.VERIFICATION_FAILED,
    Side.YOU,
    "The file has no SHA-256 trailer: it is a copy of `member/snap/db`, or it was cut short.",
    "if it is a whole copy of `member/snap/db` of a stopped member, restore it with `--skip-hash-check`",
)
TRAILER_MISMATCH = _declare(
    "trailer-mismatch",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The SHA-256 at the end of the snapshot does not fit the bytes before it: the file changed after it was saved.",
    "use another copy of this snapshot; `--skip-hash-check` would restore the damage too",
)
LOG_INVALID = _declare(
    "log-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The write-ahead log of a data directory is damaged in a place where a crash cannot have damaged it.",
    "keep the directory as evidence and restore the newest snapshot that verifies",
)
DIRECTORY_INCONSISTENT = _declare(
    "directory-inconsistent",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The files of a data directory do not fit together, for example a database newer than its log.",
    "restore the database alone with `backstay snapshot restore DIR/member/snap/db --skip-hash-check`",
)
DIRECTORY_IN_USE = _declare(
    "directory-in-use",
    ExitStatus.REFUSED,
    Side.YOU,
    "A running etcd holds the lock of this data directory; its files change while they are read.",
    "use `live` (or `--endpoints`) to read a running member, or stop it first",
)
DIRECTORY_SEVERAL_MEMBERS = _declare(
    "directory-several-members",
    ExitStatus.REFUSED,
    Side.YOU,
    "The data directory belongs to one of several members. The embedded store is a single member: it cannot ask the "
    "others, and entries in this log may never have been agreed on.",
    "start real etcd on it; or restore a snapshot of the cluster into a new directory with one member",
)
JOURNAL_STOPPED = _declare(
    "journal-stopped",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The store could not write its log. What was acknowledged is safe; nothing more is acknowledged until a new start, "
    "because what the disk holds after a failed write is not known.",
    "free space or replace the disk, then start the store again: it reads what is really there",
)
CHECKPOINT_FAILED = _declare(
    "checkpoint-failed",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The store could not build a new base file from its log. It goes on with the old one and the longer log; nothing is "
    "lost.",
    "free space or look at the disk; the next checkpoint tries again",
    retryable=True,
)
REVISION_COMPACTED = _declare(
    "revision-compacted",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The wanted revision is older than the compact revision; its history is no longer in the store.",
    "ask for a revision at or above the compact revision, or use an older snapshot",
)
REVISION_FUTURE = _declare(
    "revision-future",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The wanted revision is newer than the newest one in the store.",
    "ask for a revision up to the current one, or use a newer snapshot",
)
KEY_NOT_FOUND = _declare(
    "key-not-found",
    ExitStatus.ERROR,
    Side.YOU,
    "The key does not exist at that revision.",
    "list what is there with `backstay keys SOURCE PREFIX`",
)
SOURCE_NOT_FOUND = _declare(
    "source-not-found",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.YOU,
    "The file or directory that should be read does not exist.",
    "check the path",
)
SOURCE_UNREADABLE = _declare(
    "source-unreadable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The file or directory exists but this user may not read it.",
    "run the command with sudo, or as a member of the group that owns the file",
)
SOURCE_UNKNOWN = _declare(
    "source-unknown",
    ExitStatus.USAGE,
    Side.YOU,
    "The source is neither a snapshot file, nor an etcd data directory, nor `live`.",
    "name a snapshot file, a data directory (the one that holds `member/`), or `live`",
)

# Targets.

TARGET_EXISTS = _declare(
    "target-exists",
    ExitStatus.REFUSED,
    Side.YOU,
    "The target exists and is not empty; backstay never overwrites.",
    "choose another target, or move the old one aside yourself",
)
TARGET_UNWRITABLE = _declare(
    "target-unwritable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The target cannot be written: no permission, or a read-only file system.",
    "choose a writable target, or run the command as a user who may write there",
)
TARGET_FULL = _declare(
    "target-full",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The file system of the target is full (space, inodes or quota).",
    "free space or choose another target; nothing was left behind",
)
INPUT_OUTPUT = _declare(
    "input-output",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The operating system reported an input/output error.",
    "check the disk (dmesg, SMART) and try another one",
)

# A restore.

MEMBERSHIP_INVALID = _declare(
    "membership-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The new cluster that the arguments describe is not one: a name or a URL is missing, malformed or used twice.",
    "make --name, --initial-cluster and --initial-advertise-peer-urls say the same; see `--help` of the command",
)
RESTORE_UNPROVEN = _declare(
    "restore-unproven",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "The database that was just written does not read back as what its source holds; nothing was kept.",
    "check the disk and the memory of this machine and restore on another one; report it if it happens again",
)

# Talking to a living etcd.

ENDPOINT_UNREACHABLE = _declare(
    "endpoint-unreachable",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.CLUSTER,
    "No connection to the endpoint: nothing listens there, or the network does not let us through.",
    "check that etcd runs and the address and port are right: `ss -ltn | grep 2379`",
    retryable=True,
)
ENDPOINT_TLS = _declare(
    "endpoint-tls",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The TLS handshake with the endpoint failed: wrong CA, missing or expired certificate, or plain text against TLS.",
    "check --cacert, --cert and --key, their dates with `openssl x509 -noout -dates`, and http:// or https://",
)
CREDENTIALS_UNREADABLE = _declare(
    "credentials-unreadable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A certificate or key file that was given or found cannot be read.",
    "run the command with sudo, or as a member of the group that owns the file",
)
CREDENTIALS_INVALID = _declare(
    "credentials-invalid",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A certificate or key file is not what it should be: not PEM, expired, or the key does not belong to the certificate.",
    "name the right files with --cacert, --cert and --key",
)
AUTHENTICATION_FAILED = _declare(
    "authentication-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "etcd refused the user name, the password or the token.",
    "check --user and --password",
)
PERMISSION_DENIED = _declare(
    "permission-denied",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "etcd's own access control refused the request.",
    "use a user that holds the role root (snapshots and hashes need it)",
)
REQUEST_REFUSED = _declare(
    "request-refused",
    ExitStatus.ERROR,
    Side.CLUSTER,
    "etcd answered the request with an error.",
    "read the reason; etcd's log has more",
)
DEADLINE_EXCEEDED = _declare(
    "deadline-exceeded",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "No answer within the deadline; the member is overloaded, stopped, or has no quorum.",
    "check the member's health, or give more time with --command-timeout",
    retryable=True,
)
CLUSTER_UNAVAILABLE = _declare(
    "cluster-unavailable",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "The member answered, but cannot serve the request now: no leader, a leader that changes, or a member that stops.",
    "wait for the election and try again; `etcdctl endpoint status --cluster` shows the leader",
    retryable=True,
)
STREAM_BROKEN = _declare(
    "stream-broken",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "The stream from etcd ended before it was complete.",
    "try again; the member may have restarted",
    retryable=True,
)
NO_HEALTHY_ENDPOINT = _declare(
    "no-healthy-endpoint",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.CLUSTER,
    "None of the endpoints is healthy enough for the request.",
    "see what each endpoint said; with etcd down, use a snapshot or the data directory instead of `live`",
    retryable=True,
)
NO_ETCD_FOUND = _declare(
    "no-etcd-found",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.YOU,
    "No etcd was named and none was found in the usual places of this host.",
    "name one with --endpoints (and --cacert, --cert, --key)",
)
MEMBERS_DISAGREE = _declare(
    "members-disagree",
    ExitStatus.VERIFICATION_FAILED,
    Side.CLUSTER,
    "Members of one cluster answer different HashKV values for the same revision: their data has diverged.",
    "do not compact or restart; save a snapshot of every member and find the odd one out",
)

# The machine.

HOST_REFUSED = _declare(
    "host-refused",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The service manager, the container runtime or the kernel of this host refused what was asked of it.",
    "run the command with sudo; read the reason and the unit's journal",
)

# Blob stores: directories, object stores and SFTP servers that hold backups.

STORAGE_UNREACHABLE = _declare(
    "storage-unreachable",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "No connection to the storage: nothing listens there, its name is unknown, or the connection was lost.",
    "check the address and the network; then try again",
    retryable=True,
)
STORAGE_BUSY = _declare(
    "storage-busy",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage asks for patience: it is overloaded, throttles, or answered with a server error.",
    "try again later",
    retryable=True,
)
STORAGE_BROKEN_OFF = _declare(
    "storage-broken-off",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "A transfer ended before it was complete; nothing incomplete has got a name.",
    "try again",
    retryable=True,
)
STORAGE_DENIED = _declare(
    "storage-denied",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The storage refused the credentials, or they do not allow this operation.",
    "check the key or password, its permissions, and the clock of this host",
)
STORAGE_HOST_UNKNOWN = _declare(
    "storage-host-unknown",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The SSH host key of the server is not in the known hosts, or is another one than there.",
    "compare the server's fingerprint, then add its key to the known hosts file with `ssh-keyscan`",
)
STORAGE_FULL = _declare(
    "storage-full",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage has no space left (or a quota is used up).",
    "free space, raise the quota, or name another storage; nothing incomplete was left under a final name",
)
STORAGE_ABSENT = _declare(
    "storage-absent",
    ExitStatus.STORAGE,
    Side.YOU,
    "The directory or bucket that should hold the backups does not exist; backstay does not create it.",
    "create it, or mount the file system that has it, or correct the location",
)
STORAGE_FAILED = _declare(
    "storage-failed",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage answered with an error that a retry does not help.",
    "read the reason; the storage's own log has more",
)
STORAGE_UNSUPPORTED = _declare(
    "storage-unsupported",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage lacks an operation that is needed here.",
    "use another storage, or another version of its server",
)
STORAGE_READ_ONLY = _declare(
    "storage-read-only",
    ExitStatus.REFUSED,
    Side.YOU,
    "The storage was opened for reading only.",
    "open it for writing",
)
BLOB_NOT_FOUND = _declare(
    "blob-not-found",
    ExitStatus.ERROR,
    Side.YOU,
    "The storage has nothing under this name.",
    "list what is there",
)
BLOB_EXISTS = _declare(
    "blob-exists",
    ExitStatus.REFUSED,
    Side.YOU,
    "The name is taken in the storage; backstay never overwrites it.",
    "choose another name",
)
BLOB_NAME_INVALID = _declare(
    "blob-name-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The name cannot be used in every storage: it is absolute, too long, begins a part with a dot, or has odd characters.",
    "use letters, digits and `._+=@,-`, with `/` between the parts",
)
BLOB_TOO_LARGE = _declare(
    "blob-too-large",
    ExitStatus.STORAGE,
    Side.BACKSTAY,
    "The storage cannot create an object of this size and refuse an existing one in a single step.",
    "write it in smaller objects, or without the condition",
)
LOCATION_INVALID = _declare(
    "location-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The location of a storage is not understood.",
    "use `DIR`, `file:///DIR`, `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` or `sftp://USER@HOST:PORT/DIR`",
)
STORAGE_DRIVER_MISSING = _declare(
    "storage-driver-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "The Python package that speaks to this kind of storage is not installed.",
    "install it as the reason says",
)

# Plain backups.

SNAPSHOT_TOO_SMALL = _declare(
    "snapshot-too-small",
    ExitStatus.VERIFICATION_FAILED,
    Side.CLUSTER,
    "The saved snapshot is sound but smaller than --min-size: perhaps it is of an empty or of another cluster.",
    "look into it with `backstay keys live`; lower --min-size if the cluster is that small. Nothing was kept or removed",
)
RECIPIENT_INVALID = _declare(
    "recipient-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "Nothing can be encrypted to this recipient: it is mistyped, its key is not there, or it means several keys.",
    "give an `age1...` or `ssh-ed25519 ...` public key, or a fingerprint that `gpg --list-keys` shows",
)
GPG_MISSING = _declare(
    "gpg-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "The recipient is not one of age, so the program `gpg` is needed, and it is not on the PATH.",
    "install gnupg, or encrypt to an age recipient, which needs no program",
)
ENCRYPTION_FAILED = _declare(
    "encryption-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The backup could not be encrypted, so it was not kept: nothing unencrypted is ever written to a target.",
    "read the reason; try the same recipient with `gpg --encrypt --recipient` or `age -r`",
)

ETCD_PROGRAM_MISSING = _declare(
    "etcd-program-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "A real etcd is needed for this, and none was found that runs on this machine.",
    "name one with --etcd, or put it on the PATH",
)
ETCD_DOES_NOT_START = _declare(
    "etcd-does-not-start",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "A real etcd was started on a restored directory, and does not serve.",
    "read the end of its log; try another release of etcd, and keep the directory as evidence",
)

# Recovering a control plane.

INSTALLATION_UNCLEAR = _declare(
    "installation-unclear",
    ExitStatus.USAGE,
    Side.YOU,
    "Which etcd of this host is meant cannot be said: a manifest does not parse, or there are two data directories.",
    "repair the manifest, or name the data directory with --data-dir",
)
LAYOUT_UNSUPPORTED = _declare(
    "layout-unsupported",
    ExitStatus.REFUSED,
    Side.YOU,
    "backstay recognises this way of running etcd, and cannot recover it by itself yet.",
    "restore with `backstay snapshot restore`, and stop and start the cluster as its own documentation says",
)
CLUSTER_HEALTHY = _declare(
    "cluster-healthy",
    ExitStatus.REFUSED,
    Side.YOU,
    "The cluster that should be recovered is healthy; its data would be replaced by older data.",
    "if that is what you want, type the cluster's name (the member's name in etcd's manifest) with --cluster-name",
)
RECOVERY_UNFINISHED = _declare(
    "recovery-unfinished",
    ExitStatus.REFUSED,
    Side.YOU,
    "A recovery of this host has begun and not ended, or is running now.",
    "finish it with `backstay recover --resume`, or take it back with `backstay recover --rollback`",
)
RECOVERY_ABSENT = _declare(
    "recovery-absent",
    ExitStatus.USAGE,
    Side.YOU,
    "There is no recovery on this host that could be resumed or rolled back.",
    "begin one with `backstay recover --from FILE --plan`",
)
RECOVERY_UNPROVEN = _declare(
    "recovery-unproven",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "A real etcd on the restored directory answers something else than what the snapshot promises.",
    "`backstay recover --rollback` brings the old state back; keep the snapshot and report this",
)
COMPONENT_STUCK = _declare(
    "component-stuck",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "A component of the control plane did not stop or start in time.",
    "look at the kubelet (`journalctl -u kubelet`) or the unit, then go on with `backstay recover --resume`",
    retryable=True,
)
MANIFEST_LOST = _declare(
    "manifest-lost",
    ExitStatus.ERROR,
    Side.YOU,
    "A static pod's manifest is not where this recovery has left it, or is there twice.",
    "put it back where it was, then go on",
)

# The command line.

USAGE = _declare(
    "usage",
    ExitStatus.USAGE,
    Side.YOU,
    "The arguments do not fit together.",
    "see `--help` of the command",
)
CODE_UNKNOWN = _declare(
    "code-unknown",
    ExitStatus.USAGE,
    Side.YOU,
    "No error or finding has this code.",
    "`backstay explain` without a code lists them all",
)
INTERRUPTED = _declare(
    "interrupted",
    ExitStatus.INTERRUPTED,
    Side.YOU,
    "The command was interrupted; nothing was left behind.",
    "run it again",
)
UNEXPECTED = _declare(
    "unexpected",
    ExitStatus.ERROR,
    Side.BACKSTAY,
    "A defect in backstay: something happened that its authors did not foresee.",
    "report it with the text of the error; `--log-format json` prints the traceback",
)
