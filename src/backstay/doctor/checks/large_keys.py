"""Values that are too large for etcd's comfort: each read of their resource carries them."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity
from backstay.values import size_text

CRITICAL_BYTES = 1_400_000

KEY_LARGE = findings.declare(
    "key-large",
    Severity.WARNING,
    "A value has more than 512 KiB. Lists of its resource are slow, and at 1.5 MiB etcd refuses to write it at all.",
    "look what fills it (`backstay get FILE KEY`), and split it or move the data out of etcd",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """The largest values that were found."""
    for large in facts.large_keys:
        nearly = ", close to the limit of a request" if large.size >= CRITICAL_BYTES else ""
        yield KEY_LARGE.at(large.key, f"{size_text(large.size)} in {large.found_in}{nearly}")


CHECK = Check("large-keys", "values that are too large", examine)
