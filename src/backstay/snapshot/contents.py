"""What the small buckets of a snapshot say: meta, leases, members, alarms, auth, cluster. Decoded, and every finding.

`inspect` feeds it each element of every bucket but `key`. Only what later checks need is kept, one entry per lease and
member; elements that do not decode become findings, whatever etcd would do about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats import membership, mvcc, schema
from backstay.formats.membership import ConfState, Member
from backstay.formats.schema import Alarm, Lease
from backstay.values import MemberId, Revision

MAX_FINDINGS = 100

ENTRY_INVALID = findings.declare(
    "entry-invalid",
    Severity.ERROR,
    "An entry of a bucket beside `key` (a lease, a member, a marker, a user ...) does not decode.",
    "use another copy of this file; a restore would lose or misread this entry",
)
ENTRY_UNKNOWN = findings.declare(
    "entry-unknown",
    Severity.NOTE,
    "An entry of bucket `meta`, `auth` or `cluster` that no release of etcd up to 3.7 has; every release keeps it.",
    "nothing to do if a newer etcd or another program wrote this file; else compare it with another copy",
)
_VERSION = re.compile(rb"\d+\.\d+\.\d+", re.ASCII)


@dataclass(slots=True)
class Contents:
    """Everything but the records. A field of None means that the entry is absent (or did not decode)."""

    consistent_index: int | None = None
    term: int | None = None
    conf_state: ConfState | None = None
    scheduled_compact: Revision | None = None
    finished_compact: Revision | None = None
    storage_version: str = ""
    cluster_version: str = ""
    downgrade_target: str = ""
    auth_enabled: bool = False
    auth_revision: int | None = None
    user_count: int = 0
    role_count: int = 0
    leases: dict[int, Lease] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    removed_members: list[MemberId] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _reported: int = 0

    def take(self, bucket: bytes, key: bytes, value: bytes) -> None:
        """Take one element; what does not decode is reported."""
        decode = _DECODERS.get(bucket)
        if decode is None:
            return
        try:
            decode(self, key, value)
        except FormatError as problem:
            self._report(ENTRY_INVALID, bucket, key, problem.what[:200])
        except UnicodeDecodeError as problem:
            self._report(ENTRY_INVALID, bucket, key, str(problem)[:200])
        else:
            if key not in _KNOWN.get(bucket, (key,)):
                self._report(ENTRY_UNKNOWN, bucket, key, f"{len(value)} bytes")

    def _report(self, kind: FindingKind, bucket: bytes, key: bytes, evidence: str) -> None:
        self._reported += 1
        if self._reported <= MAX_FINDINGS:
            name = key[:40].decode("utf-8", "backslashreplace")
            self.findings.append(kind.at(f"bucket {bucket.decode()}, {name!r}", evidence))


def _take_meta(contents: Contents, key: bytes, value: bytes) -> None:
    if key == schema.CONSISTENT_INDEX:
        contents.consistent_index = schema.decode_u64(value, "consistent_index")
    elif key == schema.TERM:
        contents.term = schema.decode_u64(value, "term")
    elif key == schema.CONF_STATE:
        contents.conf_state = membership.decode_conf_state(value)
    elif key == schema.SCHEDULED_COMPACT:
        contents.scheduled_compact = _marker(value)
    elif key == schema.FINISHED_COMPACT:
        contents.finished_compact = _marker(value)
    elif key == schema.STORAGE_VERSION:
        contents.storage_version = _version(value)


def _take_cluster(contents: Contents, key: bytes, value: bytes) -> None:
    if key == schema.CLUSTER_VERSION:
        contents.cluster_version = _version(value)
    elif key == schema.DOWNGRADE:
        downgrade = membership.parse_object(value, "downgrade")
        if downgrade.get("enabled"):
            contents.downgrade_target = str(downgrade.get("target-version", ""))


def _take_auth(contents: Contents, key: bytes, value: bytes) -> None:
    if key == schema.AUTH_ENABLED:
        if value not in (b"\0", b"\1"):
            raise FormatError(f"authEnabled is {value[:8].hex()}", offset=0)
        contents.auth_enabled = value == b"\1"
    elif key == schema.AUTH_REVISION:
        contents.auth_revision = schema.decode_u64(value, "authRevision")


def _take_user(contents: Contents, key: bytes, value: bytes) -> None:
    name = schema.decode_user(value).name
    if name.encode() != key:
        raise FormatError(f"holds the user {name[:40]!r}", offset=0)
    contents.user_count += 1


def _take_role(contents: Contents, key: bytes, value: bytes) -> None:
    name = schema.decode_role(value).name
    if name.encode() != key:
        raise FormatError(f"holds the role {name[:40]!r}", offset=0)
    contents.role_count += 1


def _take_lease(contents: Contents, key: bytes, value: bytes) -> None:
    lease = schema.decode_lease(key, value)
    contents.leases[lease.id] = lease


def _take_alarm(contents: Contents, key: bytes, value: bytes) -> None:
    contents.alarms.append(schema.decode_alarm(key))
    if value:
        raise FormatError(f"an alarm has a value of {len(value)} bytes", offset=0)


def _take_member(contents: Contents, key: bytes, value: bytes) -> None:
    member = membership.decode_member(value)
    if member.id != membership.decode_member_key(key):
        raise FormatError(f"holds the member {member.id:x}", offset=0)
    contents.members.append(member)


def _take_removed(contents: Contents, key: bytes, value: bytes) -> None:
    contents.removed_members.append(membership.decode_member_key(key))
    if value != schema.REMOVED:
        raise FormatError(f"its value is {value[:20]!r}, not 'removed'", offset=0)


_KNOWN: dict[bytes, tuple[bytes, ...]] = {
    schema.AUTH: (schema.AUTH_ENABLED, schema.AUTH_REVISION),
    schema.CLUSTER: (schema.CLUSTER_VERSION, schema.DOWNGRADE),
    schema.META: (
        schema.CONF_STATE,
        schema.CONSISTENT_INDEX,
        schema.FINISHED_COMPACT,
        schema.SCHEDULED_COMPACT,
        schema.STORAGE_VERSION,
        schema.TERM,
    ),
}

_DECODERS: dict[bytes, Callable[[Contents, bytes, bytes], None]] = {
    schema.ALARM: _take_alarm,
    schema.AUTH: _take_auth,
    schema.AUTH_ROLES: _take_role,
    schema.AUTH_USERS: _take_user,
    schema.CLUSTER: _take_cluster,
    schema.LEASE: _take_lease,
    schema.MEMBERS: _take_member,
    schema.MEMBERS_REMOVED: _take_removed,
    schema.META: _take_meta,
}


def _marker(value: bytes) -> Revision:
    key = mvcc.decode_revision(value)
    if key.tombstone or key.sub:
        raise FormatError("a compaction marker is a main revision alone", offset=0)
    return Revision(key.main)


def _version(value: bytes) -> str:
    if not _VERSION.match(value):
        raise FormatError(f"{value[:20]!r} is no version", offset=0)
    return value.decode()
