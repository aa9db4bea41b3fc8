"""How each endpoint is, and which member a snapshot should come from.

Called by snapshot save, doctor and the archive. Asking never changes anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backstay import errors
from backstay.clock import Clock
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.results import Alarm, AlarmType, MemberStatus
from backstay.values import hex_id

LAG_LIMIT = 1000
"""A member whose applied index is further behind the highest one is not a source for a snapshot."""

_HEALTH_KEY = b"health"
_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """What one endpoint showed. `status` is None when it did not even answer that.

    `problem` is the first thing that failed: no status, no linearizable read (no quorum), or no list of alarms.
    """

    endpoint: Endpoint
    status: MemberStatus | None = None
    alarms: tuple[Alarm, ...] = ()
    problem: errors.BackstayError | None = None

    @property
    def is_healthy(self) -> bool:
        """As `etcdctl endpoint health` judges: the read works and no alarm is raised anywhere."""
        return self.problem is None and not self.alarms

    @property
    def is_corrupt(self) -> bool:
        """Whether a CORRUPT alarm names this member."""
        if self.status is None:
            return False
        own = self.status.header.member_id
        return any(alarm.alarm == AlarmType.CORRUPT and alarm.member_id == own for alarm in self.alarms)


@dataclass(frozen=True, slots=True)
class SnapshotChoice:
    """The member to copy, and why, as a sentence for people."""

    health: EndpointHealth
    why: str

    @property
    def endpoint(self) -> Endpoint:
        """Where the member listens."""
        return self.health.endpoint


def check_health(options: ConnectionOptions, *, clock: Clock | None = None) -> tuple[EndpointHealth, ...]:
    """The health of every endpoint of `options`, asked at the same time, in their order.

    Raises only what is wrong on our side: `CREDENTIALS_UNREADABLE`, `CREDENTIALS_INVALID`.
    """
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(options.only(each), clock=clock)) for each in options.endpoints]
        return health_of(clients)


def health_of(clients: Sequence[Client]) -> tuple[EndpointHealth, ...]:
    """As `check_health`, over clients of one endpoint each, which stay open for whatever comes next."""
    with ThreadPoolExecutor(min(_PARALLEL, len(clients)), thread_name_prefix="backstay-health") as pool:
        return tuple(pool.map(_check, clients))


def _check(client: Client) -> EndpointHealth:
    """The health of one endpoint: its status, a linearizable read, the alarms."""
    own_side = (errors.CREDENTIALS_UNREADABLE, errors.CREDENTIALS_INVALID)
    (endpoint,) = client.options.endpoints
    status: MemberStatus | None = None
    try:
        status = client.maintenance.status()
        try:
            client.kv.range(_HEALTH_KEY, keys_only=True)
        except errors.BackstayError as problem:
            if problem.kind is not errors.PERMISSION_DENIED:  # a refusal took a quorum too
                raise
        return EndpointHealth(endpoint, status, client.maintenance.alarms())
    except errors.BackstayError as problem:
        if problem.kind in own_side:
            raise
        return EndpointHealth(endpoint, status, (), problem)


def choose_snapshot_member(healths: Sequence[EndpointHealth]) -> SnapshotChoice:
    """The best member to copy: a healthy follower that keeps up, else the leader, else any that answers at all.

    Learners, members with a CORRUPT alarm, and members far behind are passed over. When no member has a quorum, the one
    with the highest applied index is chosen and `why` says so: that copy is what an administrator then needs. Raises
    `NO_HEALTHY_ENDPOINT` with what each endpoint said.
    """
    answering = [health for health in healths if health.status is not None and not health.is_corrupt]
    voters = [health for health in answering if health.status is not None and not health.status.is_learner]
    serving = [health for health in voters if health.problem is None]
    if not voters:
        raise _none_fit(healths)
    highest = max(_applied(health) for health in voters)
    if serving:
        close = [health for health in serving if highest - _applied(health) <= LAG_LIMIT]
        followers = [health for health in close if health.status is not None and not health.status.is_leader]
        if followers:
            best = max(followers, key=_applied)
            return SnapshotChoice(
                best, f"{_name(best)} is a healthy follower{_lag(best, highest)}, so the leader is spared"
            )
        leaders = [health for health in close if health.status is not None and health.status.is_leader]
        if leaders:
            alone = "the only member that was asked" if len(healths) == 1 else "no healthy follower keeps up"
            return SnapshotChoice(leaders[0], f"{_name(leaders[0])} is the leader; {alone}")
        best = max(serving, key=_applied)
        return SnapshotChoice(
            best, f"{_name(best)} is healthy but {highest - _applied(best)} entries behind; no other serves"
        )
    best = max(voters, key=_applied)
    said = best.problem.why or best.problem.what if best.problem is not None else "no answer"
    return SnapshotChoice(
        best, f"no member serves reads ({said}); {_name(best)} has applied most, and may lack the newest writes"
    )


def _applied(health: EndpointHealth) -> int:
    return health.status.raft_applied_index if health.status is not None else -1


def _lag(health: EndpointHealth, highest: int) -> str:
    behind = highest - _applied(health)
    return f" ({behind} entries behind)" if behind else ""


def _name(health: EndpointHealth) -> str:
    member = f" (member {hex_id(health.status.header.member_id)})" if health.status is not None else ""
    return f"{health.endpoint}{member}"


def _none_fit(healths: Sequence[EndpointHealth]) -> errors.BackstayError:
    if len(healths) == 1 and healths[0].problem is not None:
        return healths[0].problem
    said = []
    for health in healths:
        if health.is_corrupt:
            verdict = "a CORRUPT alarm names it"
        elif health.status is not None and health.status.is_learner:
            verdict = "it is a learner"
        elif health.problem is not None:
            verdict = health.problem.why or health.problem.what
        else:
            verdict = "no answer"
        said.append(f"{health.endpoint}: {verdict}")
    return errors.NO_HEALTHY_ENDPOINT.error("no member can be copied", why="; ".join(said))
