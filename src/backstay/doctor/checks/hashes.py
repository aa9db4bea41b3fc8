"""HashKV of the members at one revision: do they hold the same data?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import CHECK_NOT_RUN, Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

HASHES_DIFFER = findings.declare(
    "hashes-differ",
    Severity.ERROR,
    "Members give different HashKV values for the same revision and compact revision: their data has diverged.",
    "do not compact, defragment or restart; save a snapshot of every member, then replace the odd one out",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Compares only what can be compared: equal revision and equal compact revision."""
    live = facts.live
    if live is None:
        return
    if live.hash_problem:
        yield CHECK_NOT_RUN.at("HashKV", live.hash_problem)
    groups: dict[tuple[int, int], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for endpoint, hashed in live.hashes.items():
        groups[hashed.revision, hashed.compact_revision][hashed.hash].append(endpoint)
    for (revision, _), hashes in groups.items():
        if len(hashes) > 1:
            said = "; ".join(f"{value} by {', '.join(endpoints)}" for value, endpoints in hashes.items())
            yield HASHES_DIFFER.at(f"revision {revision}", said)


CHECK = Check("hashes", "HashKV between members", examine)
