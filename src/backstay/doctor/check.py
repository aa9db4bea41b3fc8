"""One check: a subject, and what it finds in the facts.

A check reports everything it finds and never raises for what it meets on the host; what it could not look at is a note. It looks
only at the facts: everything that is slow or may fail has been gathered before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from backstay import findings
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

Examine = Callable[[Facts], Iterable[Finding]]

CHECK_NOT_RUN = findings.declare(
    "check-not-run",
    Severity.NOTE,
    "A check could not look at what it judges, so it says nothing about it.",
    "run the command with sudo on the host of the member, or name the missing part with a flag",
)


class Check(NamedTuple):
    """`name` is what --only and --skip take; `subject` is a phrase for people."""

    name: str
    subject: str
    examine: Examine


def run_checks(checks: Iterable[Check], facts: Facts) -> tuple[Finding, ...]:
    """All findings of `checks`, the worst first; among equals the order of the checks stays."""
    found = [finding for check in checks for finding in check.examine(facts)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))
