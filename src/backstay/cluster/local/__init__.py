"""A real etcd cluster of several members on this machine: for trying, rehearsing, and growing a store out of one process.

    DIR/cluster.json       what it is (`description`); there before anything starts, so that `down` can clean up anything
    DIR/pki/               with TLS: the certificates (`cluster.certificates`)
    DIR/data/NAME/         the data directories that this cluster has made
    DIR/1.log              what member 1 says
    DIR/1.process.json     which process member 1 is (`processes`)

plan      what will happen, and the refusal of what cannot
up        founding, restoring, growing, starting; doing it again goes on where it was interrupted
growing   one member becomes several: learners first, then voters
status    what the members say of themselves
down      the processes end, and with `purge` the files go

All members share one machine, so this is no high availability; the cluster itself is etcd's own in every respect.
"""

from backstay.cluster.local.description import LocalCluster, LocalMember, Origin, load_cluster
from backstay.cluster.local.down import DownPlan, DownReport, plan_down, take_down
from backstay.cluster.local.plan import UpPlan, UpWish, plan_up
from backstay.cluster.local.status import ClusterStatus, MemberReport, cluster_status
from backstay.cluster.local.up import UpReport, bring_up

__all__ = [
    "ClusterStatus",
    "DownPlan",
    "DownReport",
    "LocalCluster",
    "LocalMember",
    "MemberReport",
    "Origin",
    "UpPlan",
    "UpReport",
    "UpWish",
    "bring_up",
    "cluster_status",
    "load_cluster",
    "plan_down",
    "plan_up",
    "take_down",
]
