"""What the members answer, asked with short deadlines: health, membership, hashes, the distance to the last compaction.

Called by `gather`. Members that are listed but were not named are asked too, with the same credentials.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from backstay.clock import Clock
from backstay.doctor.facts import LiveFacts
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.health import EndpointHealth, check_health
from backstay.etcd.results import HashKV, Member
from backstay.values import Revision

DIAL_SECONDS = 2.0
COMMAND_SECONDS = 3.0
HASH_SECONDS = 10.0


def ask(options: ConnectionOptions, clock: Clock) -> LiveFacts:
    """Ask every member that can be found. Never raises: a problem with our own credentials counts as no answer."""
    options = replace(
        options,
        dial_timeout_seconds=min(options.dial_timeout_seconds, DIAL_SECONDS),
        command_timeout_seconds=min(options.command_timeout_seconds, COMMAND_SECONDS),
        long_timeout_seconds=HASH_SECONDS,
    )
    try:
        healths = check_health(options, clock=clock)
    except BackstayError as problem:
        return LiveFacts(tuple(EndpointHealth(endpoint, problem=problem) for endpoint in options.endpoints))
    if not any(each.status is not None for each in healths):
        return LiveFacts(healths)
    members = _members(options, clock)
    others = _other_endpoints(options, members or ())
    if others:
        healths = _once_each([*healths, *check_health(replace(options, endpoints=others), clock=clock)])
    hashes, hash_problem = _hashes(options, healths, clock)
    return LiveFacts(healths, members, hashes, hash_problem, _compact_lag(hashes, healths))


def _members(options: ConnectionOptions, clock: Clock) -> tuple[Member, ...] | None:
    try:
        with Client(options, clock=clock) as client:
            return client.cluster.members(linearizable=False).members
    except BackstayError:
        return None


def _other_endpoints(options: ConnectionOptions, members: Iterable[Member]) -> tuple[Endpoint, ...]:
    """One client address of each member that `options` do not name."""
    named = set(options.endpoints)
    found = []
    for member in members:
        endpoints = [Endpoint.parse(url) for url in member.client_urls]
        if endpoints and named.isdisjoint(endpoints):
            found.append(endpoints[0])
    return tuple(found)


def _once_each(healths: list[EndpointHealth]) -> tuple[EndpointHealth, ...]:
    """One entry per member: an address of a member that has answered at another one adds nothing."""
    seen: set[int] = set()
    kept = []
    for health in healths:
        if health.status is not None:
            if health.status.header.member_id in seen:
                continue
            seen.add(health.status.header.member_id)
        kept.append(health)
    return tuple(kept)


def _hashes(
    options: ConnectionOptions, healths: tuple[EndpointHealth, ...], clock: Clock
) -> tuple[dict[str, HashKV], str]:
    """HashKV of each answering member at the lowest revision among them, and why some are missing."""
    answering = [each for each in healths if each.status is not None]
    revision = min(each.status.header.revision for each in answering if each.status is not None)
    hashes: dict[str, HashKV] = {}
    problem = ""
    for health in answering:
        try:
            with Client(options.only(health.endpoint), clock=clock) as client:
                hashes[str(health.endpoint)] = client.maintenance.hash_kv(Revision(revision))
        except BackstayError as refusal:
            problem = f"{health.endpoint}: {refusal.why or refusal.what}"
    return hashes, problem


def _compact_lag(hashes: dict[str, HashKV], healths: tuple[EndpointHealth, ...]) -> int | None:
    newest = max((each.status.header.revision for each in healths if each.status is not None), default=0)
    compacted = max((each.compact_revision for each in hashes.values()), default=None)
    return newest - max(compacted, 0) if compacted is not None else None
