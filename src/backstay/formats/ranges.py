"""What a store held at a revision: the keys, as a range read at that revision returns them.

A range read at revision R returns, for every user key, its newest record with main <= R, if that record is a put
(etcd-files sections 2.4 and 2.5). It is only defined from the compact revision to the current one; callers check that
with `hashkv.check_revision`.

    {a,2,2,1,"1"} {b,3,3,1,"2"} {a,2,4,2,"3"} deleted b at 5      at 3: a="1" b="2"      at 5: a="3"
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.formats import mvcc
from backstay.formats.hashkv import RecordPage, user_key
from backstay.formats.mvcc import KeyValue
from backstay.values import Revision


def range_at(pages: Iterable[RecordPage], at: Revision) -> list[KeyValue]:
    """All keys at revision `at`, in key order; the empty record of a revision bump is never among them.

    `pages` are all records in order. Memory: the newest value of every key. Raises `FormatError`.
    """
    newest: dict[bytes, bytes] = {}
    for data, spans in pages:
        for _, key_start, value_start, value_end in spans:
            main = int.from_bytes(data[key_start : key_start + 8], "big")
            if main > at:
                return _decoded(newest)
            if value_start == value_end:
                continue
            key = user_key(data, value_start, value_end)
            if value_start - key_start == mvcc.TOMBSTONE_KEY_SIZE:
                newest.pop(key, None)
            else:
                newest[key] = data[value_start:value_end]
    return _decoded(newest)


def _decoded(newest: dict[bytes, bytes]) -> list[KeyValue]:
    return [mvcc.decode_key_value(newest[key]) for key in sorted(newest)]
