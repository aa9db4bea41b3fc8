"""The database and the log of a member that does not serve, or a snapshot: can they be trusted?"""

from __future__ import annotations

from collections.abc import Iterator

from backstay import errors, findings
from backstay.doctor.check import CHECK_NOT_RUN, Check
from backstay.doctor.facts import Facts, StoredFacts
from backstay.errors import BackstayError
from backstay.findings import Finding, Severity
from backstay.snapshot.coherence import ALARM_INSIDE

DATABASE_DAMAGED = findings.declare(
    "database-damaged",
    Severity.ERROR,
    "The database of the member is damaged; etcd panics on it, or would serve wrong data.",
    "keep the directory as evidence, and restore the newest backup that verifies: `backstay recover --from FILE`",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Damage of the database as one finding with its details as evidence, and everything the log shows."""
    stored = facts.stored
    if stored is None:
        return
    if stored.problem is not None:
        yield from _not_opened(stored, stored.problem)
    damage = [each for each in stored.findings if each.severity is Severity.ERROR]
    if damage:
        more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
        first = damage[0]
        evidence = f"{first.code}: {first.subject}: {first.evidence}{more}"
        yield DATABASE_DAMAGED.at(str(stored.path), evidence, offset=first.offset)
    else:  # what is missing of a damaged one makes the rest look odd too; `snapshot verify` lists it
        yield from (
            each for each in stored.findings if each.severity is Severity.WARNING and each.code != ALARM_INSIDE.code
        )
    yield from stored.log_findings


def _not_opened(stored: StoredFacts, problem: BackstayError) -> Iterator[Finding]:
    """Why the database or the log could not be read; what is simply not there is among the findings about the directory."""
    if problem.kind is errors.SOURCE_UNREADABLE:
        yield CHECK_NOT_RUN.at("database and log", str(problem))
    elif problem.kind is not errors.SOURCE_NOT_FOUND:
        yield DATABASE_DAMAGED.at(str(stored.path), str(problem))


CHECK = Check("database", "database and log of a member that does not serve", examine)
