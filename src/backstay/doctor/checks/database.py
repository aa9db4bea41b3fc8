"""The database and the log of a member that does not serve, or a snapshot: can they be trusted?"""

from __future__ import annotations

from collections.abc import Iterator

from backstay import errors, findings
from backstay.doctor.check import CHECK_NOT_RUN, Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity
from backstay.snapshot.coherence import ALARM_INSIDE

DATABASE_DAMAGED = findings.declare(
    "database-damaged",
    Severity.ERROR,
    "The database of the member is damaged; etcd panics on it, or would serve wrong data.",
    "keep the directory as evidence, and restore the newest backup that verifies: `backstay recover --from FILE`",
)
NO_DATABASE = findings.declare(
    "no-database",
    Severity.ERROR,
    "The data directory holds no database.",
    "check that the right disk is mounted there; else restore the newest backup: `backstay recover --from FILE`",
)
NO_LOG = findings.declare(
    "no-log",
    Severity.ERROR,
    "The data directory holds a database but no log: etcd would start on it and lose or refuse writes.",
    "restore the database alone: `backstay snapshot restore DIR/member/snap/db --skip-hash-check`",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Damage of the database as one finding with its details as evidence, and everything the log shows."""
    stored = facts.stored
    if stored is None:
        return
    if stored.problem is not None:
        yield from _not_opened(facts)
    damage = [each for each in stored.findings if each.severity is Severity.ERROR]
    if damage:
        more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
        first = damage[0]
        evidence = f"{first.code}: {first.subject}: {first.evidence}{more}"
        yield DATABASE_DAMAGED.at(str(stored.path), evidence, offset=first.offset)
    yield from (
        each for each in stored.findings if each.severity is Severity.WARNING and each.code != ALARM_INSIDE.code
    )
    yield from stored.log_findings


def _not_opened(facts: Facts) -> Iterator[Finding]:
    stored = facts.stored
    assert stored is not None
    assert stored.problem is not None
    problem = stored.problem
    if problem.kind is errors.SOURCE_UNREADABLE:
        yield CHECK_NOT_RUN.at("database and log", str(problem))
    elif stored.inspection is not None:
        yield NO_LOG.at(str(stored.path.parent.parent), problem.what)
    elif problem.kind is errors.SOURCE_NOT_FOUND:
        yield NO_DATABASE.at(str(stored.path), problem.what)
    else:
        yield DATABASE_DAMAGED.at(str(stored.path), str(problem))


CHECK = Check("database", "database and log of a member that does not serve", examine)
