"""What a restore must know about its source before it plans anything, and the refusal of what must not be restored.

A source is a snapshot file, a bare `member/snap/db`, or a whole data directory. A file proves its bytes by its SHA-256;
a bare `db` has none, so its owner must say that it is whole. The content is verified either way: what would be restored
damaged is refused, because etcd starts on nearly anything and the loss shows weeks later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.findings import Finding, Severity
from backstay.formats import schema
from backstay.formats.hashkv import RecordPage, user_key
from backstay.snapshot.contents import Contents
from backstay.snapshot.hash import BackgroundDigest
from backstay.snapshot.inspect import Trailer, inspect
from backstay.snapshot.opened import OpenedStore, open_directory, open_file
from backstay.snapshot.verify import Level, judge
from backstay.telemetry import Progress
from backstay.values import Revision

KUBERNETES_PREFIXES = (b"/registry/", b"/kubernetes.io/", b"/openshift.io/")
"""Where API servers keep their objects: upstream's default, and OpenShift's two."""

_HARMLESS = frozenset(("bbolt-freelist-damaged", "bbolt-page-lost"))
"""Errors of the list of free pages: a restore rebuilds the file and never reads that list."""

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source holds. Sizes are bytes; ids are numbers."""

    description: str
    is_directory: bool
    trailer: Trailer
    file_size: int
    revision: Revision
    compact_revision: Revision
    storage_version: str
    cluster_version: str
    kubernetes_prefix: str
    lease_count: int
    attached_lease_count: int
    missing_leases: tuple[int, ...]
    """Leases that live keys are attached to and that are not in the source."""
    alarms: tuple[str, ...]
    auth_enabled: bool
    user_count: int
    member_names: tuple[str, ...]
    has_downgrade: bool
    findings: tuple[Finding, ...]


def open_source(path: Path, *, skip_hash_check: bool) -> OpenedStore:
    """Open a source for a restore; the caller closes it.

    Raises what opening raises, `DIRECTORY_IN_USE` for a running member's files, and `TRAILER_MISSING` for a file without
    a SHA-256 unless `skip_hash_check`.
    """
    if path.is_dir():
        return open_directory(path)
    store = open_file(path, refuse_in_use=True)
    try:
        if store.trailer is None and not skip_hash_check:
            raise _missing_trailer(path)
    except BaseException:
        store.close()
        raise
    return store


def _missing_trailer(path: Path) -> errors.BackstayError:
    what = "snapshot missing hash but --skip-hash-check=false"
    directory = data_directory_of(path)
    if directory is None:
        return errors.TRAILER_MISSING.error(what, where=str(path))
    return errors.TRAILER_MISSING.error(
        what,
        where=str(path),
        why=f"this is the database inside the data directory `{directory}`; its newest writes may be in the log only",
        next_step=f"restore the whole directory: `backstay snapshot restore {directory}`; "
        "or give --skip-hash-check to restore the database without its log",
    )


def data_directory_of(path: Path) -> Path | None:
    """The data directory that `path` is the database of (`DIR/member/snap/db`), None when it is none."""
    whole = path.absolute()
    if whole.name != "db" or whole.parent.name != "snap" or whole.parent.parent.name != "member":
        return None
    return whole.parents[2] if (whole.parents[1] / "wal").is_dir() else None


def examine(store: OpenedStore, *, skip_hash_check: bool, progress: Progress) -> SourceFacts:
    """Read the whole source once. Raises `TRAILER_MISMATCH` and `SNAPSHOT_INVALID` for what must not be restored."""
    is_directory = store.path.is_dir()
    inspection = inspect(store, with_trailer=not skip_hash_check, progress=progress)
    if inspection.trailer is Trailer.WRONG:
        raise _wrong_trailer(store)
    checks = judge(inspection, Level.COHERENT, opening=store.findings)
    found = tuple(finding for check in checks if check.level != Level.AUTHENTIC for finding in check.findings)
    _refuse_damaged(store.path, found)
    contents = _contents(store)
    return SourceFacts(
        description=store.describe(),
        is_directory=is_directory,
        trailer=inspection.trailer,
        file_size=store.file_size,
        revision=store.revision,
        compact_revision=store.compact_revision,
        storage_version=contents.storage_version,
        cluster_version=contents.cluster_version,
        kubernetes_prefix=find_kubernetes_prefix(store.pages()),
        lease_count=len(contents.leases),
        attached_lease_count=len(inspection.attached_leases),
        missing_leases=tuple(sorted(inspection.attached_leases - contents.leases.keys())),
        alarms=tuple(_alarm_name(alarm.kind) for alarm in contents.alarms),
        auth_enabled=contents.auth_enabled,
        user_count=contents.user_count,
        member_names=tuple(member.name or f"{member.id:x}" for member in contents.members),
        has_downgrade=bool(contents.downgrade_target),
        findings=found,
    )


def _wrong_trailer(store: OpenedStore) -> errors.BackstayError:
    with BackgroundDigest(store.database.buffer, store.content_size) as digest:
        expected, found = list(store.trailer or b""), list(digest.result())
    # Numbers in decimal between brackets: as etcd's tools write it.
    what = f"expected sha256 {expected}, got {found}".replace(", ", " ").replace("] got", "], got")
    return errors.TRAILER_MISMATCH.error(what, where=str(store.path))


def _refuse_damaged(path: Path, found: Iterable[Finding]) -> None:
    damage = [each for each in found if each.severity is Severity.ERROR and each.code not in _HARMLESS]
    if not damage:
        return
    listed = "\n".join(str(each) for each in damage[:_MAX_LISTED])
    more = f"\nand {len(damage) - _MAX_LISTED} more" if len(damage) > _MAX_LISTED else ""
    raise errors.SNAPSHOT_INVALID.error(
        "the source is damaged and is not restored",
        where=str(path),
        why=listed + more,
        next_step=f"`backstay snapshot verify {path}` lists everything; {damage[0].remedy}",
    )


def _contents(store: OpenedStore) -> Contents:
    """The small buckets, decoded: with the log's tail where the source is a directory."""
    contents = Contents()
    for name in store.bucket_names():
        if name != schema.KEY:
            for key, value in store.bucket_items(name):
                contents.take(name, key, value)
    return contents


def find_kubernetes_prefix(pages: Iterable[RecordPage]) -> str:
    """The prefix under which Kubernetes keeps objects in these records, "" when there are none."""
    for data, spans in pages:
        # Most pages of a store that is not Kubernetes' are done with one search for each prefix.
        present = [prefix for prefix in KUBERNETES_PREFIXES if data.find(prefix) >= 0]
        if not present:
            continue
        for _, _, value, end in spans:
            key = user_key(data, value, end)
            for prefix in present:
                if key.startswith(prefix):
                    return prefix.decode()
    return ""


def _alarm_name(kind: int) -> str:
    return schema.AlarmType(kind).name if kind in schema.AlarmType.__members__.values() else f"number {kind}"
