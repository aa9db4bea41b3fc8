"""Findings as text and as data; `outcome.py` turns them into an exit status.

Pure. The worst come first; among equals the order in which they were found stays. Remedies are said once per code,
below the table, because ten damaged pages need one remedy and not ten.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.cli.render.plain import Plain
from backstay.cli.render.tables import columns, printable
from backstay.findings import Finding

HEADER = ("SEVERITY", "CODE", "SUBJECT", "EVIDENCE")


def findings_table(findings: Iterable[Finding]) -> str:
    """A table of the findings and, below it, what to do about each code; empty text where there are none."""
    ordered = sorted(findings, key=lambda finding: -finding.severity)
    if not ordered:
        return ""
    rows = [(str(each.severity).upper(), each.code, _subject(each), each.evidence) for each in ordered]
    remedies = dict.fromkeys((each.code, each.remedy) for each in ordered if each.remedy)
    lines = [columns(HEADER, rows), ""]
    lines += [f"{code}: {printable(remedy)}" for code, remedy in remedies]
    return "\n".join(lines).rstrip("\n")


def findings_plain(findings: Iterable[Finding]) -> list[Plain]:
    """The findings as JSON and YAML show them, in the order in which they were found."""
    return [
        {
            "severity": str(each.severity),
            "code": each.code,
            "subject": each.subject,
            "evidence": each.evidence,
            "remedy": each.remedy,
            "offset": each.offset,
        }
        for each in findings
    ]


def _subject(finding: Finding) -> str:
    if finding.offset is None or f"offset {finding.offset}" in finding.subject:
        return finding.subject
    return f"{finding.subject} (offset {finding.offset})"
