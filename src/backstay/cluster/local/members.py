"""Starting the members of a cluster and waiting for them; what founding, growing and starting again share."""

from __future__ import annotations

from dataclasses import dataclass

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.certificates import files_for
from backstay.cluster.local.description import LocalCluster, LocalMember
from backstay.cluster.local.processes import find_member, has_ended, log_tail, start_member
from backstay.durable import Disk
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.telemetry import Progress

READY_SECONDS = 90.0
ANSWER_SECONDS = 2.0
POLL_SECONDS = 0.05

REFUSED_AND_ALIVE = (errors.PERMISSION_DENIED, errors.AUTHENTICATION_FAILED)
"""What a store with users says to nobody in particular; only a member that serves can say it."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts members of one cluster, and asks them. `user` is for a store that has users."""

    cluster: LocalCluster
    disk: Disk
    clock: Clock
    progress: Progress
    user: str = ""
    password: str = ""

    def start(self, member: LocalMember, initial_cluster: str, state: str) -> None:
        """Start `member` unless it runs. What it is told of the cluster counts at its very first start only."""
        if find_member(self.cluster, member) is None:
            self.progress.begin(f"starting {member.name}", None)
            start_member(self.cluster, member, arguments(self.cluster, member, initial_cluster, state), self.disk)

    def client(self, *members: LocalMember) -> Client:
        """A client of `members`, or of all."""
        return Client(self.cluster.options(*members, user=self.user, password=self.password), clock=self.clock)

    def wait_until_serving(self, member: LocalMember) -> None:
        """Return when `member` answers a read that needs a quorum, or refuses it for want of a user."""
        self.progress.begin(f"waiting for {member.name}", None)
        deadline = self.clock.monotonic() + READY_SECONDS
        with self.client(member) as client:
            while True:
                try:
                    client.kv.range(b"health", keys_only=True, timeout_seconds=ANSWER_SECONDS)
                    return
                except BackstayError as problem:
                    if problem.kind in REFUSED_AND_ALIVE:
                        return
                    said = problem
                self.refuse_ended(member)
                if self.clock.monotonic() > deadline:
                    raise errors.CLUSTER_NOT_READY.error(
                        f"{member.name} does not serve", where=str(self.cluster.log(member)), why=said.why or said.what
                    ) from said
                self.clock.sleep(POLL_SECONDS)

    def refuse_ended(self, member: LocalMember) -> None:
        """Raise `ETCD_DOES_NOT_START` with the end of its log when `member` does not run any more."""
        identity = find_member(self.cluster, member)
        if identity is None or has_ended(identity):
            log = self.cluster.log(member)
            raise errors.ETCD_DOES_NOT_START.error(
                f"etcd {self.cluster.program.version} has ended on `{member.data_directory}`",
                where=str(log),
                why=log_tail(log),
                next_step="read the end of its log; `backstay cluster down` ends the other members",
            )


def arguments(cluster: LocalCluster, member: LocalMember, initial_cluster: str, state: str) -> list[str]:
    """The command line of `member`, without the program."""
    said = [
        f"--name={member.name}",
        f"--data-dir={member.data_directory}",
        f"--listen-client-urls={member.client_url}",
        f"--advertise-client-urls={member.client_url}",
        f"--listen-peer-urls={member.peer_url}",
        f"--initial-advertise-peer-urls={member.peer_url}",
        f"--initial-cluster={initial_cluster}",
        f"--initial-cluster-state={state}",
        f"--initial-cluster-token={cluster.token}",
        "--logger=zap",
    ]
    return [*said, *files_for(cluster.pki).etcd] if cluster.is_tls else said
