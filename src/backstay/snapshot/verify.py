"""How far a snapshot can be trusted: levels, each including the lower, and what was looked at for each.

    listed      it is there and can be read
    intact      not cut short, both meta pages valid, every page in its place and every key in order
    authentic   the SHA-256 that was appended when it was saved is right
    coherent    it is etcd's, every record decodes and follows from the one before, no revision is missing, and
                markers, leases, members, alarms fit together
    rebuilt     a new file built from its content holds the same content by etcd's own hashes

`drilled`, the level above, needs a server and so lies elsewhere. All checks run up to the level asked for, whatever
the lower ones found: a report names everything. The level reached is the highest one without an error at or below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import schema
from backstay.formats.hashkv import CURRENT_RULE, HashFeed
from backstay.formats.survey import KeyspaceSurvey
from backstay.snapshot import coherence
from backstay.snapshot.inspect import Inspection, Trailer, inspect
from backstay.snapshot.opened import OpenedStore
from backstay.snapshot.rebuild import rebuild
from backstay.telemetry import Progress, SilentProgress
from backstay.values import compaction_text, size_text

TRAILER_MISSING = findings.declare(
    "snapshot-trailer-missing",
    Severity.WARNING,
    "The file has no SHA-256 at its end: a bare database file, or a snapshot that was cut short. Changes since cannot show.",
    "prefer a file of `backstay snapshot save`; restore this one with `--skip-hash-check`",
)
TRAILER_WRONG = findings.declare(
    "snapshot-trailer-wrong",
    Severity.ERROR,
    "The SHA-256 at the end does not fit the bytes before it: the file changed after it was saved.",
    "use another copy of this snapshot",
)
SIZE_ODD = findings.declare(
    "snapshot-size-odd",
    Severity.WARNING,
    "A file with a SHA-256 holds more bytes than its pages; `snapshot save` never writes one.",
    "find out what wrote this file",
)
REBUILD_DIFFERS = findings.declare(
    "rebuild-differs",
    Severity.ERROR,
    "A file rebuilt from the content does not hold the same content.",
    "do not restore this file; report it, with the file if you may",
)


class Level(IntEnum):
    """How far something is verified; each level includes the lower."""

    NONE = 0
    LISTED = 1
    INTACT = 2
    AUTHENTIC = 3
    COHERENT = 4
    REBUILT = 5

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was made: at which level, what it looked at, and what it found."""

    level: Level
    name: str
    looked_at: str
    findings: tuple[Finding, ...]
    is_possible: bool = True
    """False where there was nothing to compare with: the level is then not reached."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of `verify`."""

    wanted: Level
    reached: Level
    checks: tuple[Check, ...]
    inspection: Inspection

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all checks, in their order."""
        return tuple(finding for check in self.checks for finding in check.findings)


def verify(
    store: OpenedStore,
    level: Level = Level.COHERENT,
    *,
    etcd_version: str = "",
    progress: Progress | None = None,
) -> Verification:
    """Verify an opened store up to `level`. `etcd_version` is the release that wrote it, if the caller knows."""
    progress = progress or SilentProgress()
    inspection = inspect(
        store,
        with_trailer=level >= Level.AUTHENTIC,
        with_hash_kv=CURRENT_RULE if level >= Level.REBUILT else None,
        progress=progress,
    )
    checks = judge(inspection, level, etcd_version=etcd_version, opening=store.findings)
    if level >= Level.REBUILT:
        checks.append(_rebuilt(store, inspection, progress))
    return Verification(level, reached(checks, level), tuple(checks), inspection)


def judge(
    inspection: Inspection, level: Level, *, etcd_version: str = "", opening: Iterable[Finding] = ()
) -> list[Check]:
    """The checks up to `level` that need nothing but an inspection (that is, all below `rebuilt`)."""
    checks = [Check(Level.LISTED, "readable", f"{size_text(inspection.file_size)}", ())]
    if level >= Level.INTACT:
        checks += _intact(inspection)
        noticed = tuple(opening)
        if noticed or inspection.trailer is Trailer.NOT_DUE:
            checks.append(Check(Level.INTACT, "log", "checksums and order of its entries", noticed))
    if level >= Level.AUTHENTIC:
        checks.append(_authentic(inspection))
    if level >= Level.COHERENT:
        checks += _coherent(inspection, etcd_version)
    return checks


def reached(checks: Iterable[Check], wanted: Level) -> Level:
    """The highest level, up to `wanted`, at and below which every check was possible and found no error."""
    failed = [check.level for check in checks if not check.is_possible or _has_error(check.findings)]
    return Level(min([wanted, *(level - 1 for level in failed)]))


def _intact(inspection: Inspection) -> Iterator[Check]:
    structure = inspection.structure_findings
    metas = [each for each in structure if each.code == "bbolt-meta-invalid"]
    sizes = [each for each in structure if each.code == "bbolt-truncated"]
    rest = [each for each in structure if each not in metas and each not in sizes]
    beyond = inspection.content_size - inspection.data_size
    if beyond > 0 and inspection.trailer not in (Trailer.MISSING, Trailer.NOT_DUE):
        sizes.append(SIZE_ODD.at("file", f"{beyond} bytes between the last page and the SHA-256"))
    yield Check(Level.INTACT, "size", f"{inspection.content_size} of {inspection.data_size} bytes", tuple(sizes))
    yield Check(Level.INTACT, "meta pages", f"both, page size {inspection.page_size}", tuple(metas))
    pages = f"{inspection.reachable_pages} pages in use of {inspection.page_count}, {len(inspection.buckets)} buckets"
    yield Check(Level.INTACT, "structure", pages, tuple(rest))


def _authentic(inspection: Inspection) -> Check:
    is_possible = inspection.trailer in (Trailer.RIGHT, Trailer.WRONG)
    looked_at = f"SHA-256 of {size_text(inspection.content_size)}" if is_possible else "no SHA-256 to compare with"
    if inspection.trailer is Trailer.NOT_DUE:
        looked_at = "a data directory has no SHA-256"
    found: tuple[Finding, ...] = ()
    if inspection.trailer is Trailer.WRONG:
        found = (TRAILER_WRONG.at("file", "SHA-256 differs", offset=inspection.content_size),)
    elif inspection.trailer is Trailer.MISSING:
        found = (TRAILER_MISSING.at("file", f"{inspection.file_size} bytes, no SHA-256 at the end"),)
    return Check(Level.AUTHENTIC, "trailer", looked_at, found, is_possible)


def _coherent(inspection: Inspection, etcd_version: str) -> Iterator[Check]:
    records, contents = inspection.records, inspection.contents
    gaps = tuple(each for each in inspection.record_findings if each.code == "revision-gap")
    others = tuple(each for each in inspection.record_findings if each.code != "revision-gap")
    first = max(inspection.compact_revision, 1) + 1
    dense = f"revisions {first} to {records.last_revision}" if records.last_revision >= first else "none to check"
    entries = inspection.element_count - inspection.buckets.get(schema.KEY, 0)

    def check(name: str, looked_at: str, made: coherence.StoreCheck) -> Check:
        return Check(Level.COHERENT, name, looked_at, tuple(made(inspection)))

    yield check("schema", f"{len(inspection.buckets)} buckets", coherence.check_schema)
    yield Check(
        Level.COHERENT, "records", f"{records.record_count} records, {records.live_key_count} keys live", others
    )
    yield Check(Level.COHERENT, "density", dense, gaps)
    yield Check(Level.COHERENT, "entries", f"{entries} entries beside the records", tuple(contents.findings))
    yield check("compaction", compaction_text(inspection.compact_revision), coherence.check_compaction)
    yield check(
        "leases", f"{len(contents.leases)} leases, {len(inspection.attached_leases)} with keys", coherence.check_leases
    )
    voters = len(contents.conf_state.voters) if contents.conf_state else "no"
    yield check("membership", f"{len(contents.members)} members, {voters} voters", coherence.check_membership)
    yield check("alarms", f"{len(contents.alarms)} alarms", coherence.check_alarms)
    yield check("applied index", f"index {contents.consistent_index}", coherence.check_applied_index)
    share = f"{inspection.reachable_pages} of {inspection.page_count} pages in use"
    yield check("torn copy", share, coherence.check_reachability)
    yield check("carried along", "authentication, downgrade", coherence.check_carried)
    release = etcd_version or "traces of the writer"
    yield check("release", release, lambda each: coherence.check_release(each, etcd_version))


def _rebuilt(store: OpenedStore, inspection: Inspection, progress: Progress) -> Check:
    if store.tail is not None:
        return Check(Level.REBUILT, "rebuild", "not tried, the log is ahead of the database", (), is_possible=False)
    if inspection.hash_kv is None or inspection.root_strays or inspection.nested_buckets:
        return Check(Level.REBUILT, "rebuild", "not tried, the content is damaged", (), is_possible=False)
    # What is kept is learned anew from the source: the rebuilt records must then hash to what the first pass said.
    survey = KeyspaceSurvey(inspection.compact_revision)
    try:
        _feed_survey(store, survey)
        feed = HashFeed(inspection.current_revision, inspection.compact_revision, survey.kept, CURRENT_RULE)
        rebuilt = rebuild(store.database, feed, progress)
    except FormatError as problem:
        finding = REBUILD_DIFFERS.at("file", str(problem))
        return Check(Level.REBUILT, "rebuild", "failed", (finding,))
    found = [
        REBUILD_DIFFERS.at(subject, f"{got} after, {wanted} before")
        for subject, got, wanted in (
            ("HASH", rebuilt.hash, inspection.hash),
            ("elements", rebuilt.element_count, inspection.element_count),
            ("HashKV", rebuilt.hash_kv, inspection.hash_kv),
        )
        if got != wanted
    ]
    return Check(Level.REBUILT, "rebuild", f"{rebuilt.page_count} pages, HASH and HashKV compared", tuple(found))


def _feed_survey(store: OpenedStore, survey: KeyspaceSurvey) -> None:
    bucket = store.database.bucket(schema.KEY)
    for leaf in bucket.leaves() if bucket is not None else ():
        data, spans, _ = leaf.load()
        survey.feed(data, spans)
    survey.finish()


def _has_error(found: Iterable[Finding]) -> bool:
    return any(each.severity is Severity.ERROR for each in found)
