"""Which member a snapshot is taken from."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd.connection import Endpoint
from backstay.etcd.health import LAG_LIMIT, EndpointHealth, choose_snapshot_member
from backstay.etcd.results import Alarm, AlarmType, Header, MemberStatus
from backstay.values import ClusterId, MemberId, Revision

LEADER = 1


def member(
    number: int, *, applied: int = 5000, is_learner: bool = False, fault: str = "", alarms: tuple[Alarm, ...] = ()
) -> EndpointHealth:
    """A member as its endpoint shows it; number 1 leads."""
    header = Header(ClusterId(9), MemberId(number), Revision(1), 2)
    status = MemberStatus(
        header=header, version="3.6.0", database_size_bytes=1, database_in_use_bytes=1, leader=MemberId(LEADER),
        raft_index=applied, raft_term=2, raft_applied_index=applied, errors=(), is_learner=is_learner,
        storage_version="3.6.0", quota_bytes=0, downgrade_target="",
    )  # fmt: skip
    problem = errors.DEADLINE_EXCEEDED.error("no answer", why=fault) if fault else None
    return EndpointHealth(Endpoint("http", f"member-{number}"), status, alarms, problem)


def silent(number: int) -> EndpointHealth:
    problem = errors.ENDPOINT_UNREACHABLE.error("no connection", why="Connection refused")
    return EndpointHealth(Endpoint("http", f"member-{number}"), None, (), problem)


def chosen(*healths: EndpointHealth) -> tuple[str, str]:
    choice = choose_snapshot_member(healths)
    return choice.endpoint.host, choice.why


def test_a_follower_spares_the_leader() -> None:
    assert chosen(member(1), member(2), member(3))[0] == "member-2"
    assert "so the leader is spared" in chosen(member(1), member(2))[1]


def test_the_follower_that_has_applied_most_is_taken() -> None:
    host, why = chosen(member(1), member(2, applied=4990), member(3, applied=4999))
    assert host == "member-3"
    assert "1 entries behind" in why


def test_the_leader_is_better_than_a_follower_that_lags() -> None:
    host, why = chosen(member(1), member(2, applied=5000 - LAG_LIMIT - 1))
    assert host == "member-1"
    assert "no healthy follower keeps up" in why


def test_who_is_asked_alone_is_taken() -> None:
    assert "the only member that was asked" in chosen(member(1))[1]


def test_learners_the_silent_and_the_corrupt_are_passed_over() -> None:
    corrupt = (Alarm(MemberId(2), AlarmType.CORRUPT),)
    odd = member(2, alarms=corrupt)
    assert chosen(silent(5), member(4, is_learner=True), odd, member(3, alarms=corrupt))[0] == "member-3"


def test_without_a_quorum_the_one_that_has_applied_most_is_taken_and_said_to_lag() -> None:
    host, why = chosen(member(2, applied=10, fault="etcdserver: no leader"), member(3, applied=20, fault="no leader"))
    assert host == "member-3"
    assert "may lack the newest writes" in why


def test_when_none_fits_each_endpoint_says_why() -> None:
    with pytest.raises(BackstayError) as caught:
        choose_snapshot_member([silent(1), member(2, is_learner=True)])
    assert caught.value.kind is errors.NO_HEALTHY_ENDPOINT
    assert "member-1:2379: Connection refused" in caught.value.why
    assert "member-2:2379: it is a learner" in caught.value.why
    with pytest.raises(BackstayError) as alone:
        choose_snapshot_member([silent(1)])
    assert alone.value.kind is errors.ENDPOINT_UNREACHABLE
