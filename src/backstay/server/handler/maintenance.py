"""Maintenance: status, alarms, defragment, hashes, snapshot, and what is left of leaders and downgrades in a cluster of one.

Hashes and snapshots read the whole store: they are computed on other threads, of the store as it was when it was asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping

from backstay.errors import BackstayError, FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests, schema
from backstay.formats.crc32c import extend
from backstay.formats.hashkv import HashKV
from backstay.server import statuses
from backstay.server.handler.compaction_hashes import CompactionHashes
from backstay.server.handler.context import VERSION, HandlerContext, status_of
from backstay.server.handler.hosting import Snapshot
from backstay.server.handler.service import Answer, OneRequestStream, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, StreamId, Token
from backstay.store import refusals
from backstay.store.answers import AlarmAnswer
from backstay.store.engine.rights import require_administrator, require_identity
from backstay.store.quota import effective_quota
from backstay.store.refusals import Refusal, Refused

SNAPSHOT_CHUNK = 32 << 10
MOST_HASHES = 16
"""Hashes that are computed or wait for it: each holds on to the store as it was when it was asked."""

BAD_TRANSFEREE = Refusal("FailedPrecondition", "etcdserver: bad leader transferee")
BAD_DOWNGRADE_FORMAT = Refusal("InvalidArgument", "etcdserver: wrong downgrade target version format")
BAD_DOWNGRADE_TARGET = Refusal("InvalidArgument", "etcdserver: invalid downgrade target version")
DOWNGRADE_IN_PROGRESS = Refusal("FailedPrecondition", "etcdserver: cluster has a downgrade job in progress")
UNKNOWN_METHOD = Refusal("Unknown", "etcdserver: unknown method")

_MAJOR, _MINOR = (int(part) for part in VERSION.split(".")[:2])
_ALARM_NAMES = {kind.value: kind.name for kind in schema.AlarmType}


class MaintenanceService:
    """The store as a thing to be looked after."""

    def __init__(self, context: HandlerContext, hashes: CompactionHashes) -> None:
        self._context = context
        self._hashes = hashes
        self._hashing = 0
        self.answers: Mapping[Op, Answer] = {
            Op.ALARM: self.alarm,
            Op.STATUS: self.status,
            Op.DEFRAGMENT: self.defragment,
            Op.HASH: self.hash,
            Op.HASH_KV: self.hash_kv,
            Op.MOVE_LEADER: self.move_leader,
            Op.DOWNGRADE: self.downgrade,
        }
        self.streams: Mapping[Op, StreamMethod] = {Op.SNAPSHOT: SnapshotStream(context)}

    def alarm(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Alarm."""
        asked = rpc.AlarmRequest.FromString(body)
        alarm = requests.Alarm(asked.action, asked.memberID, asked.alarm)
        outcome = self._context.execute(alarm, self._context.identify(conn, token))
        assert isinstance(outcome.answer, AlarmAnswer)
        raised = (rpc.AlarmMember(memberID=each.member_id, alarm=each.kind) for each in outcome.answer.alarms)  # type: ignore[arg-type]
        return rpc.AlarmResponse(header=self._context.header(), alarms=raised).SerializeToString()

    def status(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Status."""
        rpc.StatusRequest.FromString(body)
        context, state = self._context, self._context.engine.state
        require_identity(state, context.identify(conn, token))
        sizes = context.hosting.sizes
        index, target = state.consistent_index, context.downgrade_target
        return rpc.StatusResponse(
            header=context.header(),
            version=VERSION,
            dbSize=sizes.total,
            dbSizeInUse=sizes.in_use,
            leader=context.answerer.member,
            raftIndex=index,
            raftTerm=context.answerer.term,
            raftAppliedIndex=index,
            errors=[
                f"memberID:{each.member_id} alarm:{_ALARM_NAMES.get(each.kind, each.kind)}"
                for each in sorted(state.alarms)
            ],
            storageVersion=target or f"{_MAJOR}.{_MINOR}.0",
            dbSizeQuota=effective_quota(context.engine.options.quota_bytes),
            downgradeInfo=rpc.DowngradeInfo(
                enabled=bool(self._context.downgrade_target), targetVersion=self._context.downgrade_target
            ),
        ).SerializeToString()

    def defragment(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Defragment: a checkpoint. Other calls go on meanwhile."""
        rpc.DefragmentRequest.FromString(body)
        context = self._context
        require_administrator(context.engine.state, context.identify(conn, token))

        def done(problem: BackstayError | None) -> None:
            failed = (statuses.UNKNOWN, f"backstay: {problem}")
            context.transport.answer(call, rpc.DefragmentResponse().SerializeToString() if problem is None else failed)

        context.hosting.defragment(done)
        return None

    def hash(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Hash: of every bucket; of use to compare a store with itself only."""
        rpc.HashRequest.FromString(body)
        context, state = self._context, self._context.engine.state
        require_administrator(state, context.identify(conn, token))
        self._refuse_more_hashes()
        buckets = {name: state.bucket_items(name) for name in schema.BUCKETS if name != schema.KEY}
        pages = state.frozen_pages()

        def compute() -> rpc.HashResponse:
            crc = 0
            for name in schema.BUCKETS:
                crc = extend(crc, name)
                for key, value in buckets.get(name, ()):
                    crc = extend(extend(crc, key), value)
                for data, spans in pages() if name == schema.KEY else ():
                    for _, key_start, _, value_end in spans:
                        crc = extend(crc, data[key_start:value_end])
            return rpc.HashResponse(hash=crc)

        self._elsewhere(call, compute)
        return None

    def hash_kv(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """HashKV."""
        asked, context = rpc.HashKVRequest.FromString(body), self._context
        identity = context.identify(conn, token)
        require_administrator(context.engine.state, identity)
        if (remembered := self._hashes.at(asked.revision)) is not None:
            response = _hash_kv_response(remembered)
            response.header.CopyFrom(context.header())
            return response.SerializeToString()
        self._refuse_more_hashes()
        plan = context.engine.plan_hash_kv(asked.revision, identity)
        self._elsewhere(call, lambda: _hash_kv_response(plan()))
        return None

    def _elsewhere(self, call: CallId, compute: Callable[[], rpc.HashResponse | rpc.HashKVResponse]) -> None:
        context = self._context
        header = context.header()

        def work() -> None:
            try:
                response = compute()
                response.header.CopyFrom(header)
                reply: Reply = response.SerializeToString()
            except FormatError as problem:
                reply = status_of(problem)
            except Exception as problem:  # whatever it is belongs to this call alone, and its client shall hear it
                reply = statuses.UNKNOWN, f"backstay: {type(problem).__name__}: {problem}"
            context.post(lambda: answer(reply))

        def answer(reply: Reply) -> None:
            self._hashing -= 1
            context.transport.answer(call, reply)

        context.hosting.elsewhere(work)
        self._hashing += 1

    def _refuse_more_hashes(self) -> None:
        if self._hashing >= MOST_HASHES:
            raise Refused(refusals.TOO_MANY_REQUESTS)

    def move_leader(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MoveLeader: to the one member there is, or refused."""
        asked = rpc.MoveLeaderRequest.FromString(body)
        require_administrator(self._context.engine.state, self._context.identify(conn, token))
        if asked.targetID != self._context.answerer.member:
            raise Refused(BAD_TRANSFEREE)
        return rpc.MoveLeaderResponse().SerializeToString()

    def downgrade(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Downgrade: nothing has to be done for it but to note it, for the release that takes over says when it is over."""
        asked = rpc.DowngradeRequest.FromString(body)
        identity = self._context.identify(conn, token)
        require_administrator(self._context.engine.state, identity)
        before = self._cluster_version
        if asked.action == rpc.DowngradeRequest.CANCEL:
            self._context.execute(requests.DowngradeInfoSet(enabled=False), identity)
        elif asked.action in (rpc.DowngradeRequest.VALIDATE, rpc.DowngradeRequest.ENABLE):
            target = self._check_target(asked.version)
            if asked.action == rpc.DowngradeRequest.ENABLE:
                self._context.execute(requests.DowngradeInfoSet(enabled=True, version=target), identity)
        else:
            raise Refused(UNKNOWN_METHOD)
        return rpc.DowngradeResponse(header=self._context.header(), version=before).SerializeToString()

    @property
    def _cluster_version(self) -> str:
        return self._context.downgrade_target.rpartition(".")[0] or f"{_MAJOR}.{_MINOR}"

    def _check_target(self, version: str) -> str:
        found = re.fullmatch(r"(\d{1,9})\.(\d{1,9})(\.\d{1,9}(-[0-9A-Za-z.-]+)?)?", version)
        if found is None:
            raise Refused(BAD_DOWNGRADE_FORMAT)
        if self._context.downgrade_target or (int(found[1]), int(found[2])) != (_MAJOR, _MINOR - 1):
            raise Refused(BAD_DOWNGRADE_TARGET)
        return f"{found[1]}.{found[2]}.0"


def _hash_kv_response(hashed: HashKV) -> rpc.HashKVResponse:
    return rpc.HashKVResponse(hash=hashed.hash, compact_revision=hashed.compact_revision, hash_revision=hashed.revision)


class SnapshotStream(OneRequestStream):
    """Snapshot: the file in chunks of 32 KiB, then its SHA-256."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        rpc.SnapshotRequest.FromString(body)
        context = self._context
        require_administrator(context.engine.state, context.identify(conn, token))
        context.transport.produce(stream, _chunks(context.hosting.snapshot()))


def _chunks(make: Callable[[], Snapshot]) -> Iterator[bytes]:
    version = f"{_MAJOR}.{_MINOR}.0"
    left, pieces = make()
    digest = hashlib.sha256()
    for piece in pieces:
        for start in range(0, len(piece), SNAPSHOT_CHUNK):
            blob = piece[start : start + SNAPSHOT_CHUNK]
            digest.update(blob)
            left -= len(blob)
            yield rpc.SnapshotResponse(remaining_bytes=left, blob=blob, version=version).SerializeToString()
    yield rpc.SnapshotResponse(remaining_bytes=0, blob=digest.digest(), version=version).SerializeToString()
