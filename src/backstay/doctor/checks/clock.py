"""The clock: certificates, leases and logs depend on it."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

CLOCK_UNSYNCHRONIZED = findings.declare(
    "clock-unsynchronized",
    Severity.WARNING,
    "The kernel's clock is kept by nobody; when it drifts, certificates look expired and leases end early or late.",
    "run chrony or systemd-timesyncd",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """What the kernel says."""
    if facts.clock is not None and facts.clock.is_synchronized is False:
        yield CLOCK_UNSYNCHRONIZED.at("this host", "the kernel calls its clock unsynchronized")


CHECK = Check("clock", "synchronization of the clock", examine)
