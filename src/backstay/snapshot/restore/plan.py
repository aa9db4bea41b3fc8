"""What a restore is going to do, as a value: printed by `--dry-run`, carried out by `write`, part of its report.

Pure: facts about the source and the wishes of the user in, a `RestorePlan` out, or the refusal of wishes that cannot be
fulfilled. Every sentence a person reads about a restore before it happens is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from backstay import errors
from backstay.formats import mvcc
from backstay.snapshot.inspect import Trailer
from backstay.snapshot.restore.examine import SourceFacts
from backstay.snapshot.restore.members import NewCluster
from backstay.values import Revision, hex_id, size_text

DEFAULT_BUMP = 1_000_000_000
"""More revisions than a busy cluster writes in a week (1,500 a second): what etcd's own guide advises."""

MISSING_LEASE_SECONDS = 3600
"""For a lease that nothing is known of: as long as the longest that Kubernetes uses, that of its Events."""


class LeaseTreatment(Enum):
    """What becomes of leases, and of the keys that are attached to them.

    `keep` starts each with the time it had left where that was recorded, else with its full time; `refresh` always with its
    full time. `drop` frees the keys from their leases: they stay for ever. `drop-keys` ends every lease as if its time
    had passed: its keys are deleted, at a revision of their own.
    """

    KEEP = "keep"
    REFRESH = "refresh"
    DROP = "drop"
    DROP_KEYS = "drop-keys"


@dataclass(frozen=True, slots=True)
class Changes:
    """What the user wants otherwise than in the source. `bump` of None means: decide by what the keys look like."""

    bump: int | None = None
    keep_revision: bool = False
    clear_alarms: bool = False
    leases: LeaseTreatment = LeaseTreatment.KEEP


@dataclass(frozen=True, slots=True)
class Target:
    """One member's directory. `wal_directory` is None where the log lies inside the data directory."""

    name: str
    directory: Path
    wal_directory: Path | None = None


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """One member of the new cluster; `directory` is empty for members that another call restores."""

    name: str
    id: str
    peer_urls: tuple[str, ...]
    directory: str
    wal_directory: str


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What will be read, written and changed. Revisions are main revisions, ids hex as etcd prints them, sizes bytes."""

    source: str
    source_size: int
    hash_checked: bool
    kubernetes_prefix: str
    revision_before: Revision
    revision_after: Revision
    compact_revision_before: Revision
    compact_revision_after: Revision
    bump: int
    leases: LeaseTreatment
    clear_alarms: bool
    missing_leases: tuple[int, ...]
    """Leases that keys are attached to and the source does not have: without them those keys would never end."""
    cluster_id: str
    cluster_token: str
    members: tuple[PlannedMember, ...]
    changes: tuple[str, ...]
    notices: tuple[str, ...]
    steps: tuple[str, ...]


def make_plan(facts: SourceFacts, changes: Changes, cluster: NewCluster, targets: tuple[Target, ...]) -> RestorePlan:
    """The plan. Raises `USAGE` for a bump that leads beyond the highest revision."""
    bump = _bump(facts, changes)
    # etcd's tool counts from the newest record alone; see docs/decisions/0002.
    after = Revision(facts.revision + bump + _deletions(facts, changes))
    if after > mvcc.MAX_REVISION:
        raise errors.USAGE.error(
            f"revision {facts.revision} cannot be bumped by {bump}", why=f"the highest revision is {mvcc.MAX_REVISION}"
        )
    places = {target.name: target for target in targets}
    members = tuple(
        PlannedMember(
            member.name,
            hex_id(member.id),
            member.peer_urls,
            str(places[member.name].directory) if member.name in places else "",
            str(_log_place(places[member.name])) if member.name in places else "",
        )
        for member in sorted(cluster.members, key=lambda member: member.name)
    )
    return RestorePlan(
        source=facts.description,
        source_size=facts.file_size,
        hash_checked=facts.trailer is Trailer.RIGHT,
        kubernetes_prefix=facts.kubernetes_prefix,
        revision_before=facts.revision,
        revision_after=after,
        compact_revision_before=facts.compact_revision,
        compact_revision_after=after if bump else facts.compact_revision,
        bump=bump,
        leases=changes.leases,
        clear_alarms=changes.clear_alarms,
        missing_leases=facts.missing_leases if changes.leases in _WITH_LEASES else (),
        cluster_id=hex_id(cluster.id),
        cluster_token=cluster.token,
        members=members,
        changes=tuple(_changes(facts, changes, cluster, bump)),
        notices=tuple(_notices(facts, changes, cluster, bump, targets)),
        steps=tuple(_steps(facts, targets)),
    )


_WITH_LEASES = (LeaseTreatment.KEEP, LeaseTreatment.REFRESH)


def _deletions(facts: SourceFacts, changes: Changes) -> int:
    """How many revisions the end of all leases takes: one, if any key is attached to one."""
    return 1 if changes.leases is LeaseTreatment.DROP_KEYS and facts.attached_lease_count else 0


def _bump(facts: SourceFacts, changes: Changes) -> int:
    if changes.bump is not None:
        return changes.bump
    return DEFAULT_BUMP if facts.kubernetes_prefix and not changes.keep_revision else 0


def _log_place(target: Target) -> Path:
    return target.wal_directory or target.directory / "member" / "wal"


def _changes(facts: SourceFacts, changes: Changes, cluster: NewCluster, bump: int) -> list[str]:
    old = ", ".join(facts.member_names) or "nobody"
    done = [f"membership: {old} replaced by {', '.join(sorted(member.name for member in cluster.members))}"]
    if bump:
        why = ""
        if changes.bump is None:
            why = f", because keys under {facts.kubernetes_prefix} look like Kubernetes (--keep-revision refuses it)"
        done.append(f"revision raised by {bump:,}, everything before marked compacted{why}")
    if changes.leases is LeaseTreatment.DROP and (facts.lease_count or facts.attached_lease_count):
        done.append(f"{_count(facts.lease_count, 'lease')} dropped; their keys stay and no longer expire")
    if changes.leases is LeaseTreatment.DROP_KEYS and (facts.lease_count or facts.attached_lease_count):
        done.append(
            f"{_count(facts.lease_count, 'lease')} ended: the keys of {facts.attached_lease_count} are deleted at revision "
            f"{facts.revision + 1}"
        )
    if changes.leases is LeaseTreatment.REFRESH and facts.lease_count:
        done.append(f"{_count(facts.lease_count, 'lease')} refreshed: each has its full time from the start")
    if facts.missing_leases and changes.leases in _WITH_LEASES:
        done.append(
            f"{_count(len(facts.missing_leases), 'lease')} that the source lost and keys are attached to made anew, with "
            f"{MISSING_LEASE_SECONDS} seconds: without them those keys would never end"
        )
    if changes.clear_alarms and facts.alarms:
        done.append(f"alarms cleared: {', '.join(facts.alarms)}")
    versions = [text for text in (facts.cluster_version, facts.storage_version) if text]
    if versions:
        done.append(
            f"recorded versions ({', '.join(dict.fromkeys(versions))}) left out: every release from 3.4 on starts"
        )
    if facts.has_downgrade:
        done.append("the downgrade that was under way is forgotten")
    return done


def _notices(
    facts: SourceFacts, changes: Changes, cluster: NewCluster, bump: int, targets: tuple[Target, ...]
) -> list[str]:
    notices = []
    if facts.auth_enabled:
        notices.append(
            "authentication is on: root's password is still needed, the one valid at the time of the snapshot"
        )
    if facts.alarms and not changes.clear_alarms:
        notices.append(
            f"alarms are carried along ({', '.join(facts.alarms)}): writes are refused until `etcdctl alarm disarm`; "
            "--clear-alarms restores without them"
        )
    if facts.lease_count and changes.leases in _WITH_LEASES:
        notices.append(
            f"{_count(facts.lease_count, 'lease')} start anew with their full time; then their keys are deleted and the "
            "revision moves on; --lease drop keeps those keys"
        )
    if facts.trailer is Trailer.NOT_COMPARED:
        notices.append("the SHA-256 of the snapshot was not compared (--skip-hash-check)")
    elif facts.trailer is Trailer.MISSING and not facts.is_directory:
        notices.append("the file has no SHA-256: writes that were only in the log of its member are not restored")
    if facts.kubernetes_prefix and not bump:
        notices.append(
            "the revision is kept: stop all API servers before the start, and restart everything that watches afterwards"
        )
    absent = [member.name for member in cluster.members if member.name not in {target.name for target in targets}]
    if absent:
        notices.append(f"restore {', '.join(absent)} from the same source with the same options, or use --all-members")
    return notices


def _steps(facts: SourceFacts, targets: tuple[Target, ...]) -> list[str]:
    places = ", ".join(str(target.directory) for target in targets)
    return [
        f"read {facts.description} and verify it",
        f"write a new database from its records (at most {size_text(facts.file_size)} each) for {places}",
        "read the new database back and compare it with what was read",
        f"give {'the directories their names' if len(targets) > 1 else 'the directory its name'}",
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
