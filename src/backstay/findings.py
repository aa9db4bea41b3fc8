"""What a check reports: findings, declared once with their severity, meaning and remedy.

A check reports everything it found, as data; it never stops at the first problem and never prints. The renderer decides
on table or JSON, and one function turns findings into an exit status. Codes are stable API, explained by
`backstay explain CODE`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is; comparable."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One declared finding."""

    code: str
    severity: Severity
    meaning: str
    remedy: str

    def at(self, subject: str, evidence: str, *, offset: int | None = None, remedy: str = "") -> Finding:
        """This finding about `subject`, with what was seen as `evidence`."""
        return Finding(self.code, self.severity, subject, evidence, remedy or self.remedy, offset)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check. `offset` is the byte in the file where there is one to name."""

    code: str
    severity: Severity
    subject: str
    evidence: str
    remedy: str
    offset: int | None = None

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.subject}: {self.evidence}"


_catalogue: dict[str, FindingKind] = {}


def declare(code: str, severity: Severity, meaning: str, remedy: str) -> FindingKind:
    """Add a finding to the catalogue; done at import time by the module that owns the check."""
    kind = FindingKind(code, severity, meaning, remedy)
    if code in _catalogue:
        raise ValueError(f"finding code {code!r} is declared twice")
    _catalogue[code] = kind
    return kind


def catalogue() -> dict[str, FindingKind]:
    """Every finding declared by the modules imported so far, by code."""
    return dict(_catalogue)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The highest severity among `findings`, None when there are none."""
    return max((finding.severity for finding in findings), default=None)
