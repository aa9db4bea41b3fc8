"""KV: Range and Put as tuples, DeleteRange, Txn and Compact as protobuf.

Plain puts, reads of one key and Kubernetes' update transaction go by the engine's short ways; everything else goes the
general way. Both give the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from backstay.errors import FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.mvcc import KeyValue
from backstay.formats.protowire import varint
from backstay.formats.requests.codec import decode
from backstay.server.handler.compaction_hashes import CompactionHashes
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.decoding import decode_delete, decode_range, decode_txn
from backstay.server.handler.encoding import delete_response, encode_txn_response, put_response, range_response
from backstay.server.handler.kubernetes_update import recognise_update
from backstay.server.handler.long_range import LongRanges
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import (
    COUNT_ONLY,
    IGNORE_LEASE,
    IGNORE_VALUE,
    KEYS_ONLY,
    PREV_KV,
    SERIALIZABLE,
    SORT_ORDER_SHIFT,
    SORT_TARGET_SHIFT,
    CallId,
    Conn,
    PutCall,
    RangeCall,
    Reply,
    Token,
)
from backstay.store import reading
from backstay.store.answers import DeleteAnswer, PutAnswer, RangeAnswer, TxnAnswer


class KvService:
    """The keys."""

    def __init__(self, context: HandlerContext, hashes: CompactionHashes) -> None:
        self._context = context
        self._hashes = hashes
        self._engine = context.engine
        self._access_of = context.engine.state
        self.long_ranges = LongRanges(context)
        self._compactions: list[CallId] = []
        self._is_dropping = False
        self.answers: Mapping[Op, Answer] = {
            Op.RANGE: self.range_raw,
            Op.DELETE_RANGE: self.delete_range,
            Op.TXN: self.txn,
            Op.COMPACT: self.compact,
        }
        self.streams: Mapping[Op, StreamMethod] = {}

    def put(self, call: PutCall) -> Reply:
        """A Put as a tuple. Raises `Refused`."""
        _, conn, token, key, value, lease, bits = call
        if not lease and not bits and not self._access_of.access.enabled:
            revision, entry = self._engine.put(key, value)
            self._context.entries.append(entry)
            return revision
        body = requests.Put(
            key, value, lease, bool(bits & PREV_KV), bool(bits & IGNORE_VALUE), bool(bits & IGNORE_LEASE)
        )
        outcome = self._context.execute(body, self._context.identify(conn, token))
        answer = outcome.answer
        if isinstance(answer, PutAnswer) and answer.previous is not None:
            return put_response(self._context.header(outcome.revision), answer).SerializeToString()
        return outcome.revision

    def range(self, call: RangeCall) -> Reply:
        """A Range as a tuple. Raises `Refused`."""
        _, conn, token, key, range_end, limit, revision, bits = call
        if not range_end and revision <= 0 and bits <= SERIALIZABLE and not self._access_of.access.enabled:
            newest, item = self._engine.get(key)
            return (newest, [item], False, 1) if item is not None else (newest, [], False, 0)
        body = requests.Range(
            key,
            range_end,
            limit,
            revision,
            bits >> SORT_ORDER_SHIFT & 3,
            bits >> SORT_TARGET_SHIFT & 7,
            bool(bits & SERIALIZABLE),
            bool(bits & KEYS_ONLY),
            bool(bits & COUNT_ONLY),
        )
        answer = self._engine.execute(body, self._context.identify(conn, token)).answer
        assert isinstance(answer, RangeAnswer)
        return answer.revision, list(answer.items), answer.more, answer.total

    def range_raw(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """A Range over many keys, with revision bounds, or with options that no etcd knows."""
        asked = decode_range(rpc.RangeRequest.FromString(body))
        identity = self._context.identify(conn, token)
        if asked.range_end and reading.is_in_key_order(asked):
            counted = requests.Range(asked.key, asked.range_end, revision=asked.revision, count_only=True)
            total = self._engine.execute(counted, identity).answer
            assert isinstance(total, RangeAnswer)
            if self.long_ranges.begin(call, asked, total.total):
                return None
        answer = self._engine.execute(asked, identity).answer
        assert isinstance(answer, RangeAnswer)
        return range_response(self._context.header(answer.revision), answer).SerializeToString()

    def delete_range(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """DeleteRange."""
        asked = decode_delete(rpc.DeleteRangeRequest.FromString(body))
        outcome = self._context.execute(asked, self._context.identify(conn, token))
        assert isinstance(outcome.answer, DeleteAnswer)
        return delete_response(self._context.header(outcome.revision), outcome.answer).SerializeToString()

    def txn(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Txn."""
        try:
            message = rpc.TxnRequest.FromString(body)
        except DecodeError:
            return self._deep_txn(conn, token, body)
        if not self._access_of.access.enabled:
            update = recognise_update(message, len(body))
            if update is not None:
                return self._update(*update, body)
        message.DiscardUnknownFields()
        # protobuf writes the bytes that the log's own encoder would, several times as fast.
        return self._execute(conn, token, decode_txn(message), message.SerializeToString())

    def _deep_txn(self, conn: Conn, token: Token, body: bytes) -> Reply:
        """One so deep that protobuf does not read it, which etcd does; or one that nobody can read."""
        try:
            txn = decode(requests.Txn, body)
        except FormatError:
            raise DecodeError("no transaction") from None
        return self._execute(conn, token, txn)

    def _execute(self, conn: Conn, token: Token, txn: requests.Txn, encoded: bytes | None = None) -> Reply:
        outcome = self._context.execute(txn, self._context.identify(conn, token), encoded)
        assert isinstance(outcome.answer, TxnAnswer)
        return encode_txn_response(self._context.header(outcome.revision), outcome.answer)

    def _update(self, key: bytes, mod_revision: int, value: bytes, body: bytes) -> Reply:
        context = self._context
        succeeded, revision, item, entry = self._engine.update(key, mod_revision, value, body)
        if entry is not None:
            context.entries.append(entry)
        if succeeded:
            return _updated(context.header_bytes(revision), revision)
        return _not_updated(context.header(revision), item)

    def compact(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Compact; a physical one is answered when memory holds nothing any more that it took."""
        asked = rpc.CompactionRequest.FromString(body)
        compaction, before = requests.Compaction(asked.revision, asked.physical), self._engine.state.compact_revision
        outcome = self._context.execute(compaction, self._context.identify(conn, token))
        if asked.physical:

            def hashed() -> None:
                self._compactions.append(call)
                self._begin_to_drop()

            self._hashes.compute(self._context, asked.revision, before, hashed)
            return None
        self._begin_to_drop()
        return rpc.CompactionResponse(header=self._context.header(outcome.revision)).SerializeToString()

    def _begin_to_drop(self) -> None:
        if not self._is_dropping:
            self._is_dropping = True
            self._context.post(self._drop_history)

    def _drop_history(self) -> None:
        """One step, with other calls between any two."""
        self._engine.drop_history()
        if self._engine.is_dropping_history:
            self._context.post(self._drop_history)
            return
        self._is_dropping = False
        answer = rpc.CompactionResponse(header=self._context.header()).SerializeToString()
        for call in self._compactions:
            self._context.transport.answer(call, answer)
        self._compactions.clear()


def _updated(header: bytes, revision: int) -> bytes:
    """TxnResponse {header, succeeded, one put whose header holds the revision}."""
    inner = b"\x18" + varint(revision)
    size = len(inner)  # at most 10
    put = bytes((0x1A, size + 4, 0x12, size + 2, 0x0A, size))
    return b"".join((b"\x0a", varint(len(header)), header, b"\x10\x01", put, inner))


def _not_updated(header: rpc.ResponseHeader, item: KeyValue | None) -> bytes:
    revision = header.revision
    read = RangeAnswer(revision, (item,), total=1) if item is not None else RangeAnswer(revision)  # type: ignore[arg-type]
    return encode_txn_response(header, TxnAnswer(False, (read,)))
