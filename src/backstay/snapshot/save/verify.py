"""Everything that must hold before a snapshot may be kept.

Called by `save` with the unpublished file. Raises for what must not be kept and returns what was looked at, what was
noticed and what could not be compared. While the file is read, the members compute their hashes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay import errors, findings
from backstay.clock import Clock
from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import hashkv
from backstay.formats.hashkv import CURRENT_RULE, HashRule
from backstay.snapshot import coherence
from backstay.snapshot.inspect import Inspection, Trailer, inspect
from backstay.snapshot.opened import OpenedStore, open_file
from backstay.snapshot.save import members
from backstay.snapshot.save.members import Comparison, HashSource, Verdict
from backstay.snapshot.verify import Check, Level, judge, reached
from backstay.telemetry import Progress
from backstay.values import Revision

_SHOWN = 10

MEMBER_RELEASE_SUSPECT = findings.declare(
    "member-release-suspect",
    Severity.WARNING,
    "The member runs etcd 3.5.0, 3.5.1 or 3.5.2, which can lose writes of one member in a crash; its file cannot show it.",
    "compare HashKV of all members at one revision, save every member's snapshot, and upgrade to the newest 3.5",
)
HASH_NOT_COMPARED = findings.declare(
    "hashkv-not-compared",
    Severity.WARNING,
    "HashKV of the saved file could not be compared with the member that it comes from; all other checks were made.",
    "see the reason; a user with the role root may ask for hashes",
)
MEMBER_NOT_COMPARED = findings.declare(
    "member-not-compared",
    Severity.NOTE,
    "A member of the cluster could not be asked whether it holds the same keys as the saved file.",
    "nothing to do if the member is down or hidden on purpose; else name its endpoint with --endpoints",
)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was verified: the inspection, the checks made of it, and the members' hashes, the copied one first."""

    inspection: Inspection
    reached: Level
    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]


def prove(
    path: Path,
    *,
    source: HashSource,
    others: Sequence[HashSource],
    etcd_version: str,
    clock: Clock,
    progress: Progress,
) -> Proof:
    """Prove the file at `path`, whose SHA-256 has been compared already.

    Raises `SNAPSHOT_INVALID` for damage and for a hash that the member itself does not confirm, `MEMBERS_DISAGREE` when
    another member holds other keys.
    """
    try:
        with open_file(path) as store:
            return _prove(store, source, others, etcd_version, clock, progress)
    except FormatError as problem:
        raise _refused(f"{problem.what} ({problem.where})", source) from problem


def _prove(
    store: OpenedStore,
    source: HashSource,
    others: Sequence[HashSource],
    etcd_version: str,
    clock: Clock,
    progress: Progress,
) -> Proof:
    revision, compact_revision = store.revision, store.compact_revision
    with members.asking((source, *others), revision, compact_revision, clock) as answers:
        inspection = inspect(store, with_trailer=False, with_hash_kv=CURRENT_RULE, progress=progress)
        inspection = dataclasses.replace(inspection, trailer=Trailer.RIGHT)
        checks = judge(inspection, Level.COHERENT, opening=store.findings)
        found = [each for check in checks for each in check.findings]
        damage = [each for each in found if each.severity is Severity.ERROR]
        if damage:
            more = [f"... and {len(damage) - _SHOWN} more"] if len(damage) > _SHOWN else []
            raise _refused("\n".join([*map(str, damage[:_SHOWN]), *more]), source)
        file_hash = _hashes_of(store, inspection)
        compared = [members.compare(answer.result(), revision, compact_revision, file_hash) for answer in answers]
    _refuse_differences(source, compared[0], compared[1:])
    found = [each for each in found if each.code != coherence.RELEASE_SUSPECT.code]
    found += _doubts(source, inspection, etcd_version, compared)
    return Proof(inspection, reached(checks, Level.COHERENT), tuple(checks), tuple(compared), tuple(found))


def _hashes_of(store: OpenedStore, inspection: Inspection) -> members.FileHash:
    known = inspection.hash_kv

    @functools.cache
    def file_hash(revision: Revision, compact_revision: Revision, rule: HashRule) -> int:
        if known is not None and (known.revision, known.compact_revision, CURRENT_RULE) == (
            revision, compact_revision, rule,
        ):  # fmt: skip
            return known.hash
        return hashkv.hash_kv(store.pages, revision, compact_revision, rule).hash

    return file_hash


def _refuse_differences(source: HashSource, own: Comparison, others: Sequence[Comparison]) -> None:
    if own.verdict is Verdict.DIFFERENT:
        raise errors.SNAPSHOT_INVALID.error(
            "the file does not hold the keys that the member says it holds",
            where=str(source),
            why=own.why,
            next_step="save from another member, and compare the members' HashKV",
        )
    different = [each for each in others if each.verdict is Verdict.DIFFERENT]
    if different:
        raise errors.MEMBERS_DISAGREE.error(
            f"{len(different)} of {len(others)} other members hold other keys than {source}",
            where=", ".join(each.endpoint for each in different),
            why="\n".join(f"{each.endpoint}: {each.why}" for each in different),
            next_step="do not compact or restart; save each member's snapshot as evidence, with one endpoint and "
            "--skip-other-members, and find the odd one out",
        )


def _doubts(
    source: HashSource, inspection: Inspection, etcd_version: str, compared: Sequence[Comparison]
) -> list[Finding]:
    doubts: list[Finding] = []
    if etcd_version and any(coherence.check_release(inspection, etcd_version)):
        doubts.append(MEMBER_RELEASE_SUSPECT.at(str(source), f"it runs etcd {etcd_version}"))
    for position, each in enumerate(compared):
        if each.verdict is Verdict.NOT_COMPARED:
            kind = MEMBER_NOT_COMPARED if position else HASH_NOT_COMPARED
            doubts.append(kind.at(each.endpoint, each.why))
    return doubts


def _refused(why: str, source: HashSource) -> errors.BackstayError:
    return errors.SNAPSHOT_INVALID.error(
        "the member's database is damaged, so its snapshot is not kept",
        where=str(source),
        why=why,
        next_step="save from another member; if all are damaged, the newest older snapshot that verifies is the best copy",
    )
