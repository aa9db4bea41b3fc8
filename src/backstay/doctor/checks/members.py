"""The members against each other and against the manifest: leader, lag, learners, names."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts, LiveFacts
from backstay.etcd.results import Member
from backstay.findings import Finding, Severity
from backstay.values import hex_id

LAG_LIMIT = 5000

NO_LEADER = findings.declare(
    "no-leader",
    Severity.ERROR,
    "A member knows no leader: the cluster takes no writes.",
    "bring back enough members for a quorum, and check the network between their peer ports",
)
MEMBER_LAGS = findings.declare(
    "member-lags",
    Severity.WARNING,
    "A member is far behind the others in applying the log; its disk or network is slow.",
    "look at the disk latency of that member (`backstay doctor --probe` there)",
)
LEARNER = findings.declare(
    "learner",
    Severity.NOTE,
    "A member is a learner: it does not vote, and does not count for the quorum.",
    "promote it when it has caught up",
)
MEMBER_NOT_STARTED = findings.declare(
    "member-not-started",
    Severity.WARNING,
    "A member was added but never started; it counts for the quorum all the same.",
    "start it, or remove it from the cluster",
)
MEMBERS_DIFFER_FROM_MANIFEST = findings.declare(
    "members-differ-from-manifest",
    Severity.WARNING,
    "The members of the cluster are not those that --initial-cluster of this installation names.",
    "harmless while the data directory lives, wrong after it is lost: bring the manifest up to date",
)
EVEN_MEMBERS = findings.declare(
    "even-members",
    Severity.NOTE,
    "The cluster has an even number of voters: it tolerates no more failures than with one member less.",
    "add or remove a member",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Only what members said."""
    live = facts.live
    if live is None or not live.answers:
        return
    yield from _statuses(live)
    if live.members is None:
        return
    yield from _membership(live.members)
    wanted = (facts.installation.flags.get("initial-cluster", "") if facts.installation is not None else "").split(",")
    named = {url.partition("=")[2] for url in wanted if "=" in url}
    present = {url for member in live.members for url in member.peer_urls}
    if named and named != present:
        yield MEMBERS_DIFFER_FROM_MANIFEST.at(
            "the cluster",
            f"the manifest has {', '.join(sorted(named))}; the members have {', '.join(sorted(present))}",
        )


def _statuses(live: LiveFacts) -> Iterator[Finding]:
    highest = max(each.status.raft_applied_index for each in live.healths if each.status is not None)
    for health in live.healths:
        status = health.status
        if status is None:
            continue
        subject = f"member {health.endpoint}"
        if not status.leader:
            yield NO_LEADER.at(subject, "it knows no leader")
        if highest - status.raft_applied_index > LAG_LIMIT:
            yield MEMBER_LAGS.at(subject, f"{highest - status.raft_applied_index} entries behind")
        if status.is_learner:
            yield LEARNER.at(subject, f"member {hex_id(status.header.member_id)}")


def _membership(members: tuple[Member, ...]) -> Iterator[Finding]:
    for member in members:
        if not member.name:
            yield MEMBER_NOT_STARTED.at(
                f"member {hex_id(member.member_id)}", f"peer URLs {', '.join(member.peer_urls)}"
            )
    voters = [member for member in members if not member.is_learner]
    if len(voters) % 2 == 0:
        yield EVEN_MEMBERS.at("the cluster", f"{len(voters)} voters")


CHECK = Check("members", "leader, lag and membership", examine)
