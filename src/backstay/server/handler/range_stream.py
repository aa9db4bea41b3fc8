"""RangeStream (3.7): a Range in chunks of growing size, all at one revision; merged they are what Range answers.

chunk 1 .. n-1     keys only                    10 keys first, then twice or half as many by the size of the last
chunk n            the rest, header, more, count
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.errors import FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.requests import SortOrder, SortTarget
from backstay.server.handler.context import HandlerContext, status_of
from backstay.server.handler.decoding import decode_range
from backstay.server.handler.encoding import encode_pair
from backstay.server.handler.service import OneRequestStream
from backstay.server.transport import Conn, StreamId, Token
from backstay.store import reading
from backstay.store.answers import RangeAnswer
from backstay.store.engine.validation import check_shape
from backstay.store.refusals import Refusal, Refused

FIRST_KEYS = 10
NO_LIMIT = (1 << 63) - 1
SLOW_BYTES = 16 << 20
"""A stream on which more waits than this gets nothing until it has drained."""

_NO_ORDER = Refusal("Unimplemented", "RangeStream does not support custom sort orders")
_NO_FILTERS = Refusal("Unimplemented", "RangeStream does not support revision filters")


class RangeStream(OneRequestStream):
    """The method. A stream's chunks are made one turn after the other, with other calls between any two."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._running: dict[StreamId, Iterator[bytes]] = {}
        self._slow: list[StreamId] = []

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        asked = decode_range(rpc.RangeRequest.FromString(body))
        context = self._context
        counted = requests.Range(asked.key, asked.range_end, revision=asked.revision, count_only=True)
        check_shape(asked, context.engine.options.max_operations)
        if asked.sort_order == SortOrder.DESCEND or (
            asked.sort_order == SortOrder.ASCEND and asked.sort_target != SortTarget.KEY
        ):
            raise Refused(_NO_ORDER)
        if any((asked.min_mod_revision, asked.max_mod_revision, asked.min_create_revision, asked.max_create_revision)):
            raise Refused(_NO_FILTERS)
        answer = context.engine.execute(counted, context.identify(conn, token)).answer
        assert isinstance(answer, RangeAnswer)
        self._running[stream] = self._chunks(asked, answer)
        self._step(stream)

    def cancelled(self, stream: StreamId) -> None:
        self._running.pop(stream, None)

    def resume(self) -> None:
        """Go on with the streams whose clients were too slow, now and then."""
        slow, self._slow = self._slow, []
        for stream in slow:
            self._step(stream)

    def _step(self, stream: StreamId) -> None:
        chunks, context = self._running.get(stream), self._context
        if chunks is None:
            return
        if context.transport.waiting(stream) > SLOW_BYTES:
            self._slow.append(stream)
            return
        try:
            chunk = next(chunks, None)
        except (Refused, FormatError) as problem:
            del self._running[stream]
            context.transport.finish(stream, *status_of(problem))
            return
        if chunk is None:
            del self._running[stream]
            context.transport.finish(stream)
            return
        context.transport.send(stream, chunk)
        context.post(lambda: self._step(stream))

    def _chunks(self, asked: requests.Range, counted: RangeAnswer) -> Iterator[bytes]:
        header = self._context.header(counted.revision)
        at = asked.revision if asked.revision > 0 else counted.revision
        last = rpc.RangeResponse(header=header, count=counted.total)
        if asked.count_only:
            yield rpc.RangeStreamResponse(range_response=last).SerializeToString()
            return
        wanted = asked.limit if asked.limit > 0 else NO_LIMIT
        half = self._context.engine.options.max_request_bytes // 2
        sent, keys, key, is_last = 0, FIRST_KEYS, asked.key, False
        while not is_last:
            # Without an order, a target other than the key sorts each chunk by itself, as in etcd: hence the target here.
            limit = min(keys, wanted - sent)
            page = requests.Range(
                key, asked.range_end, limit, at, sort_target=asked.sort_target, keys_only=asked.keys_only
            )
            # A compaction may have passed meanwhile: then this raises, and the stream ends with that.
            answer = reading.read_range(self._context.engine.state, page)
            sent += len(answer.items)
            key = answer.items[-1].key + b"\0" if answer.items else key
            is_last = not answer.more or sent >= wanted
            chunk = rpc.RangeResponse()
            if is_last:
                chunk, last.more, last.count = last, answer.more, sent
                if answer.more:
                    rest = requests.Range(key, asked.range_end, revision=at, count_only=True)
                    last.count += reading.read_range(self._context.engine.state, rest).total
            chunk.kvs.extend(map(encode_pair, answer.items))
            encoded = rpc.RangeStreamResponse(range_response=chunk).SerializeToString()
            yield encoded
            keys = keys * 2 if len(encoded) < half else max(1, keys // 2) if len(encoded) > 4 * half else keys
