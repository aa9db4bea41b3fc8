"""The exit status of a check, from its findings: the only place that decides it."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.errors import ExitStatus
from backstay.findings import Finding, Severity, worst


def exit_status(findings: Iterable[Finding]) -> ExitStatus:
    """Verification failed with an error among them, warnings with a warning, else success; notes change nothing."""
    severity = worst(findings)
    if severity is Severity.ERROR:
        return ExitStatus.VERIFICATION_FAILED
    if severity is Severity.WARNING:
        return ExitStatus.WARNINGS
    return ExitStatus.OK
