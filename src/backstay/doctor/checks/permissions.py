"""Modes of the data and the keys: whoever reads them reads every Secret of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

MODE_TOO_OPEN = findings.declare(
    "mode-too-open",
    Severity.WARNING,
    "Data or keys of etcd can be read or changed by more than their owner.",
    "`backstay doctor --fix` sets 0700 for directories and 0600 for files",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Every path with more rights than it needs."""
    for path in facts.paths:
        if path.mode & ~path.wanted_mode & 0o077:
            yield MODE_TOO_OPEN.at(
                f"{path.what} {path.path}", f"mode is {path.mode:04o}, should be {path.wanted_mode:04o}"
            )


CHECK = Check("permissions", "modes of data and keys", examine)
