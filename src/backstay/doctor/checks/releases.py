"""Releases of etcd that are known to lose or corrupt data, or that are no longer kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, FindingKind, Severity

Version = tuple[int, int, int]

RELEASE_LOSES_DATA = findings.declare(
    "release-loses-data",
    Severity.ERROR,
    "This release of etcd has a known defect that can silently lose or diverge data.",
    "upgrade to the newest patch release of the same minor version, one member after the other; compare HashKV before and after",
)
RELEASE_DEFECT = findings.declare(
    "release-defect",
    Severity.WARNING,
    "This release of etcd has a known defect that matters for its data or its upgrade.",
    "upgrade to the newest patch release of the same minor version",
)
RELEASE_MIXED = findings.declare(
    "release-mixed",
    Severity.WARNING,
    "The members run different releases of etcd.",
    "finish the upgrade; a mixed cluster is a step, not a state",
)
RELEASE_UNSUPPORTED = findings.declare(
    "release-unsupported",
    Severity.NOTE,
    "This minor version of etcd gets no more fixes from its makers.",
    "plan the upgrade, one minor version at a time",
)


class Defect(NamedTuple):
    """A defect in all releases from `first` up to but not including `fixed`."""

    first: Version
    fixed: Version
    kind: FindingKind
    story: str


_SKIPS_ENTRIES = "a crash can make one member skip an entry"
_LOSES_WRITE = "a single-member cluster can lose an acknowledged write in a crash"
_DEFRAGMENTS_BADLY = "a crash during defragmentation can make members differ"
_GOES_BACK = "the revision can go back after a crash in a compaction"
_KEEPS_LEARNERS = "a promoted learner stays one on disk, which blocks the upgrade to 3.6"

DEFECTS = (
    Defect((3, 5, 0), (3, 5, 3), RELEASE_LOSES_DATA, _SKIPS_ENTRIES),
    Defect((3, 5, 0), (3, 5, 5), RELEASE_LOSES_DATA, _LOSES_WRITE),
    Defect((3, 4, 0), (3, 4, 21), RELEASE_LOSES_DATA, _LOSES_WRITE),
    Defect((3, 5, 0), (3, 5, 6), RELEASE_DEFECT, _DEFRAGMENTS_BADLY),
    Defect((3, 5, 0), (3, 5, 14), RELEASE_DEFECT, _GOES_BACK),
    Defect((3, 4, 0), (3, 4, 32), RELEASE_DEFECT, _GOES_BACK),
    Defect((3, 5, 1), (3, 5, 20), RELEASE_DEFECT, _KEEPS_LEARNERS),
)
OLDEST_SUPPORTED = (3, 5)


def examine(facts: Facts) -> Iterator[Finding]:
    """Every member's release, live or named by the image."""
    releases = _releases(facts)
    for subject, text in releases.items():
        version = parse(text)
        if version is None:
            continue
        for defect in DEFECTS:
            if defect.first <= version < defect.fixed:
                fixed = ".".join(map(str, defect.fixed))
                yield defect.kind.at(subject, f"etcd {text}: {defect.story} (fixed in {fixed})")
        if version[:2] < OLDEST_SUPPORTED:
            yield RELEASE_UNSUPPORTED.at(subject, f"etcd {text}")
    if len(set(releases.values())) > 1 and facts.live is not None and facts.live.answers:
        yield RELEASE_MIXED.at("the cluster", "; ".join(f"{subject}: {text}" for subject, text in releases.items()))


def parse(text: str) -> Version | None:
    """`3.5.1` or `v3.5.1` as numbers."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+).*", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _releases(facts: Facts) -> dict[str, str]:
    if facts.live is not None and facts.live.answers:
        return {
            f"member {each.endpoint}": each.status.version for each in facts.live.healths if each.status is not None
        }
    if facts.installation is not None and facts.installation.version:
        return {f"image {facts.installation.image}": facts.installation.version}
    return {}


CHECK = Check("releases", "known-bad releases of etcd", examine)
