"""Errors about recovering a control plane."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

INSTALLATION_UNCLEAR = declare(
    "installation-unclear",
    ExitStatus.USAGE,
    Side.YOU,
    "Which etcd of this host is meant cannot be said: a manifest does not parse, or there are two data directories.",
    "repair the manifest, or name the data directory with --data-dir",
)
LAYOUT_UNSUPPORTED = declare(
    "layout-unsupported",
    ExitStatus.REFUSED,
    Side.YOU,
    "backstay recognises this way of running etcd, and cannot recover it by itself yet.",
    "restore with `backstay snapshot restore`, and stop and start the cluster as its own documentation says",
)
CLUSTER_HEALTHY = declare(
    "cluster-healthy",
    ExitStatus.REFUSED,
    Side.YOU,
    "The cluster that should be recovered is healthy; its data would be replaced by older data.",
    "if that is what you want, type the cluster's name (the member's name in etcd's manifest) with --cluster-name",
)
RECOVERY_UNFINISHED = declare(
    "recovery-unfinished",
    ExitStatus.REFUSED,
    Side.YOU,
    "A recovery of this host has begun and not ended, or is running now.",
    "finish it with `backstay recover --resume`, or take it back with `backstay recover --rollback`",
)
RECOVERY_ABSENT = declare(
    "recovery-absent",
    ExitStatus.USAGE,
    Side.YOU,
    "There is no recovery on this host that could be resumed or rolled back.",
    "begin one with `backstay recover --from FILE --plan`",
)
RECOVERY_UNPROVEN = declare(
    "recovery-unproven",
    ExitStatus.VERIFICATION_FAILED,
    Side.BACKSTAY,
    "A real etcd on the restored directory answers something else than what the snapshot promises.",
    "`backstay recover --rollback` brings the old state back; keep the snapshot and report this",
)
COMPONENT_STUCK = declare(
    "component-stuck",
    ExitStatus.TRANSIENT,
    Side.CLUSTER,
    "A component of the control plane did not stop or start in time.",
    "look at the kubelet (`journalctl -u kubelet`) or the unit, then go on with `backstay recover --resume`",
    retryable=True,
)
MANIFEST_LOST = declare(
    "manifest-lost",
    ExitStatus.ERROR,
    Side.YOU,
    "A static pod's manifest is not where this recovery has left it, or is there twice.",
    "put it back where it was, then go on",
)
