"""Ranges over many keys, read in pieces with other calls in between, all at one revision: nobody waits long for a big list.

A piece is encoded as it is read; the pieces one after the other, with the header in front and the count behind, are the
response. A compaction that passes the revision meanwhile takes the rest away: a read of the newest state begins again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay.errors import FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.protowire import bytes_field, optional_int
from backstay.server.handler.context import HandlerContext, status_of
from backstay.server.handler.encoding import encode_pair
from backstay.server.transport import CallId
from backstay.store import reading, refusals
from backstay.store.ranges import KeyRange, key_range
from backstay.store.refusals import Refused
from backstay.values import Revision

MANY_KEYS = 1_000
"""An answer of more keys is made in pieces."""
_PIECE_KEYS = 500


@dataclass(slots=True)
class _Reading:
    """One range that is being read: at `revision`, for an answer that says it was at `newest`."""

    call: CallId
    asked: requests.Range
    revision: Revision
    newest: Revision
    count: int
    left: int
    within: KeyRange
    pieces: list[bytes] = field(default_factory=list)


class LongRanges:
    """The long ranges in hand."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._running: set[CallId] = set()

    def give_up(self, call: CallId) -> None:
        """Nobody waits for the answer any more."""
        self._running.discard(call)

    def begin(self, call: CallId, asked: requests.Range, total: int) -> bool:
        """Answer `asked`, whose rights and shape have been checked, later; False if it can be answered at once.

        `total` is how many keys are in its range.
        """
        wanted = min(asked.limit, total) if asked.limit > 0 else total
        if wanted <= MANY_KEYS or not reading.is_in_key_order(asked):
            return False
        self._running.add(call)
        self._read(self._start(call, asked, total, wanted))
        return True

    def _start(self, call: CallId, asked: requests.Range, total: int, wanted: int) -> _Reading:
        newest = self._context.engine.state.revision
        at = Revision(asked.revision) if asked.revision > 0 else newest
        return _Reading(call, asked, at, newest, total, wanted, key_range(asked.key, asked.range_end))

    def _read(self, range_: _Reading) -> None:
        context, state = self._context, self._context.engine.state
        if range_.call not in self._running:
            return
        try:
            if range_.revision < state.compact_revision:
                if range_.asked.revision > 0:
                    raise Refused(refusals.COMPACTED)
                total = state.count(key_range(range_.asked.key, range_.asked.range_end))
                limit = range_.asked.limit
                wanted = min(limit, total) if limit > 0 else total
                range_ = self._start(range_.call, range_.asked, total, wanted)
            limit = min(_PIECE_KEYS, range_.left)
            items, further = reading.read_piece(
                state, range_.within, range_.revision, limit, keys_only=range_.asked.keys_only
            )
        except (Refused, FormatError) as problem:
            self._running.discard(range_.call)
            context.transport.answer(range_.call, status_of(problem))
            return
        range_.pieces.append(rpc.RangeResponse(kvs=map(encode_pair, items)).SerializeToString())
        range_.left -= len(items)
        if further is None or range_.left <= 0:
            self._running.discard(range_.call)
            context.transport.answer(range_.call, self._whole(range_, more=further is not None))
            return
        range_.within = KeyRange(further, range_.within.end)
        context.post(lambda: self._read(range_))

    def _whole(self, range_: _Reading, *, more: bool) -> bytes:
        header = bytes_field(1, self._context.header_bytes(range_.newest))
        return b"".join((header, *range_.pieces, optional_int(3, more), optional_int(4, range_.count)))
