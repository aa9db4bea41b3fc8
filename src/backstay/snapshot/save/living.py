"""A living cluster as the source of a snapshot: which member is copied, and whom it is compared with.

Called by the command line and by jobs. Asking changes nothing in the cluster; all connections end with the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from backstay import errors
from backstay.clock import Clock
from backstay.errors import BackstayError
from backstay.etcd import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.health import EndpointHealth, check_health, choose_snapshot_member
from backstay.etcd.results import HashKV, MemberStatus
from backstay.snapshot.save.members import HashSource
from backstay.snapshot.save.save import SnapshotSource
from backstay.values import MemberId, Revision


@dataclass(frozen=True, slots=True)
class ChosenMember:
    """The member to copy, a sentence on why, and what it says of itself."""

    source: SnapshotSource
    endpoint: Endpoint
    why: str
    status: MemberStatus
    healths: tuple[EndpointHealth, ...]
    members_unknown: BackstayError | None = None
    """Why the cluster could not be asked for its other members."""


@contextmanager
def living_source(options: ConnectionOptions, *, clock: Clock, with_others: bool = True) -> Iterator[ChosenMember]:
    """Choose a member among the endpoints of `options`; the others and the rest of the cluster are compared with.

    Raises `NO_HEALTHY_ENDPOINT`, or what the only endpoint said.
    """
    healths = check_health(options, clock=clock)
    choice = choose_snapshot_member(healths)
    status = choice.health.status
    if status is None:
        raise choice.health.problem or errors.NO_HEALTHY_ENDPOINT.error("the member did not say its status")
    with Client(options.only(choice.endpoint), clock=clock) as client, _Asker(options, clock) as asker:
        own = HashSource(str(choice.endpoint), status.header.member_id, client.maintenance.hash_kv)
        others: tuple[HashSource, ...] = ()
        unknown: BackstayError | None = None
        if with_others:
            others, unknown = _others(client, healths, own.member_id, asker)
        source = SnapshotSource(client.maintenance.snapshot, own, status.version, others)
        yield ChosenMember(source, choice.endpoint, choice.why, status, healths, unknown)


class _Asker:
    """Clients of the other members, opened when they are first asked and closed together."""

    def __init__(self, options: ConnectionOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._clients: list[Client] = []

    def source(self, endpoint: Endpoint, member_id: MemberId) -> HashSource:
        client = Client(self._options.only(endpoint), clock=self._clock)
        self._clients.append(client)

        def ask(revision: Revision) -> HashKV:
            return client.maintenance.hash_kv(revision)

        return HashSource(str(endpoint), member_id, ask)

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *problem: object) -> None:
        for client in self._clients:
            client.close()


def _others(
    client: Client, healths: Sequence[EndpointHealth], own: MemberId, asker: _Asker
) -> tuple[tuple[HashSource, ...], BackstayError | None]:
    """Every other voter once: by the endpoint that was given for it, else by the first address that it publishes."""
    statuses = {health.endpoint: health.status for health in healths if health.status is not None}
    passed_over = {own} | {status.header.member_id for status in statuses.values() if status.is_learner}
    places: dict[MemberId, Endpoint] = {}
    for endpoint, status in statuses.items():
        if status.header.member_id not in passed_over:
            places.setdefault(status.header.member_id, endpoint)
    unknown: BackstayError | None = None
    try:
        # One member's own view: a cluster without a quorum is the one that most needs its snapshot.
        for member in client.cluster.members(linearizable=False).members:
            if member.member_id not in passed_over and not member.is_learner and member.client_urls:
                places.setdefault(member.member_id, Endpoint.parse(member.client_urls[0]))
    except BackstayError as problem:
        unknown = problem
    return tuple(asker.source(endpoint, member_id) for member_id, endpoint in places.items()), unknown
