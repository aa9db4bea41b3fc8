"""Whether the parts of a snapshot fit together, judged from an `Inspection`; and what a restore would carry along.

`verify` calls each check of `CHECKS` and shows its findings under the check's name. Checks are pure functions from an
inspection to findings. What the walk itself notices (pages, records, undecodable entries) is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backstay import findings
from backstay.findings import Finding, Severity
from backstay.formats import schema
from backstay.snapshot.contents import Contents
from backstay.snapshot.inspect import Inspection, Trailer
from backstay.values import hex_id, size_text

_SMALL_SHARE = 8
"""Reachable pages below one in so many are suspicious (etcd-files section 8.3)."""

_FEW_PAGES = 64
"""Files smaller than this have too few pages for the share to mean anything."""

_MAX_LISTED = 5
_SUSPICIOUS_RELEASES = ((3, 5, 0), (3, 5, 2))

BUCKET_MISSING = findings.declare(
    "bucket-missing",
    Severity.WARNING,
    "A bucket that every etcd since 3.4 creates at its first start is not in the file; etcd creates it empty.",
    "find out what wrote this file; parts of the cluster's state may be missing",
)
NOT_ETCD = findings.declare(
    "not-an-etcd-store",
    Severity.ERROR,
    "The file is a bbolt database but lacks the bucket `key` or `meta`: it is not etcd's, or the wrong root was read.",
    "use another copy of this file",
)
BUCKET_UNKNOWN = findings.declare(
    "bucket-unknown",
    Severity.NOTE,
    "A bucket that no release of etcd has; every release keeps it and ignores it.",
    "nothing to do; find out what wrote it if you do not know",
)
ROOT_STRAY = findings.declare(
    "root-stray",
    Severity.ERROR,
    "Entries that are no buckets stand where only buckets belong: the root page was reused while the file was copied.",
    "do not restore this file: save a snapshot over the API, or copy the file while etcd is stopped",
)
HOT_COPY = findings.declare(
    "hot-copy-suspected",
    Severity.ERROR,
    "The file has no SHA-256 and is damaged in the way of a database that was copied while etcd was writing to it.",
    "do not restore it: use `backstay snapshot save`, a file-system snapshot, or stop etcd before copying",
)
REACHABLE_FEW = findings.declare(
    "reachable-few",
    Severity.WARNING,
    "Only a small part of the pages is in use. Either much was deleted, or the root of a torn copy leads to little data.",
    "compare revision and key count with what you expect; `etcdctl defrag` shrinks a file that is merely empty",
)
COMPACTION_MARKERS = findings.declare(
    "compaction-markers-inverted",
    Severity.ERROR,
    "The finished compaction is newer than the scheduled one; etcd writes them in the other order.",
    "use another copy of this file, or compare HashKV with another member",
)
COMPACTION_UNFINISHED = findings.declare(
    "compaction-unfinished",
    Severity.NOTE,
    "A compaction was under way; etcd finishes it at its next start, and revisions below it cannot be read.",
    "nothing to do",
)
COMPACTION_AHEAD = findings.declare(
    "compaction-ahead",
    Severity.NOTE,
    "The compact revision is above the newest record: the newest changes were deletions that the compaction removed.",
    "nothing to do; a start takes the higher number (releases before 3.4.32 and 3.5.14 go back to the lower one)",
)
LEASE_MISSING = findings.declare(
    "lease-missing",
    Severity.WARNING,
    "Keys are attached to a lease that does not exist; etcd only logs it, and these keys never expire.",
    "nothing to do for a restore by backstay, which makes such leases anew; etcd's own tools restore keys that never end",
)
CONF_STATE_STALE = findings.declare(
    "conf-state-stale",
    Severity.WARNING,
    "The raft configuration in the file names other members than its member list, as after a restore by etcd's tools.",
    "nothing to do for a restore by backstay, which writes both anew; do not use the bare file as a data directory",
)
LEARNER_STALE = findings.declare(
    "learner-stale",
    Severity.WARNING,
    "A voter is still listed as a learner (releases 3.5.1 to 3.5.19 forgot to write a promotion); 3.6 may not start so.",
    "a restore writes the membership anew; before an upgrade of the living cluster go to 3.5.26 or newer first",
)
MEMBER_ZOMBIE = findings.declare(
    "member-zombie",
    Severity.WARNING,
    "A member is listed as present and as removed at once.",
    "a restore writes the membership anew; upgrade the living cluster to 3.5.26 or newer, which cleans this",
)
ALARM_INSIDE = findings.declare(
    "alarm-inside",
    Severity.WARNING,
    "An alarm is raised inside the file: a cluster restored from it refuses writes until the alarm is cleared.",
    "restore with `--clear-alarms`, or run `etcdctl alarm disarm` after the start; then see to its cause",
)
AUTH_ENABLED = findings.declare(
    "auth-enabled",
    Severity.NOTE,
    "Authentication is switched on: the restored cluster asks for the passwords that were valid at the time.",
    "keep the password of root where the backup is kept",
)
CONSISTENT_INDEX_MISSING = findings.declare(
    "consistent-index-missing",
    Severity.WARNING,
    "The file holds records but not the index of the last applied log entry; etcd would apply its log twice.",
    "restore it (a restore writes the index anew); do not use the bare file as a data directory",
)
DOWNGRADE = findings.declare(
    "downgrade-under-way",
    Severity.NOTE,
    "The cluster was being downgraded when the snapshot was saved.",
    "restore with the release that the downgrade goes to, or cancel it after the start",
)
RELEASE_SUSPECT = findings.declare(
    "release-suspect",
    Severity.NOTE,
    "etcd 3.5.0 to 3.5.2 can lose writes of one member in a crash, and nothing in that member's file shows it.",
    "compare HashKV of all members at one revision before trusting this file, and upgrade",
)

StoreCheck = Callable[[Inspection], Iterator[Finding]]


def check_schema(inspection: Inspection) -> Iterator[Finding]:
    """The buckets are etcd's, and nothing else stands beside them."""
    if inspection.root_strays:
        count = len(inspection.root_strays)
        yield ROOT_STRAY.at("root bucket", f"{count} entries, the first is {inspection.root_strays[0][:24].hex()}")
    for name in schema.BUCKETS:
        if name not in inspection.buckets:
            kind = NOT_ETCD if name in (schema.KEY, schema.META) else BUCKET_MISSING
            yield kind.at(f"bucket {name.decode()}", "absent")
    unknown = [name for name in inspection.buckets if name not in schema.BUCKETS] + list(inspection.nested_buckets)
    for name in unknown[:_MAX_LISTED]:
        yield BUCKET_UNKNOWN.at(f"bucket {_text(name)}", f"{inspection.buckets.get(name, 0)} entries")
    if len(unknown) > _MAX_LISTED:
        yield BUCKET_UNKNOWN.at("root bucket", f"{len(unknown) - _MAX_LISTED} more unknown buckets")


def check_compaction(inspection: Inspection) -> Iterator[Finding]:
    """The compaction markers fit each other and the newest record."""
    scheduled, finished = inspection.contents.scheduled_compact, inspection.contents.finished_compact
    if finished is not None and finished > (scheduled or 0):
        yield COMPACTION_MARKERS.at("bucket meta", f"finished at {finished}, scheduled at {scheduled}")
    elif scheduled is not None and scheduled > (finished or 0):
        yield COMPACTION_UNFINISHED.at("bucket meta", f"scheduled at {scheduled}, finished at {finished}")
    last = inspection.records.last_revision
    if inspection.compact_revision > max(last, 1):
        yield COMPACTION_AHEAD.at("bucket meta", f"compacted at {inspection.compact_revision}, newest record {last}")


def check_leases(inspection: Inspection) -> Iterator[Finding]:
    """Every lease that a key is attached to exists."""
    missing = sorted(inspection.attached_leases - inspection.contents.leases.keys())
    if missing:
        yield LEASE_MISSING.at("bucket lease", _listed([f"{lease & (1 << 64) - 1:016x}" for lease in missing]))


def check_membership(inspection: Inspection) -> Iterator[Finding]:
    """Member list, list of removed members and raft configuration agree."""
    contents = inspection.contents
    members = {member.id: member for member in contents.members}
    zombies = sorted(members.keys() & set(contents.removed_members))
    if zombies:
        yield MEMBER_ZOMBIE.at("bucket members", _listed([hex_id(each) for each in zombies]))
    state = contents.conf_state
    if state is None:
        return
    named = set(state.voters) | set(state.learners)
    if named != members.keys():
        yield CONF_STATE_STALE.at(
            "bucket meta, confState",
            f"names {_listed([hex_id(each) for each in sorted(named)])}; "
            f"members are {_listed([hex_id(each) for each in sorted(members)])}",
        )
    stale = [hex_id(each) for each in state.voters if each in members and members[each].is_learner]
    if stale:
        yield LEARNER_STALE.at("bucket members", _listed(stale))


def check_alarms(inspection: Inspection) -> Iterator[Finding]:
    """No alarm is raised."""
    for alarm in inspection.contents.alarms[:_MAX_LISTED]:
        known = alarm.kind in schema.AlarmType.__members__.values()
        name = schema.AlarmType(alarm.kind).name if known else f"number {alarm.kind}"
        yield ALARM_INSIDE.at("bucket alarm", f"{name} of member {hex_id(alarm.member_id)}")


def check_applied_index(inspection: Inspection) -> Iterator[Finding]:
    """The index of the last applied log entry is there."""
    if not inspection.contents.consistent_index and inspection.records.record_count:
        evidence = "absent" if inspection.contents.consistent_index is None else "zero"
        yield CONSISTENT_INDEX_MISSING.at("bucket meta, consistent_index", evidence)


def check_reachability(inspection: Inspection) -> Iterator[Finding]:
    """Most of the file is in use, and nothing says that it was copied while etcd was writing."""
    reachable, total = inspection.reachable_pages, inspection.page_count
    if inspection.trailer not in (Trailer.MISSING, Trailer.NOT_DUE):
        return  # What a server streamed is no torn copy, however empty its pages are.
    if inspection.trailer is Trailer.MISSING and total >= _FEW_PAGES and reachable * _SMALL_SHARE < total:
        yield REACHABLE_FEW.at("file", f"{reachable} of {total} pages are in use")
    signs = sorted(
        {each.code for each in inspection.findings if each.severity is Severity.ERROR and each.code in _TORN_CODES}
    )
    if inspection.root_strays:
        signs.insert(0, ROOT_STRAY.code)
    if signs:
        beyond = inspection.content_size - inspection.data_size
        longer = f", {size_text(beyond)} behind the last page" if beyond > 0 else ""
        yield HOT_COPY.at("file", f"no trailer, and {', '.join(signs)}{longer}")


_TORN_CODES = frozenset(
    ("revision-gap", "bbolt-page-damaged", "bbolt-page-shared", "bbolt-key-order", "revision-key-invalid")
)


def check_carried(inspection: Inspection) -> Iterator[Finding]:
    """What a restore carries along and people forget."""
    if inspection.contents.auth_enabled:
        yield AUTH_ENABLED.at("bucket auth", f"{inspection.contents.user_count} users")
    if inspection.contents.downgrade_target:
        yield DOWNGRADE.at("bucket cluster", f"to {inspection.contents.downgrade_target}")


def check_release(inspection: Inspection, etcd_version: str = "") -> Iterator[Finding]:
    """Whether a release that can lose writes silently wrote the file: `etcd_version` if known, else by its traces."""
    if etcd_version:
        parts = tuple(int(part) for part in etcd_version.removeprefix("v").split(".")[:3] if part.isdigit())
        first, last = _SUSPICIOUS_RELEASES
        if len(parts) == 3 and first <= parts <= last:
            yield RELEASE_SUSPECT.at("file", f"written by etcd {etcd_version}")
    elif _looks_like_an_early_3_5(inspection.contents):
        yield RELEASE_SUSPECT.at(
            "bucket members", "cluster version 3.5 and members without client URLs, as the first releases of 3.5 write"
        )


def _looks_like_an_early_3_5(contents: Contents) -> bool:
    # 3.5.1 keeps what a member publishes in its v2 store only; later releases, and 3.4, write it here too.
    published = [member for member in contents.members if member.name]
    return contents.cluster_version.startswith("3.5.") and any(not member.client_urls for member in published)


def _listed(texts: list[str]) -> str:
    if not texts:
        return "none"
    more = f" and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else ""
    return ", ".join(texts[:_MAX_LISTED]) + more


def _text(name: bytes) -> str:
    return name[:40].decode("utf-8", "backslashreplace")
