"""Errors about files and formats, targets and restores."""

from __future__ import annotations

from backstay.errors.kinds import BackstayError, ExitStatus, Side, declare

# Files and formats.

FORMAT_INVALID = declare(
    "format-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "Bytes of a file are not what its format promises: the file is damaged, cut short, or not of this format.",
    "run `backstay snapshot verify FILE` for all findings, and take another copy of the file",
)
SNAPSHOT_INVALID = declare(
    "snapshot-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "A snapshot failed a check that it must pass before it may be kept or restored.",
    "take a new snapshot from a healthy member, or restore an older one that verifies",
)
TRAILER_MISSING = declare(
    "trailer-missing",
    ExitStatus.VERIFICATION_FAILED,
    Side.YOU,
    "The file has no SHA-256 trailer: it is a copy of `member/snap/db`, or it was cut short.",
    "if it is a whole copy of `member/snap/db` of a stopped member, restore it with `--skip-hash-check`",
)
TRAILER_MISMATCH = declare(
    "trailer-mismatch",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The SHA-256 at the end of the snapshot does not fit the bytes before it: the file changed after it was saved.",
    "use another copy of this snapshot; `--skip-hash-check` would restore the damage too",
)
LOG_INVALID = declare(
    "log-invalid",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The write-ahead log of a data directory is damaged in a place where a crash cannot have damaged it.",
    "keep the directory as evidence and restore the newest snapshot that verifies",
)
DIRECTORY_INCONSISTENT = declare(
    "directory-inconsistent",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "The files of a data directory do not fit together, for example a database newer than its log.",
    "restore the database alone with `backstay snapshot restore DIR/member/snap/db --skip-hash-check`",
)
DIRECTORY_IN_USE = declare(
    "directory-in-use",
    ExitStatus.REFUSED,
    Side.YOU,
    "A running etcd holds the lock of this data directory; its files change while they are read.",
    "use `live` (or `--endpoints`) to read a running member, or stop it first",
)
DIRECTORY_SEVERAL_MEMBERS = declare(
    "directory-several-members",
    ExitStatus.REFUSED,
    Side.YOU,
    "The data directory belongs to one of several members. The embedded store is a single member: it cannot ask the "
    "others, and entries in this log may never have been agreed on.",
    "start real etcd on it; or restore a snapshot of the cluster into a new directory with one member",
)
JOURNAL_STOPPED = declare(
    "journal-stopped",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The store could not write its log. What was acknowledged is safe; nothing more is acknowledged until a new start, "
    "because what the disk holds after a failed write is not known.",
    "free space or replace the disk, then start the store again: it reads what is really there",
)
CHECKPOINT_FAILED = declare(
    "checkpoint-failed",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The store could not build a new base file from its log. It goes on with the old one and the longer log; nothing is "
    "lost.",
    "free space or look at the disk; the next checkpoint tries again",
    retryable=True,
)
REVISION_COMPACTED = declare(
    "revision-compacted",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The wanted revision is older than the compact revision; its history is no longer in the store.",
    "ask for a revision at or above the compact revision, or use an older snapshot",
)
REVISION_FUTURE = declare(
    "revision-future",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The wanted revision is newer than the newest one in the store.",
    "ask for a revision up to the current one, or use a newer snapshot",
)
KEY_NOT_FOUND = declare(
    "key-not-found",
    ExitStatus.ERROR,
    Side.YOU,
    "The key does not exist at that revision.",
    "list what is there with `backstay keys SOURCE PREFIX`",
)
SOURCE_NOT_FOUND = declare(
    "source-not-found",
    ExitStatus.SOURCE_UNREACHABLE,
    Side.YOU,
    "The file or directory that should be read does not exist.",
    "check the path",
)
SOURCE_UNREADABLE = declare(
    "source-unreadable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The file or directory exists but this user may not read it.",
    "run the command with sudo, or as a member of the group that owns the file",
)
SOURCE_UNKNOWN = declare(
    "source-unknown",
    ExitStatus.USAGE,
    Side.YOU,
    "The source is neither a snapshot file, nor an etcd data directory, nor `live`.",
    "name a snapshot file, a data directory (the one that holds `member/`), or `live`",
)


# Targets.

TARGET_EXISTS = declare(
    "target-exists",
    ExitStatus.REFUSED,
    Side.YOU,
    "The target exists and is not empty; backstay never overwrites.",
    "choose another target, or move the old one aside yourself",
)
TARGET_UNWRITABLE = declare(
    "target-unwritable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The target cannot be written: no permission, or a read-only file system.",
    "choose a writable target, or run the command as a user who may write there",
)
TARGET_FULL = declare(
    "target-full",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The file system of the target is full (space, inodes or quota).",
    "free space or choose another target; nothing was left behind",
)
INPUT_OUTPUT = declare(
    "input-output",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "The operating system reported an input/output error.",
    "check the disk (dmesg, SMART) and try another one",
)


# A restore.

MEMBERSHIP_INVALID = declare(
    "membership-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The new cluster that the arguments describe is not one: a name or a URL is missing, malformed or used twice.",
    "make --name, --initial-cluster and --initial-advertise-peer-urls say the same; see `--help` of the command",
)
RESTORE_UNPROVEN = declare(
    "restore-unproven",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "The database that was just written does not read back as what its source holds; nothing was kept.",
    "check the disk and the memory of this machine and restore on another one; report it if it happens again",
)


class FormatError(BackstayError):
    """Bytes that are not what their format promises. `offset` counts from the start of the buffer that was given."""

    def __init__(self, what: str, *, offset: int, where: str = "", why: str = "") -> None:
        super().__init__(FORMAT_INVALID, what, where=where or f"offset {offset}", why=why)
        self.offset = offset
