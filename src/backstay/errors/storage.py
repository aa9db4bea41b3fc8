"""Errors about blob stores: directories, object stores and SFTP servers that hold backups."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

STORAGE_UNREACHABLE = declare(
    "storage-unreachable",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "No connection to the storage: nothing listens there, its name is unknown, or the connection was lost.",
    "check the address and the network; then try again",
    retryable=True,
)
STORAGE_BUSY = declare(
    "storage-busy",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage asks for patience: it is overloaded, throttles, or answered with a server error.",
    "try again later",
    retryable=True,
)
STORAGE_BROKEN_OFF = declare(
    "storage-broken-off",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "A transfer ended before it was complete; nothing incomplete has got a name.",
    "try again",
    retryable=True,
)
STORAGE_DENIED = declare(
    "storage-denied",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The storage refused the credentials, or they do not allow this operation.",
    "check the key or password, its permissions, and the clock of this host",
)
STORAGE_HOST_UNKNOWN = declare(
    "storage-host-unknown",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The SSH host key of the server is not in the known hosts, or is another one than there.",
    "compare the server's fingerprint, then add its key to the known hosts file with `ssh-keyscan`",
)
STORAGE_FULL = declare(
    "storage-full",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage has no space left (or a quota is used up).",
    "free space, raise the quota, or name another storage; nothing incomplete was left under a final name",
)
STORAGE_ABSENT = declare(
    "storage-absent",
    ExitStatus.STORAGE,
    Side.YOU,
    "The directory or bucket that should hold the backups does not exist; backstay does not create it.",
    "create it, or mount the file system that has it, or correct the location",
)
STORAGE_FAILED = declare(
    "storage-failed",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage answered with an error that a retry does not help.",
    "read the reason; the storage's own log has more",
)
STORAGE_UNSUPPORTED = declare(
    "storage-unsupported",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage lacks an operation that is needed here.",
    "use another storage, or another version of its server",
)
STORAGE_READ_ONLY = declare(
    "storage-read-only",
    ExitStatus.REFUSED,
    Side.YOU,
    "The storage was opened for reading only.",
    "open it for writing",
)
BLOB_NOT_FOUND = declare(
    "blob-not-found",
    ExitStatus.ERROR,
    Side.YOU,
    "The storage has nothing under this name.",
    "list what is there",
)
BLOB_EXISTS = declare(
    "blob-exists",
    ExitStatus.REFUSED,
    Side.YOU,
    "The name is taken in the storage; backstay never overwrites it.",
    "choose another name",
)
BLOB_NAME_INVALID = declare(
    "blob-name-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The name cannot be used in every storage: it is absolute, too long, begins a part with a dot, or has odd characters.",
    "use letters, digits and `._+=@,-`, with `/` between the parts",
)
BLOB_TOO_LARGE = declare(
    "blob-too-large",
    ExitStatus.STORAGE,
    Side.BACKSTAY,
    "The storage cannot create an object of this size and refuse an existing one in a single step.",
    "write it in smaller objects, or without the condition",
)
LOCATION_INVALID = declare(
    "location-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The location of a storage is not understood.",
    "use `DIR`, `file:///DIR`, `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`, "
    "`az://CONTAINER/PREFIX?account=NAME`, `gs://BUCKET/PREFIX` or `sftp://USER@HOST:PORT/DIR`",
)
STORAGE_DRIVER_MISSING = declare(
    "storage-driver-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "The Python package that speaks to this kind of storage is not installed.",
    "install it as the reason says",
)
BLOB_LOCKED = declare(
    "blob-locked",
    ExitStatus.REFUSED,
    Side.STORAGE,
    "The storage keeps the object under lock until a date; before it nobody can delete it.",
    "wait for the date; a sweep counts such objects and takes them later",
)
LOCK_UNSUPPORTED = declare(
    "lock-unsupported",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The storage, or the bucket as it was made, cannot keep an object under lock until a date.",
    "use a bucket with object lock (versioning on), or protect the storage by credentials that may not delete",
)
