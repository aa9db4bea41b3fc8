"""The fsync probe (--probe): is the data disk fast enough for etcd?"""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

WANTED_SECONDS = 0.010
CRITICAL_SECONDS = 0.100

SYNC_SLOW = findings.declare(
    "sync-slow",
    Severity.WARNING,
    "Syncing a small write takes longer than etcd's makers advise (99th percentile of 10 ms); elections and timeouts follow.",
    "give etcd a disk of its own, with a write cache that survives a power cut",
)
SYNC_CRITICAL = findings.declare(
    "sync-critical",
    Severity.ERROR,
    "Syncing a small write takes so long that a leader loses its followers.",
    "look for a failing or overloaded disk (`dmesg`, `iostat -x 1`); give etcd a disk of its own",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """The 99th percentile of what was measured."""
    if not facts.sync_seconds:
        return
    slow = (
        facts.sync_seconds[int(len(facts.sync_seconds) * 0.99)]
        if len(facts.sync_seconds) > 1
        else facts.sync_seconds[0]
    )
    evidence = f"99 % of {len(facts.sync_seconds)} syncs within {slow * 1000:.1f} ms"
    if slow >= CRITICAL_SECONDS:
        yield SYNC_CRITICAL.at("data disk", evidence)
    elif slow >= WANTED_SECONDS:
        yield SYNC_SLOW.at("data disk", evidence)


CHECK = Check("sync-latency", "fsync latency of the data disk (only with --probe)", examine)
