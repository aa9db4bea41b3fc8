"""What the members of a cluster on this machine say of themselves, beside whether their processes run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from backstay.clock import Clock
from backstay.cluster.local.description import LocalCluster, LocalMember
from backstay.cluster.local.members import REFUSED_AND_ALIVE
from backstay.cluster.local.processes import find_member
from backstay.etcd.client import Client
from backstay.etcd.health import EndpointHealth, health_of
from backstay.etcd.results import MemberStatus
from backstay.values import hex_id


@dataclass(frozen=True, slots=True)
class MemberReport:
    """One member. `lag` is how many raft entries it is behind the leader; what is not known is None, sizes are bytes."""

    name: str
    endpoint: str
    role: str
    healthy: bool
    pid: int | None
    id: str
    version: str
    revision: int | None
    raft_term: int | None
    raft_index: int | None
    lag: int | None
    database_size: int | None
    data_directory: str
    problem: str


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The whole. `serves` says that a quorum answers; `wants_user` that this cannot be said without a user of the store."""

    name: str
    directory: str
    serves: bool
    wants_user: bool
    leader: str
    members: tuple[MemberReport, ...]
    alarms: tuple[str, ...]
    environment: dict[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether every member is healthy."""
        return all(member.healthy for member in self.members)


def cluster_status(cluster: LocalCluster, clock: Clock, *, user: str = "", password: str = "") -> ClusterStatus:
    """Ask every member. Raises only what is wrong on our side, as unreadable certificates."""
    with contextlib.ExitStack() as opened:
        options = [cluster.options(member, user=user, password=password) for member in cluster.members]
        clients = [opened.enter_context(Client(each, clock=clock)) for each in options]
        healths = health_of(clients)
    said = [health.status for health in healths if health.status is not None]
    leader = next((each for each in said if each.is_leader), None)
    reports = tuple(
        _report(cluster, member, health, leader) for member, health in zip(cluster.members, healths, strict=True)
    )
    alarms = dict.fromkeys(str(alarm) for health in healths for alarm in health.alarms)
    return ClusterStatus(
        cluster.name,
        str(cluster.directory),
        any(health.problem is None for health in healths),
        any(health.problem is not None and health.problem.kind in REFUSED_AND_ALIVE for health in healths),
        next((each.name for each in reports if each.role == "leader"), ""),
        reports,
        tuple(alarms),
        cluster.environment(),
    )


def _report(
    cluster: LocalCluster, member: LocalMember, health: EndpointHealth, leader: MemberStatus | None
) -> MemberReport:
    process, status = find_member(cluster, member), health.status
    problem = "" if health.problem is None else health.problem.why or health.problem.what
    return MemberReport(
        member.name,
        member.client_url,
        _role(status, is_running=process is not None),
        health.is_healthy and status is not None and not status.is_learner,
        process.pid if process is not None else None,
        hex_id(status.header.member_id) if status is not None else "",
        status.version if status is not None else "",
        status.header.revision if status is not None else None,
        status.raft_term if status is not None else None,
        status.raft_applied_index if status is not None else None,
        max(0, leader.raft_index - status.raft_applied_index) if status is not None and leader is not None else None,
        status.database_size_bytes if status is not None else None,
        str(member.data_directory),
        problem if process is not None else "it does not run",
    )


def _role(status: MemberStatus | None, *, is_running: bool) -> str:
    if status is None:
        return "silent" if is_running else "stopped"
    if status.is_learner:
        return "learner"
    if status.is_leader:
        return "leader"
    return "follower" if status.leader else "candidate"
