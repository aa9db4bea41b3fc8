"""The database against its quota, and how much of it is empty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity
from backstay.values import size_text

LOW_SHARE = 0.80
CRITICAL_SHARE = 0.95
FRAGMENTED_SHARE = 0.45
FRAGMENTED_MIN_BYTES = 100 << 20
LARGEST_SENSIBLE_QUOTA = 8 << 30
STALLED_REVISIONS = 500_000
FORECAST_DAYS = 14
FORECAST_MIN_DAYS = 0.5

QUOTA_EXCEEDED = findings.declare(
    "quota-exceeded",
    Severity.ERROR,
    "The database has reached its quota: etcd refuses every write until space is freed and the alarm is disarmed.",
    "`backstay doctor --fix` compacts, defragments and disarms, in this order; then find out what fills the store",
)
QUOTA_LOW = findings.declare(
    "quota-low",
    Severity.WARNING,
    "The database is close to its quota; at the quota every write is refused.",
    "compact and defragment now; find what fills the store with `backstay keys live --sizes`; or raise --quota-backend-bytes",
)
FRAGMENTED = findings.declare(
    "fragmented",
    Severity.WARNING,
    "Much of the database file is empty pages; it counts against the quota all the same.",
    "defragment, one member after the other and the leader last",
)
QUOTA_LARGE = findings.declare(
    "quota-large",
    Severity.NOTE,
    "The quota is above 8 GiB, the most that etcd's makers suggest.",
    "check that snapshots, restarts and new members are still fast enough",
)
QUOTA_FORECAST = findings.declare(
    "quota-forecast",
    Severity.WARNING,
    "At the rate at which the backups have grown, the database will reach its quota within days.",
    "find what grows with `backstay keys FILE --sizes` on two backups; compact, or raise --quota-backend-bytes in time",
)
COMPACTION_STALLED = findings.declare(
    "compaction-stalled",
    Severity.WARNING,
    "Very many revisions were written since the last compaction; the API server normally compacts every five minutes.",
    "check that an API server runs and reaches this etcd; compact by hand with `etcdctl compaction`",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Sizes of the living members, or of the stored database."""
    for subject, size, in_use, quota in _sizes(facts):
        if quota and size >= quota:
            yield QUOTA_EXCEEDED.at(subject, f"{size_text(size)} of a quota of {size_text(quota)}")
        elif quota and size >= LOW_SHARE * quota:
            nearly = "; writes will be refused soon" if size >= CRITICAL_SHARE * quota else ""
            yield QUOTA_LOW.at(subject, f"{size_text(size)} of a quota of {size_text(quota)}{nearly}")
        if size >= FRAGMENTED_MIN_BYTES and in_use and in_use < (1 - FRAGMENTED_SHARE) * size:
            yield FRAGMENTED.at(subject, f"{size_text(in_use)} of {size_text(size)} are in use")
        if quota and quota > LARGEST_SENSIBLE_QUOTA:
            yield QUOTA_LARGE.at(subject, f"the quota is {size_text(quota)}")
    yield from _forecast(facts)
    if facts.live is not None and facts.live.compact_lag is not None and facts.live.compact_lag > STALLED_REVISIONS:
        yield COMPACTION_STALLED.at("the cluster", f"{facts.live.compact_lag} revisions since the last compaction")


def _forecast(facts: Facts) -> Iterator[Finding]:
    """A straight line through the oldest and the newest backup, continued to the quota."""
    files = sorted(
        (each for found in facts.backups for each in found.files if not each.problem), key=lambda f: f.modified
    )
    if not facts.quota_bytes or len(files) < 2:
        return
    days = (files[-1].modified - files[0].modified) / timedelta(days=1)
    grown = files[-1].size - files[0].size
    if days < FORECAST_MIN_DAYS or grown <= 0:
        return
    left = (facts.quota_bytes - files[-1].size) / (grown / days)
    if 0 <= left < FORECAST_DAYS:
        yield QUOTA_FORECAST.at(
            f"backups in {files[-1].path.parent}",
            f"grew by {size_text(grown)} in {days:.1f} days; the quota is reached in about {left:.0f} days",
        )


def _sizes(facts: Facts) -> Iterator[tuple[str, int, int, int | None]]:
    """(subject, database size, bytes in use, quota) of every member that is known."""
    if facts.live is not None:
        for health in facts.live.healths:
            if health.status is not None:
                quota = health.status.quota_bytes or facts.quota_bytes
                yield (
                    f"member {health.endpoint}",
                    health.status.database_size_bytes,
                    health.status.database_in_use_bytes,
                    quota,
                )
    stored = facts.stored
    if stored is not None and stored.inspection is not None:
        in_use = stored.inspection.reachable_pages * stored.inspection.page_size
        yield f"database {stored.path}", stored.inspection.data_size, in_use, facts.quota_bytes


CHECK = Check("quota", "quota, fragmentation and compaction", examine)
