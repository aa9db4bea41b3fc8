"""The requests of the KV service, built in one place for the synchronous and the asynchronous client.

Pure: values in, etcd's messages out. What the arguments mean is said at `kv.KV`.
"""

from __future__ import annotations

from typing import TypedDict

from backstay.etcd.operations import SortOrder, SortTarget, prefix_end
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.results import RangeResult
from backstay.values import LeaseId, Revision

DEFAULT_PAGE_KEYS = 1000

_ORDERS = {
    SortOrder.NONE: rpc.RangeRequest.NONE,
    SortOrder.ASCEND: rpc.RangeRequest.ASCEND,
    SortOrder.DESCEND: rpc.RangeRequest.DESCEND,
}
_TARGETS = {
    SortTarget.KEY: rpc.RangeRequest.KEY,
    SortTarget.VERSION: rpc.RangeRequest.VERSION,
    SortTarget.CREATE: rpc.RangeRequest.CREATE,
    SortTarget.MOD: rpc.RangeRequest.MOD,
    SortTarget.VALUE: rpc.RangeRequest.VALUE,
}


class RangeOptions(TypedDict, total=False):
    """What a range may be asked besides its key; all of it can be left out."""

    range_end: bytes
    limit: int
    revision: Revision | int
    sort_order: SortOrder
    sort_target: SortTarget
    serializable: bool
    keys_only: bool
    count_only: bool
    min_mod_revision: Revision | int
    max_mod_revision: Revision | int
    min_create_revision: Revision | int
    max_create_revision: Revision | int


class PutOptions(TypedDict, total=False):
    """What a put may be asked besides key and value."""

    lease: LeaseId | int
    previous: bool
    ignore_value: bool
    ignore_lease: bool


def range_request(key: bytes, options: RangeOptions) -> rpc.RangeRequest:
    """The request for a range."""
    return rpc.RangeRequest(
        key=key,
        range_end=options.get("range_end", b""),
        limit=options.get("limit", 0),
        revision=options.get("revision", 0),
        sort_order=_ORDERS[options.get("sort_order", SortOrder.NONE)],
        sort_target=_TARGETS[options.get("sort_target", SortTarget.KEY)],
        serializable=options.get("serializable", False),
        keys_only=options.get("keys_only", False),
        count_only=options.get("count_only", False),
        min_mod_revision=options.get("min_mod_revision", 0),
        max_mod_revision=options.get("max_mod_revision", 0),
        min_create_revision=options.get("min_create_revision", 0),
        max_create_revision=options.get("max_create_revision", 0),
    )


def put_request(key: bytes, value: bytes, options: PutOptions) -> rpc.PutRequest:
    """The request for a put."""
    return rpc.PutRequest(
        key=key,
        value=value,
        lease=options.get("lease", 0),
        prev_kv=options.get("previous", False),
        ignore_value=options.get("ignore_value", False),
        ignore_lease=options.get("ignore_lease", False),
    )


def delete_request(key: bytes, range_end: bytes, *, previous: bool) -> rpc.DeleteRangeRequest:
    """The request for a deletion."""
    return rpc.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=previous)


class PageReader:
    """Where a paged reading of a prefix is: the request for the next page, until a page ends it.

    All pages are of one revision: the wanted one, or that of the first answer.
    """

    def __init__(self, prefix: bytes, revision: Revision | int, options: RangeOptions) -> None:
        self.is_over = False
        self._key, self._range_end = prefix or b"\x00", prefix_end(prefix)
        self._revision = revision
        self._options = options

    def request(self) -> rpc.RangeRequest:
        """The request for the next page."""
        options: RangeOptions = {**self._options, "range_end": self._range_end, "revision": self._revision}
        return range_request(self._key, options)

    def accept(self, page: RangeResult) -> RangeResult:
        """Move on behind `page`, which is returned."""
        self._revision = self._revision or page.header.revision
        self.is_over = not page.more or not page.items
        if page.items:
            self._key = page.items[-1].key + b"\x00"
        return page
