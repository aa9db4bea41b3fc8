"""Errors about plain backups, and about the real etcd that proves one."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

SNAPSHOT_TOO_SMALL = declare(
    "snapshot-too-small",
    ExitStatus.VERIFICATION_FAILED,
    Side.CLUSTER,
    "The saved snapshot is sound but smaller than --min-size: perhaps it is of an empty or of another cluster.",
    "look into it with `backstay keys live`; lower --min-size if the cluster is that small. Nothing was kept or removed",
)
RECIPIENT_INVALID = declare(
    "recipient-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "Nothing can be encrypted to this recipient: it is mistyped, its key is not there, or it means several keys.",
    "give an `age1...` or `ssh-ed25519 ...` public key, or a fingerprint that `gpg --list-keys` shows",
)
GPG_MISSING = declare(
    "gpg-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "The recipient is not one of age, so the program `gpg` is needed, and it is not on the PATH.",
    "install gnupg, or encrypt to an age recipient, which needs no program",
)
ENCRYPTION_FAILED = declare(
    "encryption-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The backup could not be encrypted, so it was not kept: nothing unencrypted is ever written to a target.",
    "read the reason; try the same recipient with `gpg --encrypt --recipient` or `age -r`",
)
DECRYPTION_FAILED = declare(
    "decryption-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "An encrypted backup cannot be opened with the identities at hand.",
    "give the identity with --identity FILE; what gpg encrypted is opened by the keyring of this user",
)
BACKUP_UNPACKABLE = declare(
    "backup-unpackable",
    ExitStatus.VERIFICATION_FAILED,
    Side.YOU,
    "A compressed backup does not unpack: it is cut short, damaged, or larger than is taken.",
    "take another copy of the file",
)

ETCD_PROGRAM_MISSING = declare(
    "etcd-program-missing",
    ExitStatus.USAGE,
    Side.YOU,
    "A real etcd is needed for this, and none was found that runs on this machine.",
    "name one with --etcd, or put it on the PATH",
)
ETCD_DOES_NOT_START = declare(
    "etcd-does-not-start",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "A real etcd was started on a restored directory, and does not serve.",
    "read the end of its log; try another release of etcd, and keep the directory as evidence",
)
