"""One member becomes several: a store's directory in a real etcd, and members added to it one by one.

    start etcd on the directory -> its peer address becomes one that the others reach
    for each other member: add it as a learner -> start it -> when it has caught up, make it a voter

A learner has no vote, so the quorum is never at stake while it copies; only the promotion changes it, and etcd refuses that
until the learner has caught up. Every step asks the cluster whether it is done, so an interrupted growth goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from backstay import errors
from backstay.cluster.local.description import LocalMember
from backstay.cluster.local.members import Starter
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.results import Member

CHANGE_SECONDS = 90.0
POLL_SECONDS = 0.2

_WORTH_ANOTHER_TRY = (
    errors.REQUEST_REFUSED,  # not in sync yet; not enough started members; connected too short a time
    errors.CLUSTER_UNAVAILABLE,
    errors.DEADLINE_EXCEEDED,
    errors.ENDPOINT_UNREACHABLE,
)


def grow(starter: Starter) -> None:
    """Make the cluster of `starter` whole. Raises as `Starter` does, and `CLUSTER_NOT_READY` when etcd keeps refusing."""
    first, *others = starter.cluster.members
    grown = [first, *(member for member in others if member.has_data)]  # after an interruption they may be the quorum
    for member in grown:
        starter.start(member, starter.cluster.initial_cluster, "existing")
    starter.wait_until_serving(first)
    with starter.client(first) as client:
        _settle_peer_address(starter, client, first)
        for member in others:
            _join(starter, client, member)
    # Last of all: a learner that found no leader at once serves clients only seven seconds later, and a voter sooner.
    for member in others:
        starter.wait_until_serving(member)


def _settle_peer_address(starter: Starter, client: Client, first: LocalMember) -> None:
    members = client.cluster.members().members
    if len(members) > 1 or members[0].peer_urls == (first.peer_url,):
        return
    starter.progress.begin(f"changing the peer address of {first.name}", None)
    own = members[0].member_id
    _until(
        starter,
        lambda: client.cluster.members().members[0].peer_urls == (first.peer_url,),
        lambda: client.cluster.update(own, [first.peer_url]),
        f"the peer address of {first.name}",
    )


def _join(starter: Starter, client: Client, member: LocalMember) -> None:
    """Make `member` a voter, from whatever it is."""

    def found() -> Member | None:
        listed = client.cluster.members().members
        return next((each for each in listed if member.peer_url in each.peer_urls), None)

    starter.progress.begin(f"adding {member.name}", None)
    _until(
        starter,
        lambda: found() is not None,
        lambda: client.cluster.add([member.peer_url], is_learner=True),
        f"adding {member.name}",
    )
    names = {each.peer_url: each.name for each in starter.cluster.members}
    listed = client.cluster.members().members
    initial_cluster = ",".join(f"{names.get(url) or each.name}={url}" for each in listed for url in each.peer_urls)
    starter.start(member, initial_cluster, "existing")
    starter.progress.begin(f"waiting until {member.name} has caught up", None)

    def promote() -> None:
        starter.refuse_ended(member)
        learner = found()
        if learner is not None and learner.is_learner:
            client.cluster.promote(learner.member_id)

    def is_voter() -> bool:
        learner = found()
        return learner is not None and not learner.is_learner

    _until(starter, is_voter, promote, f"making {member.name} a voter")


def _until(starter: Starter, is_done: Callable[[], bool], do: Callable[[], object], what: str) -> None:
    """Do it until it is done: etcd refuses for a while, and raft may drop a change without a word."""
    deadline = starter.clock.monotonic() + CHANGE_SECONDS
    said: BackstayError | None = None
    while True:
        try:
            if is_done():
                return
            do()
            continue
        except BackstayError as problem:
            if problem.kind not in _WORTH_ANOTHER_TRY:
                raise
            said = problem
        if starter.clock.monotonic() > deadline:
            raise errors.CLUSTER_NOT_READY.error(
                f"{what} does not succeed", where=str(starter.cluster.directory), why=said.why or said.what
            ) from said
        starter.clock.sleep(POLL_SECONDS)
