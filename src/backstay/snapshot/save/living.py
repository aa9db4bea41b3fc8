"""A living cluster as the source of a snapshot: which member is copied, and whom it is compared with.

Called by the command line and by jobs. Asking changes nothing in the cluster; all connections end with the context.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from backstay import errors
from backstay.clock import Clock
from backstay.errors import BackstayError
from backstay.etcd import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.health import EndpointHealth, choose_snapshot_member, health_of
from backstay.etcd.results import MemberStatus
from backstay.snapshot.save.members import HashSource
from backstay.snapshot.save.save import SnapshotSource
from backstay.values import MemberId


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


class _Clients:
    """One client per member, opened when it is first needed and closed together."""

    def __init__(self, options: ConnectionOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._clients: dict[Endpoint, Client] = {}

    def of(self, endpoint: Endpoint) -> Client:
        if endpoint not in self._clients:
            self._clients[endpoint] = Client(self._options.only(endpoint), clock=self._clock)
        return self._clients[endpoint]

    def hashes(self, endpoint: Endpoint, member_id: MemberId) -> HashSource:
        return HashSource(str(endpoint), member_id, self.of(endpoint).maintenance.hash_kv)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@contextmanager
def living_source(options: ConnectionOptions, *, clock: Clock, with_others: bool = True) -> Iterator[ChosenMember]:
    """Choose a member among the endpoints of `options`; the others and the rest of the cluster are compared with.

    Raises `NO_HEALTHY_ENDPOINT`, or what the only endpoint said.
    """
    with contextlib.closing(_Clients(options, clock)) as clients:
        healths = health_of([clients.of(endpoint) for endpoint in dict.fromkeys(options.endpoints)])
        choice = choose_snapshot_member(healths)
        status = choice.health.status
        if status is None:
            raise choice.health.problem or errors.NO_HEALTHY_ENDPOINT.error("the member did not say its status")
        client = clients.of(choice.endpoint)
        others: tuple[HashSource, ...] = ()
        unknown: BackstayError | None = None
        if with_others:
            others, unknown = _others(client, healths, status.header.member_id, clients)
        own = clients.hashes(choice.endpoint, status.header.member_id)
        source = SnapshotSource(client.maintenance.snapshot, own, status.version, others)
        yield ChosenMember(source, choice.endpoint, choice.why, status, healths, unknown)


def _others(
    client: Client, healths: Sequence[EndpointHealth], own: MemberId, clients: _Clients
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
    return tuple(clients.hashes(endpoint, member_id) for member_id, endpoint in places.items()), unknown
