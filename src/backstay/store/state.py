"""What a store knows: records newer than its base, the index over all keys, leases, users, alarms, members, markers.

`load_state` makes one from a bbolt file; `store.apply` changes it, entry by entry. The base stays as it is: a state never
holds a value that the base can give. Several sections of state are small tables in their own right; what is here is
what ties them together, and how they look as buckets of a database again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from backstay.formats import membership, mvcc, schema
from backstay.formats.bbolt import Database
from backstay.formats.hashkv import RecordPage
from backstay.formats.membership import ConfState, Member
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.formats.schema import Alarm, Lease, Role, User
from backstay.store.base import Base, PackedHead
from backstay.store.interest import Interest
from backstay.store.key_index import MAIN_SHIFT, SUB_MASK, KeyIndex, pack, unpack
from backstay.store.leases import LeaseTable
from backstay.store.ranges import KeyRange
from backstay.values import NO_COMPACTION, LeaseId, MemberId, Revision

DEFAULT_MINIMUM_LEASE_TTL = 2
"""Seconds: one and a half election timeouts of the default 1 s, rounded up. Shorter leases are granted this long."""

EMPTY_STORE = Revision(1)


@dataclass(slots=True)
class Access:
    """Users, roles, and whether they matter."""

    enabled: bool = False
    revision: int = 1
    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    unhashed: list[str] = field(default_factory=list)
    """Users whose password a log of 3.4 gave in clear text: it is not kept, so they cannot log in."""


@dataclass(slots=True)
class Cluster:
    """Who belongs to the cluster, and which version it has agreed on ("" before it has)."""

    members: dict[MemberId, Member] = field(default_factory=dict)
    removed: set[MemberId] = field(default_factory=set)
    conf_state: ConfState | None = None
    version: str = ""
    downgrade: bytes = b""

    @property
    def voters(self) -> frozenset[MemberId]:
        """Members with a vote: of the raft configuration where one is stored, else those that are no learners."""
        if self.conf_state is not None:
            return frozenset(self.conf_state.voters + self.conf_state.voters_outgoing)
        return frozenset(member.id for member in self.members.values() if not member.is_learner)

    @property
    def is_single(self) -> bool:
        """Whether one member is all that ever started, so that its log needs nobody's agreement.

        The members decide where there are any: every restore replaces them, while etcd's own leaves the raft
        configuration of the old cluster in place. A member without a name was added and has not started: it has copied
        nothing, so it cannot contradict anything.
        """
        if not self.members:
            return len(self.voters) == 1
        return len(self.members) == 1 or sum(bool(member.name) for member in self.members.values()) == 1

    @property
    def is_founded(self) -> bool:
        """Whether any member is known yet."""
        return bool(self.members or self.conf_state)


class StoreState:
    """The state of one store. Read it freely; change it through `store.apply` only."""

    def __init__(self, base: Base) -> None:
        self.revision = EMPTY_STORE
        self.scheduled_compaction: Revision | None = None
        self.finished_compaction: Revision | None = None
        self.consistent_index = 0
        self.term = 0
        self.leases = LeaseTable()
        self.access = Access()
        self.alarms: set[Alarm] = set()
        self.cluster = Cluster()
        self.minimum_lease_ttl = DEFAULT_MINIMUM_LEASE_TTL
        self.index = KeyIndex()
        self._base = base
        self._recent: dict[int, KeyValue] = {}  # by packed revision, in order

    @property
    def compact_revision(self) -> Revision:
        """The newest compaction, finished or not; `NO_COMPACTION` before the first."""
        markers = (self.scheduled_compaction, self.finished_compaction)
        return max((marker for marker in markers if marker is not None), default=NO_COMPACTION)

    @property
    def record_count(self) -> int:
        """How many records are newer than the base."""
        return len(self._recent)

    def records(self) -> Iterator[Record]:
        """The records newer than the base, in order."""
        return (Record(unpack(packed), item) for packed, item in self._recent.items())

    def read(self, key: bytes, at: Revision | None = None) -> KeyValue | None:
        """What `key` holds now or at revision `at`; None when it does not exist then."""
        packed = self.index.find(key, at)
        if packed is None or packed & 1:
            return None
        recent = self._recent.get(packed)
        return recent if recent is not None else self._base.record(packed >> MAIN_SHIFT, packed >> 1 & SUB_MASK)

    def keys(self, within: KeyRange, at: Revision | None = None) -> Iterator[bytes]:
        """The keys that exist inside a range now or at revision `at`, in order."""
        return self.index.living(*within, at)

    def count(self, within: KeyRange, at: Revision | None = None) -> int:
        """How many keys `keys` gives."""
        return self.index.count(*within, at)

    def append(self, records: list[Record]) -> None:
        """Make `records`, all of the next revision, part of the store."""
        for revision, item in records:
            packed = pack(revision)
            self._recent[packed] = item
            self.index.add_packed(item.key, packed)
            self.leases.attach(item.key, 0 if revision.tombstone else item.lease)
            self.revision = Revision(revision.main)

    def adopt_base(self, base: Base, revision: Revision, compacted: Revision) -> None:
        """Stand on a new base that has every record up to `revision`, and has finished the compaction at `compacted`."""
        self._base = base
        self._recent = {key: item for key, item in self._recent.items() if key >> MAIN_SHIFT > revision}
        if compacted != NO_COMPACTION:
            self.finished_compaction = compacted

    def record(self, revision: RevisionKey) -> KeyValue:
        """The record at `revision`, which the index named. Raises `FormatError` where the base is damaged."""
        recent = self._recent.get(pack(revision))
        return recent if recent is not None else self._base.record(revision.main, revision.sub)

    def put_plain(self, key: bytes, value: bytes) -> Record:
        """A put without lease and options, of a key that has no lease: what `WriteBatch.put` does, without the batch."""
        main = self.revision + 1
        before = self.read(key)
        if before is None:
            item = KeyValue(key, main, main, 1, value)
        else:
            item = KeyValue(key, before.create_revision, main, before.version + 1, value)
        packed = main << MAIN_SHIFT
        self._recent[packed] = item
        self.index.add_packed(key, packed)
        self.revision = Revision(main)
        return Record(RevisionKey(main, 0), item)

    def compact_in_steps(self, keys_per_step: int) -> Iterator[None]:
        """Drop from memory, some keys at a time, what nobody can ask for since the newest compaction.

        The base keeps its records until the next checkpoint, and tombstones stay as long: without them a key that the
        base still has would seem to exist, to HashKV.
        """
        for forgotten in self.index.compact_in_steps(self.compact_revision, keys_per_step):
            for packed in forgotten:
                if not packed & 1:
                    self._recent.pop(packed, None)
            yield

    def pages(self) -> Iterator[RecordPage]:
        """All records, base first, for `hashkv`: as they are stored, whatever has been compacted."""
        return self.frozen_pages()()

    def frozen_pages(self) -> Callable[[], Iterator[RecordPage]]:
        """`pages` as they are now, to be read on any thread while the state goes on."""
        base, recent = self._base, list(self._recent.items())

        def pages() -> Iterator[RecordPage]:
            yield from base.pages()
            for packed, item in recent:
                key, value = mvcc.encode_record(Record(unpack(packed), item))
                yield RecordPage(key + value, [(0, 0, len(key), len(key) + len(value))])

        return pages

    def has_alarm(self, kind: schema.AlarmType) -> bool:
        """Whether any member raised an alarm of this kind."""
        return any(alarm.kind == kind for alarm in self.alarms)

    def bucket_items(self, bucket: bytes) -> list[tuple[bytes, bytes]]:
        """Every element of a bucket other than `key`, in order, as this state has it; unknown ones as in the base."""
        whole = self._whole_bucket(bucket)
        if whole is None:
            whole = dict(self._base.items(bucket)) | self._changed_items(bucket)
        return sorted(whole.items())

    def _whole_bucket(self, bucket: bytes) -> dict[bytes, bytes] | None:
        """The buckets that are one table each."""
        if bucket == schema.LEASE:
            return dict(map(schema.encode_lease, self.leases.granted.values()))
        if bucket == schema.ALARM:
            return dict(map(schema.encode_alarm, self.alarms))
        if bucket == schema.AUTH_USERS:
            return dict(map(schema.encode_user, self.access.users.values()))
        if bucket == schema.AUTH_ROLES:
            return dict(map(schema.encode_role, self.access.roles.values()))
        if bucket == schema.MEMBERS:
            return dict(map(membership.encode_member, self.cluster.members.values()))
        if bucket == schema.MEMBERS_REMOVED:
            return {membership.encode_member_key(each): schema.REMOVED for each in self.cluster.removed}
        return None

    def _changed_items(self, bucket: bytes) -> dict[bytes, bytes]:
        """The elements that this state decides in buckets that may hold others too."""
        items: dict[bytes, bytes] = {}
        if bucket == schema.AUTH:
            items[schema.AUTH_ENABLED] = b"\1" if self.access.enabled else b"\0"
            items[schema.AUTH_REVISION] = schema.encode_u64(self.access.revision)
        elif bucket == schema.CLUSTER:
            items[schema.CLUSTER_VERSION] = self.cluster.version.encode()
            items[schema.DOWNGRADE] = self.cluster.downgrade
        elif bucket == schema.META:
            items[schema.CONSISTENT_INDEX] = schema.encode_u64(self.consistent_index)
            items[schema.TERM] = schema.encode_u64(self.term) if self.term else b""
            items[schema.SCHEDULED_COMPACT] = _marker(self.scheduled_compaction)
            items[schema.FINISHED_COMPACT] = _marker(self.finished_compaction)
            if self.cluster.conf_state is not None:
                items[schema.CONF_STATE] = membership.encode_conf_state(self.cluster.conf_state)
        return {key: value for key, value in items.items() if value}


def load_state(database: Database, interest: Interest | None = None) -> StoreState:
    """The state that a database holds. Raises `FormatError` where it is damaged.

    With an `interest` only the keys it covers are indexed: enough to apply the entries it was made from, and to read
    those keys, but nothing else. Memory without one: about 300 bytes per key.
    """
    base = Base(database)
    state = StoreState(base)
    meta = dict(base.items(schema.META))
    state.scheduled_compaction = _read_marker(meta.get(schema.SCHEDULED_COMPACT))
    state.finished_compaction = _read_marker(meta.get(schema.FINISHED_COMPACT))
    state.revision = Revision(max(base.last_revision(), state.compact_revision, EMPTY_STORE))
    state.consistent_index = _number(meta, schema.CONSISTENT_INDEX)
    state.term = _number(meta, schema.TERM)
    _load_tables(state, base, meta)
    leases = state.leases
    for heads in base.heads_by_page(with_leases=bool(leases.granted)):
        if interest is not None:
            heads = list(_of_interest(heads, interest, state))
        state.index.add_all(heads)
        for _, key, lease in heads if leases.granted else ():
            leases.attach(key, lease)
    return state


def _of_interest(heads: Iterable[PackedHead], interest: Interest, state: StoreState) -> Iterator[PackedHead]:
    """Those of `heads` that `interest` covers, and every later one of a key that a lease of interest had: it may end that.

    Leases are attached on the way: a later head of the key may stand on the same page.
    """
    for head in heads:
        _, key, lease = head
        if interest.holds(key) or lease in interest.leases or state.leases.is_attached(key):
            state.leases.attach(key, lease)
            yield head


def _load_tables(state: StoreState, base: Base, meta: dict[bytes, bytes]) -> None:
    for key, value in base.items(schema.LEASE):
        lease: Lease = schema.decode_lease(key, value)
        state.leases.granted[LeaseId(lease.id)] = lease
    state.alarms = {schema.decode_alarm(key) for key, _ in base.items(schema.ALARM)}

    auth = dict(base.items(schema.AUTH))
    users = [schema.decode_user(value) for _, value in base.items(schema.AUTH_USERS)]
    roles = [schema.decode_role(value) for _, value in base.items(schema.AUTH_ROLES)]
    state.access = Access(
        enabled=auth.get(schema.AUTH_ENABLED) == b"\1",
        revision=max(1, _number(auth, schema.AUTH_REVISION)),
        users={user.name: user for user in users},
        roles={role.name: role for role in roles},
    )

    cluster = dict(base.items(schema.CLUSTER))
    members = [membership.decode_member(value) for _, value in base.items(schema.MEMBERS)]
    conf_state = meta.get(schema.CONF_STATE)
    state.cluster = Cluster(
        members={member.id: member for member in members},
        removed={membership.decode_member_key(key) for key, _ in base.items(schema.MEMBERS_REMOVED)},
        conf_state=membership.decode_conf_state(conf_state) if conf_state is not None else None,
        version=cluster.get(schema.CLUSTER_VERSION, b"").decode("utf-8", "replace"),
        downgrade=cluster.get(schema.DOWNGRADE, b""),
    )


def downgrade_text(target_version: str, enabled: bool) -> bytes:
    """The value of `cluster/downgrade`."""
    fields = {"target-version": target_version if enabled else "", "enabled": enabled}
    return json.dumps(fields, separators=(",", ":")).encode()


def _number(items: dict[bytes, bytes], name: bytes) -> int:
    value = items.get(name)
    return schema.decode_u64(value, name.decode()) if value is not None else 0


def _read_marker(value: bytes | None) -> Revision | None:
    return Revision(mvcc.decode_revision(value).main) if value is not None else None


def _marker(revision: Revision | None) -> bytes:
    return mvcc.encode_revision(RevisionKey(revision, 0)) if revision is not None else b""
