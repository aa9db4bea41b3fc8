"""What a recovery has to say at its end. Fields are stable JSON; seconds are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.jobs.recover.loss import Loss
from backstay.jobs.recover.verify import Comparison


@dataclass(frozen=True, slots=True)
class RecoverReport:
    """A control plane that is back. `seconds_to_ready` counts from the begin of the recovery to /readyz.

    `proof` is `quarantine` where a real etcd proved the directory before it was used, else `offline`.
    """

    id: str
    snapshot: str
    cluster_name: str
    seconds_to_ready: float
    seconds: Mapping[str, float]
    revision_before: int
    revision_after: int
    keys: int
    resources: Mapping[str, int]
    proof: str
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    loss: Loss
    kept: tuple[str, ...]
    reminders: tuple[str, ...]
    journal: str


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """The old state is back: `restored` is where its data lies again, `kept` what the recovery had put there."""

    id: str
    restored: tuple[str, ...]
    kept: tuple[str, ...]
    started: tuple[str, ...]
    journal: str


REMINDERS = (
    "restart the kubelet on every node: systemctl restart kubelet",
    "restart what watches the API and does not relist by itself: kube-proxy, the CNI, operators",
    "look at what came back or is gone: kubectl get nodes,pv,pvc -A; services may hold an address twice until repaired",
    "take a new snapshot now: backstay snapshot save FILE",
)
