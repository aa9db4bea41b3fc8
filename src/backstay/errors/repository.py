"""Errors about repositories: what is stored in one, who may read it, and what it can give back."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

REPOSITORY_MISSING = declare(
    "repository-missing",
    ExitStatus.NO_REPOSITORY,
    Side.YOU,
    "There is no repository at this place: `backstay.json` is not there.",
    "check the location, or make a repository there with `backstay init`",
)
REPOSITORY_EXISTS = declare(
    "repository-exists",
    ExitStatus.REFUSED,
    Side.YOU,
    "There is a repository at this place, or something else lies under its names; nothing is ever overwritten.",
    "use it, or choose an empty place for the new one",
)
REPOSITORY_UNSAFE = declare(
    "repository-unsafe",
    ExitStatus.REFUSED,
    Side.STORAGE,
    "The storage replaces objects although it was asked to create them only if the name is free, so two writers could "
    "destroy each other's backups.",
    "use another storage, or promise with --single-writer that only one machine ever writes there",
)
REPOSITORY_NEWER = declare(
    "repository-newer",
    ExitStatus.ERROR,
    Side.YOU,
    "The repository, or an object in it, is of a format that this release does not know.",
    "use the release of backstay that wrote it, or a newer one",
)
RECIPIENTS_TOO_FEW = declare(
    "recipients-too-few",
    ExitStatus.USAGE,
    Side.YOU,
    "An encrypted repository needs two recipients, one of them kept offline: with one lost key everything would be lost.",
    "name another recipient, or let `init` make the recovery identity",
)
OBJECT_DAMAGED = declare(
    "object-damaged",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "An object of the repository is not what was written: bytes were changed, cut off, or put in another's place.",
    "run `backstay verify --all` to see what else is affected, and restore from another copy or another point",
)
OBJECT_MISSING = declare(
    "object-missing",
    ExitStatus.VERIFICATION_FAILED,
    Side.STORAGE,
    "An object that a backup needs is not in the repository.",
    "run `backstay verify --all` to see which points still restore; look for another copy of the object",
)
SIGNATURE_WRONG = declare(
    "signature-wrong",
    ExitStatus.TAMPERED,
    Side.STORAGE,
    "A document is not signed by a key that the repository trusts for it: it was forged, changed, or its writer was revoked.",
    "do not restore from it; find out who can write to the storage, and use another copy",
)
CHAIN_BROKEN = declare(
    "chain-broken",
    ExitStatus.TAMPERED,
    Side.STORAGE,
    "The documents of a lineage do not follow from one another: one is missing, exchanged, or from another history.",
    "run `backstay verify --all`; use another copy of the repository",
)
REPOSITORY_ROLLED_BACK = declare(
    "repository-rolled-back",
    ExitStatus.TAMPERED,
    Side.STORAGE,
    "The repository shows an older state than this host has seen, or another root: backups were removed or exchanged.",
    "find out what happened to the storage; only then forget what this host has seen, by removing its state",
)
KEY_UNAVAILABLE = declare(
    "key-unavailable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The repository is encrypted, and no identity that was given opens the key of this object.",
    "give an identity with --identity FILE or BACKSTAY_IDENTITY; `backstay recipient list` names the recipients",
)
IDENTITY_INVALID = declare(
    "identity-invalid",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "This is no identity: a line `AGE-SECRET-KEY-1...` is missing or mistyped.",
    "give the file that `init` or `age-keygen` wrote, or the paper with the recovery identity",
)
SIGNING_KEY_INVALID = declare(
    "signing-key-invalid",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The key that signs backups is missing or cannot be read, or the repository does not trust it.",
    "give the state directory in which `init` put it, or let the owner of the root key admit this host",
)
POINT_NOT_FOUND = declare(
    "point-not-found",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The repository holds no backup of exactly this time, revision or id.",
    "choose one of the nearest points, or look at all with `backstay list`",
)
POINT_UNPROVEN = declare(
    "point-unproven",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "What was read back is not what the backup says it holds; nothing was written.",
    "restore the point before it, and report this: no object is damaged, but they do not fit together",
)
SOURCE_UNSOUND = declare(
    "source-unsound",
    ExitStatus.VERIFICATION_FAILED,
    Side.CLUSTER,
    "The snapshot that should be backed up is damaged or incomplete, so no backup was made of it.",
    "run `backstay snapshot verify` on it; take the snapshot from another member",
)
COMMIT_LOST = declare(
    "commit-lost",
    ExitStatus.TRANSIENT,
    Side.STORAGE,
    "Other writers were faster every time; nothing of this backup is visible.",
    "try again; find out who else writes to this lineage",
    retryable=True,
)
STATE_UNUSABLE = declare(
    "state-unusable",
    ExitStatus.ERROR,
    Side.YOU,
    "What this host remembers of the repository cannot be read or written.",
    "check the state directory and its permissions; without its memory the next backup is a base",
)
KEY_SERVICE_FAILED = declare(
    "key-service-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A key service (Vault, AWS KMS) that is a recipient did not answer, or not as it should.",
    "check its address and that it is unsealed and reachable; any other recipient opens the same backups",
    retryable=True,
)
KEY_SERVICE_DENIED = declare(
    "key-service-denied",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A key service (Vault, AWS KMS) that is a recipient refused these credentials, or does not let them use the key so.",
    "check the token or role and its policy; an agent needs `encrypt` alone, who restores needs `decrypt`",
)
WRITER_REVOKED = declare(
    "writer-revoked",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The repository does not believe the signing key of this host any more: whatever it wrote now would count as nothing.",
    "let the owner of the root key admit this host with a new key, after finding out why the old one was revoked",
)
COPY_DIVERGED = declare(
    "copy-diverged",
    ExitStatus.TAMPERED,
    Side.STORAGE,
    "The target of a copy holds something else under a name that the source has, or points that the source does not have; "
    "nothing was copied.",
    "find out which of the two is the right one; copy to an empty place, or in the other direction",
)
COMPANIONS_SEALED = declare(
    "companions-sealed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The companions of this backup are sealed to recipients of their own, and no identity that was given is one of theirs.",
    "give the identity that `backup --companion-recipient` named; `backstay show` lists the recipients",
)
COMPANIONS_MISSING = declare(
    "companions-missing",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "The backup has no companions: it was made without --with-companions.",
    "look for another point with `backstay show`, or for a copy of the files elsewhere",
)
COMPANION_UNREADABLE = declare(
    "companion-unreadable",
    ExitStatus.USAGE,
    Side.YOU,
    "A companion that was asked for is not there, cannot be read, or is too large to be one.",
    "run it where the files are, as a user who may read them; name a layout (kubeadm, k3s, rke2) or paths that exist",
)
RETENTION_REFUSED = declare(
    "retention-refused",
    ExitStatus.REFUSED,
    Side.YOU,
    "The plan looks like a mistake or an attack: it would remove too much, too young points, or follows a suspicious head.",
    "read the plan; what is right although it looks wrong is allowed by name with --allow",
)
RETENTION_CHANGED = declare(
    "retention-changed",
    ExitStatus.REFUSED,
    Side.YOU,
    "What would be done now is not what was planned: points, holds or the policy are others than when the plan was read.",
    "read the new plan with `backstay retention plan`, then apply it by its hash",
)
POINT_NOT_EXPIRED = declare(
    "point-not-expired",
    ExitStatus.NOT_RESTORABLE,
    Side.YOU,
    "Only a point that is marked and not swept yet can be brought back.",
    "list what is marked with `backstay list --expired`; a swept point lives on in other copies only",
)
LEASE_HELD = declare(
    "lease-held",
    ExitStatus.LEASE_HELD,
    Side.YOU,
    "Somebody else maintains the repository at this moment, or did so less than a minute ago and died.",
    "wait for a minute; if it lasts although nobody is at work, use `backstay retention break-lease` with its number",
)
LEASE_LOST = declare(
    "lease-lost",
    ExitStatus.LEASE_HELD,
    Side.YOU,
    "The maintenance lease was broken, or somebody else took it after it had run out; nothing more was deleted.",
    "look who else maintains the repository; what was begun is finished by the next run",
)
