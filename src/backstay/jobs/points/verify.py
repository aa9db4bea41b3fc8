"""How far the points of a repository can be trusted, and what is wrong: levels, each including the lower.

    listed      every run and every slot of its epoch is there with its size
    intact      every run has the SHA-256 of its name, every slot the recorded one; needs no identity
    authentic   signatures and chains are right, every frame opens under its key
    coherent    records parse and merge, no revision is missing, every digest is the recorded one
    rebuilt     the canonical file, built into nothing, is the recorded one: its pages, HASH, HashKV
    drilled     a real etcd was started on the restored file and agreed (`drill`, by whoever has an etcd)

A run that several points need is read once for each level. What is found about a point is a finding; only the storage's
own failures are raised, because they say nothing about the backup.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from backstay import errors, findings
from backstay.clock import Clock
from backstay.findings import Finding, Severity
from backstay.jobs.drill import DrillReport
from backstay.jobs.points.drill import failed, finding_of
from backstay.jobs.points.rebuild import rebuild
from backstay.repository import names
from backstay.repository.catalogue import Catalogue
from backstay.repository.manifest import Manifest, RunReference, SlotReference
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy, Repository
from backstay.repository.retention.pins import pinned
from backstay.snapshot.verify import Level
from backstay.telemetry import Progress

_OTHER = "restore another point, or from another copy of the repository"

RUN_MISSING = findings.declare(
    "run-missing", Severity.ERROR, "An object that a backup needs is not there, or has another size.", _OTHER
)
RUN_CHANGED = findings.declare(
    "run-changed", Severity.ERROR, "An object of a backup does not have the SHA-256 that its name promises.", _OTHER
)
POINT_UNAUTHENTIC = findings.declare(
    "point-unauthentic",
    Severity.ERROR,
    "A signature, the chain of manifests, or the seal of an object is wrong: it is not what a trusted writer wrote.",
    "find out who can write to the storage; " + _OTHER,
)
POINT_INCOHERENT = findings.declare(
    "point-incoherent",
    Severity.ERROR,
    "The records of a backup do not fit together, or are not those that were backed up.",
    _OTHER + "; report it, for no object is damaged",
)
POINT_NOT_REBUILT = findings.declare(
    "point-not-rebuilt",
    Severity.ERROR,
    "The file rebuilt from a backup is not the one that was promised when it was made.",
    _OTHER + "; report it, for no object is damaged",
)
POINT_SEALED = findings.declare(
    "point-sealed",
    Severity.WARNING,
    "No identity opens this backup, so nothing above the level `intact` could be verified.",
    "give an identity with --identity FILE or BACKSTAY_IDENTITY",
)
OBJECTS_UNUSED = findings.declare(
    "objects-unused",
    Severity.NOTE,
    "Objects lie in the repository that no backup needs: a backup that was interrupted leaves such.",
    "nothing; the sweep removes them when they are old enough",
)

DRILLED = "drilled"
Drill = Callable[[PointReader], DrillReport]

_DAMAGE = (errors.OBJECT_DAMAGED, errors.OBJECT_MISSING, errors.CHAIN_BROKEN, errors.SIGNATURE_WRONG)


@dataclass(frozen=True, slots=True)
class PointVerification:
    """One point: the level it reached, what was asked for, and what kept it from more. `server` is who was asked.

    `seconds` is what that took, None where no clock was given. At `rebuilt` and above every record was read for this point alone,
    so it is no less than a restore takes.
    """

    manifest: Manifest
    reached: Level
    wanted: Level
    findings: tuple[Finding, ...]
    server: str = ""
    seconds: float | None = None

    @property
    def milliseconds(self) -> int | None:
        """`seconds`, as facts have them: of points that were rebuilt."""
        return None if self.seconds is None or self.reached < Level.REBUILT else round(self.seconds * 1000)

    @property
    def level(self) -> str:
        """The level reached, `drilled` included."""
        return DRILLED if self.server and not self.findings else str(self.reached)

    def tried(self, level: str) -> str:
        """The level that was really tried where `level` was asked for: without an identity or an etcd there is none above."""
        return level if any(each.severity is Severity.ERROR for each in self.findings) else self.level


@dataclass(frozen=True, slots=True)
class RepositoryVerification:
    """All points that were verified, and what concerns the repository as a whole."""

    points: tuple[PointVerification, ...]
    findings: tuple[Finding, ...]

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of the repository, then those of the points, each once."""
        return tuple(dict.fromkeys([*self.findings, *(finding for point in self.points for finding in point.findings)]))


def verify(
    repository: Repository,
    catalogue: Catalogue,
    points: Sequence[Manifest],
    level: Level,
    *,
    spill: Path,
    entropy: Entropy,
    progress: Progress,
    drill: Drill | None = None,
    clock: Clock | None = None,
) -> RepositoryVerification:
    """Verify `points` up to `level`, and drill those that come through where `drill` is given.

    With a `clock` each is measured, and pinned while it is rebuilt; one that was swept since it was chosen is left out.
    Raises the storage's own errors.
    """
    listed = {blob.name: blob.size for prefix in (names.RUNS, names.KEYS) for blob in repository.store.list(prefix)}
    verifier = _Verifier(repository, listed, spill, entropy, progress)
    found = [POINT_UNAUTHENTIC.at(problem.where or problem.what, str(problem)) for problem in catalogue.damage]
    unused = [name for name in listed if name.startswith(names.RUNS) and name not in catalogue.named_runs]
    if unused and not catalogue.damage:
        total = sum(listed[name] for name in unused)
        found.append(OBJECTS_UNUSED.at("repository", f"{len(unused)} objects, {total} bytes"))
    verified = []
    for each in points:
        with contextlib.ExitStack() as pins:
            if clock is not None and level >= Level.REBUILT:
                try:
                    pins.enter_context(pinned(repository, each, clock=clock, entropy=entropy))
                except errors.BackstayError as problem:
                    if problem.kind is not errors.POINT_NOT_FOUND:
                        raise
                    continue
            began = clock.monotonic() if clock is not None else 0.0
            outcome = verifier.verify(each, level)
            if drill is not None:
                outcome = _drilled(repository, outcome, drill)
            seconds = clock.monotonic() - began if clock is not None else None
            verified.append(replace(outcome, seconds=seconds))
    return RepositoryVerification(tuple(verified), tuple(found))


def _drilled(repository: Repository, verified: PointVerification, drill: Drill) -> PointVerification:
    if verified.reached < Level.REBUILT:
        return verified
    try:
        report = drill(PointReader(repository, verified.manifest))
    except errors.BackstayError as problem:
        if problem.kind not in (errors.ETCD_DOES_NOT_START, errors.POINT_UNPROVEN, errors.SOURCE_UNSOUND):
            raise
        return replace(verified, findings=(failed(problem, verified.manifest.where),))
    found = finding_of(report, verified.manifest.where)
    return replace(verified, findings=() if found is None else (found,), server=report.server)


class _Verifier:
    """Remembers which runs were found right at which level."""

    def __init__(
        self, repository: Repository, listed: Mapping[str, int], spill: Path, entropy: Entropy, progress: Progress
    ) -> None:
        self._repository, self._listed = repository, listed
        self._spill, self._entropy, self._progress = spill, entropy, progress
        self._intact: dict[str, Finding | None] = {}
        self._authentic: dict[str, Finding | None] = {}

    def verify(self, manifest: Manifest, wanted: Level) -> PointVerification:
        steps: list[tuple[Level, Callable[[Manifest], list[Finding]]]] = [
            (Level.LISTED, self._check_listed),
            (Level.INTACT, self._check_intact),
            (Level.AUTHENTIC, self._check_authentic),
            (Level.COHERENT, self._check_coherent),
            (Level.REBUILT, self._check_rebuilt),
        ]
        reached = Level.NONE
        for level, check in steps:
            if level > wanted:
                break
            found = check(manifest)
            if found:
                return PointVerification(manifest, reached, wanted, tuple(found))
            reached = level
        return PointVerification(manifest, reached, wanted, ())

    def _check_listed(self, manifest: Manifest) -> list[Finding]:
        parts: list[RunReference | SlotReference] = [*manifest.runs, *self._slots(manifest)]
        return [
            RUN_MISSING.at(part.name, "is not there" if size is None else f"has {size} bytes, not {part.size}")
            for part in parts
            if (size := self._listed.get(part.name)) != part.size
        ]

    def _slots(self, manifest: Manifest) -> list[SlotReference]:
        """The slots that must be there: those of removed recipients may be gone."""
        trusted = {each.id for each in self._repository.trust.recipients}
        return [slot for slot in manifest.slots if names.slot_recipient(slot.name) in trusted]

    def _check_intact(self, manifest: Manifest) -> list[Finding]:
        self._progress.begin(f"hashing {manifest.id}", manifest.stored_bytes)
        parts = [(run.name, names.run_sha256(run.name)) for run in manifest.runs]
        parts += [(slot.name, slot.sha256) for slot in self._slots(manifest)]
        for name, sha256 in parts:
            if name not in self._intact:
                self._intact[name] = self._hash(name, sha256)
        return [found for name, _ in parts if (found := self._intact[name]) is not None]

    def _hash(self, name: str, sha256: str) -> Finding | None:
        digest = hashlib.sha256()
        try:
            with closing(self._repository.store.get(name)) as chunks:
                for chunk in chunks:
                    digest.update(chunk)
                    self._progress.advance(len(chunk))
        except errors.BackstayError as problem:
            if problem.kind is not errors.BLOB_NOT_FOUND:
                raise
            return RUN_MISSING.at(name, "is not there")
        if digest.hexdigest() != sha256:
            return RUN_CHANGED.at(name, f"its SHA-256 is {digest.hexdigest()}")
        return None

    def _check_authentic(self, manifest: Manifest) -> list[Finding]:
        # Its signature and its place in the chain were checked when the catalogue was read.
        def check() -> None:
            point = PointReader(self._repository, manifest)
            for run in manifest.runs:
                if run.name not in self._authentic:
                    self._progress.begin(f"opening {manifest.id}", None)
                    self._authentic[run.name] = self._judged(partial(_check_run, point, run), run.name)

        failure = self._judged(check, manifest.where)
        if failure is not None:
            return [failure]
        return [found for run in manifest.runs if (found := self._authentic[run.name]) is not None]

    def _judged(self, check: Callable[[], None], subject: str) -> Finding | None:
        try:
            check()
        except errors.BackstayError as problem:
            if problem.kind is errors.KEY_UNAVAILABLE:
                return POINT_SEALED.at(subject, str(problem))
            if problem.kind not in _DAMAGE:
                raise
            return POINT_UNAUTHENTIC.at(subject, str(problem))
        return None

    def _check_coherent(self, manifest: Manifest) -> list[Finding]:
        self._progress.begin(f"merging {manifest.id}", None)
        try:
            point = PointReader(self._repository, manifest)
            mains: set[int] = set()
            floor = max(point.facts.compact_revision, 1)
            for record in point.everything():
                if record.main > floor:
                    mains.add(record.main)
            for _ in point.state():
                pass
            for _ in point.entries():
                pass
        except errors.BackstayError as problem:
            if problem.kind not in (*_DAMAGE, errors.POINT_UNPROVEN):
                raise
            return [POINT_INCOHERENT.at(manifest.where, str(problem))]
        missing = point.facts.revision - floor - len(mains)
        if missing > 0 and point.facts.revision > point.facts.compact_revision:
            return [POINT_INCOHERENT.at(manifest.where, f"{missing} revisions above {floor} are missing")]
        return []

    def _check_rebuilt(self, manifest: Manifest) -> list[Finding]:
        try:
            point = PointReader(self._repository, manifest)
            rebuild(point, spill=self._spill, entropy=self._entropy, progress=self._progress)
        except errors.BackstayError as problem:
            if problem.kind not in (*_DAMAGE, errors.POINT_UNPROVEN, errors.FORMAT_INVALID):
                raise
            return [POINT_NOT_REBUILT.at(manifest.where, str(problem))]
        return []


def _check_run(point: PointReader, run: RunReference) -> None:
    point.run(run).check()
