"""The engine: one store, asked request by request, from one thread.

    execute(body, identity)    shape -> quota -> rights -> applied -> Outcome with the entry to journal
    put, get                   the two hottest requests without the general path, and the same as it
    tick()                     entries for leases that are due
    drop_history()             one step of dropping what a compaction took
    progress_notes()           the notes that watch streams are due

A request that is refused changes nothing and needs no entry: an entry is only ever made of what was applied.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random
from typing import NamedTuple

from backstay.clock import Clock
from backstay.formats import hashkv, protowire, requests
from backstay.formats.hashkv import HashKV
from backstay.formats.membership import Member, member_id
from backstay.formats.mvcc import KeyValue, Record
from backstay.formats.raft import ConfChange, encode_conf_change
from backstay.formats.requests import AlarmAction, Message, Request, encode_request
from backstay.formats.schema import Alarm, AlarmType
from backstay.store import reading, refusals
from backstay.store.answers import LeaseAnswer, RangeAnswer, TxnAnswer
from backstay.store.apply import apply_request, cluster
from backstay.store.apply.permissions import Identity, check_permission
from backstay.store.apply.transactions import run_txn
from backstay.store.engine.options import EngineOptions, Outcome
from backstay.store.engine.rights import check_attached, check_rights, require_administrator, require_identity
from backstay.store.engine.validation import check_shape, is_read_only, only_looks, refuse_writes
from backstay.store.leasing import Lessor
from backstay.store.membership_entry import MembershipEntry
from backstay.store.quota import PUT_OVERHEAD, cost, effective_quota
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.store.tokens import NoTokens, PasswordHashes, TokenProvider
from backstay.store.watching import Created, WatchHub, WatchSpec, WatchStream
from backstay.store.watching.hub import Delivery
from backstay.store.writing import WriteBatch
from backstay.values import LeaseId, Revision

NOBODY = Identity("", 0)

_TXN = b"\x32"
"""The tag of a transaction in a log entry's request."""


class RemainingLease(NamedTuple):
    """A lease and its time, in seconds. `ttl` is -1 for one that is not granted."""

    ttl: int
    granted_ttl: int = 0
    keys: tuple[bytes, ...] = ()


class Engine:
    """A store at work. `size` is what its file takes; whoever runs it keeps it up to date for the quota."""

    def __init__(
        self,
        state: StoreState,
        clock: Clock,
        random: Random,
        options: EngineOptions,
        *,
        tokens: TokenProvider | None = None,
        passwords: PasswordHashes | None = None,
    ) -> None:
        self.state = state
        self.options = options
        self.size = 0
        self.hub = WatchHub(state)
        self.tokens = tokens or NoTokens()
        self.passwords = passwords
        self._clock = clock
        self._random = random
        self._lessor = Lessor(clock, state.leases.granted.values(), extension=self.options.election_timeout)
        self._quota = effective_quota(self.options.quota_bytes)
        # etcd's ids begin with the member's lowest 16 bits; only their being different and never 0 matters.
        self._next_id = (self.options.member_id & 0xFFFF) << 48 | random.getrandbits(40) << 8 | 1
        self._compacting: Iterator[None] | None = None
        self._next_scan = clock.monotonic()
        self._raised: list[bytes] = []

    @property
    def quota(self) -> int:
        """The quota in bytes; 0 is none."""
        return self._quota

    # Requests.

    def execute(self, body: Message, identity: Identity = NOBODY, encoded: bytes | None = None) -> Outcome:
        """Do what `body` asks. Raises `Refused`; an alarm that the refusal raised is in `take_raised`.

        `encoded` is a transaction as it stands in the log, for callers who have it.
        """
        if self.options.read_only:
            refuse_writes(body)
        self._check_quota(body)
        check_shape(body, self.options.max_operations)
        if isinstance(body, requests.Range):
            check_permission(self.state, identity, body)
            answer = reading.read_range(self.state, body)
            return Outcome(answer.revision, answer)
        if isinstance(body, requests.Txn) and is_read_only(body):
            check_permission(self.state, identity, body)
            return Outcome(self.state.revision, run_txn(self.state, body, WriteBatch(self.state)))
        check_rights(self.state, identity, body)
        body = self._completed(body)
        request = Request(body, self._request_id(), identity.username, identity.auth_revision)
        entry = None
        if not only_looks(body):
            is_short = encoded is not None and identity is NOBODY
            entry = self._entry(_TXN, encoded or b"") if is_short else encode_request(request)
            if len(entry) > self.options.max_request_bytes:
                raise Refused(refusals.REQUEST_TOO_LARGE)
        applied = apply_request(self.state, request)
        if applied.refused is not None:
            raise Refused(applied.refused)
        self._follow(body, applied.answer if isinstance(applied.answer, LeaseAnswer) else None, applied.records)
        return Outcome(self.state.revision, applied.answer, entry)

    def new_learner(self, peer_urls: tuple[str, ...]) -> Member:
        """A learner to be added now: the time makes its id."""
        identifier = member_id(peer_urls, "", int(self._clock.now().timestamp()))
        return Member(identifier, peer_urls, is_learner=True)

    def change_membership(self, change: ConfChange) -> MembershipEntry:
        """Add, update or remove a member on paper: nothing is copied to it. Raises `Refused`; checks no rights."""
        if self.options.read_only:
            raise Refused(refusals.READ_ONLY)
        cluster.change_membership(self.state.cluster, change)
        return MembershipEntry(encode_conf_change(change))

    def put(self, key: bytes, value: bytes) -> tuple[Revision, bytes]:
        """A put without lease or options by nobody in particular: its revision, and its entry. Raises `Refused`."""
        state = self.state
        if not self._is_plain(key, len(key) + len(value)):
            outcome = self.execute(requests.Put(key, value))
            assert outcome.entry is not None
            return outcome.revision, outcome.entry
        record = state.put_plain(key, value)
        self.hub.publish((record,))
        return state.revision, self._entry(b"\x22", protowire.bytes_field(1, key) + protowire.optional_bytes(2, value))

    def get(self, key: bytes) -> tuple[Revision, KeyValue | None]:
        """A read of one key at the newest revision by nobody in particular. Raises `Refused`."""
        if not key or self.state.access.enabled:
            answer = self.execute(requests.Range(key)).answer
            assert isinstance(answer, RangeAnswer)
            return answer.revision, answer.items[0] if answer.items else None
        return self.state.revision, self.state.read(key)

    def update(
        self, key: bytes, mod_revision: int, value: bytes, encoded: bytes = b""
    ) -> tuple[bool, Revision, KeyValue | None, bytes | None]:
        """Put if the key's mod revision is this one, else read it: Kubernetes' update, by nobody in particular.

        Whether it was put, the revision, what was read instead, and the entry. `encoded` is the transaction as protobuf,
        where the caller has it. Raises `Refused`.
        """
        state = self.state
        if not self._is_plain(key, len(key) + len(value)):
            return self._update_slowly(key, mod_revision, value)
        before = state.read(key)
        if (before.mod_revision if before is not None else 0) != mod_revision:
            return False, state.revision, before, None
        self.hub.publish((state.put_plain(key, value),))
        return True, state.revision, None, self._entry(_TXN, encoded or _encode_update(key, mod_revision, value))

    def _is_plain(self, key: bytes, size: int) -> bool:
        """Whether nothing stands in the way of a put that the general path would have to look at."""
        state = self.state
        return bool(
            key
            and not self.options.read_only
            and not state.access.enabled
            and not state.alarms
            and not state.leases.is_attached(key)
            and size <= self.options.max_request_bytes >> 1
            and (not self._quota or self.size + size + PUT_OVERHEAD < self._quota)
        )

    def _update_slowly(
        self, key: bytes, mod_revision: int, value: bytes
    ) -> tuple[bool, Revision, KeyValue | None, bytes | None]:
        condition = requests.Compare(target=requests.CompareTarget.MOD, key=key, mod_revision=mod_revision)
        put, read = requests.Operation(put=requests.Put(key, value)), requests.Operation(range=requests.Range(key))
        outcome = self.execute(requests.Txn((condition,), (put,), (read,)))
        assert isinstance(outcome.answer, TxnAnswer)
        (first,) = outcome.answer.answers
        item = first.items[0] if isinstance(first, RangeAnswer) and first.items else None
        return outcome.answer.succeeded, outcome.revision, item, outcome.entry

    def take_raised(self) -> list[bytes]:
        """Entries since the last call of what no request asked for: alarms that refusals raised, notes about leases that
        are kept alive. To be journalled like any other."""
        raised, self._raised = self._raised, []
        return raised

    # Leases.

    def keep_alive(self, lease: LeaseId, identity: Identity = NOBODY) -> int:
        """Begin the lease's time again; its TTL, 0 when it is gone or due. Raises `Refused`. See `take_raised`."""
        granted = self.state.leases.granted.get(lease)
        check_attached(self.state, identity, lease, writes=True)
        if granted is None or self._lessor.remaining(lease) <= 0:
            return 0
        self._lessor.start(granted)
        if granted.remaining_ttl and not self.options.read_only:
            self._forget_remaining(granted.id)
        return granted.ttl

    def _forget_remaining(self, lease: LeaseId) -> None:
        """An etcd noted what was left of a lease. Its owner was heard of, so that must not count after the next start."""
        request = Request(requests.LeaseCheckpoint((requests.RemainingTime(lease, 0),)), self._request_id())
        apply_request(self.state, request)
        if not self.state.leases.granted[lease].remaining_ttl:  # old clusters keep such notes in memory only
            self._raised.append(encode_request(request))

    def time_to_live(self, lease: LeaseId, identity: Identity = NOBODY, *, keys: bool = False) -> RemainingLease:
        """What is left of a lease, and the keys attached to it. Raises `Refused`."""
        require_identity(self.state, identity)
        if keys:
            check_attached(self.state, identity, lease, writes=False)
        granted = self.state.leases.granted.get(lease)
        if granted is None:
            return RemainingLease(-1)
        attached = tuple(self.state.leases.keys(lease)) if keys else ()
        return RemainingLease(int(self._lessor.remaining(lease)), granted.ttl, attached)

    def leases(self, identity: Identity = NOBODY) -> list[LeaseId]:
        """All leases, those that end first in front. Raises `Refused`."""
        require_identity(self.state, identity)
        for lease in self.state.leases.granted:
            check_attached(self.state, identity, lease, writes=False)
        return self._lessor.by_expiry()

    # Who asks.

    def identify(self, token: str | None, common_name: str | None = None) -> Identity:
        """Who sends a token, or a client certificate. Raises `Refused` for a token that is worth nothing."""
        if not self.state.access.enabled:
            return NOBODY
        revision = self.state.access.revision
        if token:
            found = self.tokens.identify(token, revision)
            if found is None:
                raise Refused(refusals.INVALID_TOKEN)
            return found
        return NOBODY if common_name is None else Identity(common_name, revision)

    def password_hash(self, username: str) -> bytes:
        """The hash to check a login against, which takes long and is done elsewhere. Raises `Refused`."""
        if not self.state.access.enabled:
            raise Refused(refusals.AUTH_NOT_ENABLED)
        user = self.state.access.users.get(username)
        if user is None:
            raise Refused(refusals.AUTH_FAILED)
        if user.no_password:
            raise Refused(refusals.NO_PASSWORD_USER)
        return user.password

    def log_in(self, username: str, checked: bytes) -> str:
        """A token for a user whose password fitted the hash `checked`. Raises `Refused` if it has changed since."""
        if self.password_hash(username) != checked:
            raise Refused(refusals.AUTH_FAILED)
        return self.tokens.issue(username, self.state.access.revision, self.state.consistent_index)

    # Watching.

    def watch(self, stream: WatchStream, spec: WatchSpec, identity: Identity = NOBODY) -> Created:
        """Begin to watch; a refusal is part of the answer, in the form etcd gives it."""
        wanted = requests.Range(spec.key or b"\0", spec.range_end)
        try:
            check_permission(self.state, identity, wanted)
        except Refused as refused:
            code, text = refused.refusal
            return Created(-1, self.state.revision, f"rpc error: code = {code} desc = {text}")
        return self.hub.create(stream, spec)

    # Maintenance.

    def hash_kv(self, at: int, identity: Identity = NOBODY) -> HashKV:
        """HashKV at a revision (0: the newest); reads everything. Raises `Refused`."""
        return self.plan_hash_kv(at, identity)()

    def plan_hash_kv(self, at: int, identity: Identity = NOBODY) -> Callable[[], HashKV]:
        """`hash_kv` of the store as it is now, to be computed on any thread. Raises `Refused` at once."""
        require_administrator(self.state, identity)
        compacted = self.state.compact_revision
        if at < 0:
            return lambda: HashKV(hashkv.EMPTY_HASH, Revision(-1), Revision(-1))
        if at:
            reading.check_revision(self.state, at)
        revision = Revision(at) if at else self.state.revision
        return partial(hashkv.hash_kv, self.state.frozen_pages(), revision, compacted)

    @property
    def is_dropping_history(self) -> bool:
        """Whether `drop_history` has something to do."""
        return self._compacting is not None

    def drop_history(self) -> None:
        """Drop some of what a compaction took from memory. `tick` does so too, at leisure."""
        if self._compacting is not None:
            if next(self._compacting, True) is None:
                self.hub.forget_backlogs()
            else:
                self._compacting = None

    def tick(self) -> list[bytes]:
        """Entries to journal for the leases that are due. Call it every 100 ms or so."""
        self.drop_history()
        now = self._clock.monotonic()
        if now < self._next_scan or self.options.read_only:
            return []
        self._next_scan = now + self.options.lease_scan_interval
        return [entry for lease in self._lessor.due() if (entry := self._expire(lease))]

    def progress_notes(self) -> list[Delivery]:
        """The notes of progress that are due. What `hub.collect` gives must have gone out before."""
        now = self._clock.monotonic()
        notes: list[Delivery] = []
        for stream in self.hub.streams:
            if now >= stream.next_notes:
                if stream.next_notes:
                    notes += self.hub.progress_notes(stream)
                stream.next_notes = now + self.options.progress_interval * (1 + self._random.random() / 10)
        return notes

    def _expire(self, lease: LeaseId) -> bytes | None:
        """Revoke a lease for the store itself. A CORRUPT alarm stops that too; the next scan tries again."""
        body = requests.LeaseRevoke(lease)
        enabled = self.state.access.enabled
        identity = Identity("root", self.state.access.revision) if enabled else NOBODY
        request = Request(body, self._request_id(), *identity)
        applied = apply_request(self.state, request)
        if applied.refused is not None:
            return None
        self._follow(body, None, applied.records)
        return encode_request(request)

    def _check_quota(self, body: Message) -> None:
        needed = cost(body) if self._quota else 0
        if not needed or self.size + needed < self._quota:
            return
        alarm = Alarm(self.options.member_id, AlarmType.NOSPACE)
        if alarm not in self.state.alarms:
            raising = requests.Alarm(AlarmAction.ACTIVATE, alarm.member_id, alarm.kind)
            request = Request(raising, self._request_id())
            apply_request(self.state, request)
            self._raised.append(encode_request(request))
        raise Refused(refusals.NO_SPACE)

    def _completed(self, body: Message) -> Message:
        """`body` as it goes into the log: with a lease id, and without a password."""
        if isinstance(body, requests.LeaseGrant) and not body.id:
            lease = 0
            while not lease or lease in self.state.leases.granted:
                lease = self._random.getrandbits(63)
            return replace(body, id=lease)
        if isinstance(body, requests.UserAdd | requests.UserChangePassword) and not body.hashed_password:
            no_password = isinstance(body, requests.UserAdd) and body.options is not None and body.options.no_password
            if not no_password and self.passwords is not None:
                hashed = base64.b64encode(self.passwords.hash(body.password)).decode()
                return replace(body, password="", hashed_password=hashed)
        return body

    def _follow(self, body: Message, lease: LeaseAnswer | None, records: tuple[Record, ...]) -> None:
        """Let everybody who keeps something beside the state know what was applied."""
        if records:
            self.hub.publish(records)
        if lease is not None:
            self._lessor.start(lease.lease)
        elif isinstance(body, requests.LeaseRevoke):
            self._lessor.stop(LeaseId(body.id))
        elif isinstance(body, requests.Compaction):
            self._compacting = self.state.compact_in_steps(self.options.compaction_step_keys)
        elif isinstance(body, requests.UserDelete | requests.UserChangePassword):
            self.tokens.forget_user(body.name)
        elif isinstance(body, requests.AuthDisable):
            self.tokens.forget_all()

    def _request_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _entry(self, mark: bytes, body: bytes) -> bytes:
        """What `encode_request` makes of a body that is encoded already; `mark` is its field in the request."""
        identifier = b"\x08" + protowire.varint(self._request_id())
        return b"".join((mark, protowire.varint(len(body)), body, b"\xa2\x06", bytes((len(identifier),)), identifier))


def _encode_update(key: bytes, mod_revision: int, value: bytes) -> bytes:
    point = protowire.bytes_field(1, key)
    put = protowire.bytes_field(2, point + protowire.optional_bytes(2, value))
    compare = b"".join((b"\x10\x02", protowire.bytes_field(3, key), b"\x30", protowire.varint(mod_revision)))
    parts = (b"\x0a", compare), (b"\x12", put), (b"\x1a", protowire.bytes_field(1, point))
    return b"".join(part for mark, each in parts for part in (mark, protowire.varint(len(each)), each))
