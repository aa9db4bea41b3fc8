"""What a range request answers: revision, filters, sort, limit, over a state or an open batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from backstay.formats import requests
from backstay.formats.mvcc import KeyValue
from backstay.formats.requests import SortOrder, SortTarget
from backstay.store import refusals
from backstay.store.answers import RangeAnswer
from backstay.store.ranges import KeyRange, key_range
from backstay.store.refusals import Refused
from backstay.values import Revision


class View(Protocol):
    """Anything with keys at revisions: `StoreState` and `WriteBatch`."""

    @property
    def revision(self) -> Revision: ...
    @property
    def compact_revision(self) -> Revision: ...
    def read(self, key: bytes, at: Revision | None = None) -> KeyValue | None: ...
    def keys(self, within: KeyRange, at: Revision | None = None) -> Iterator[bytes]: ...
    def count(self, within: KeyRange, at: Revision | None = None) -> int: ...


_SORT_KEYS: dict[int, Callable[[KeyValue], int | bytes]] = {
    SortTarget.KEY: lambda item: item.key,
    SortTarget.VERSION: lambda item: item.version,
    SortTarget.CREATE: lambda item: item.create_revision,
    SortTarget.MOD: lambda item: item.mod_revision,
    SortTarget.VALUE: lambda item: item.value,
}


def check_revision(view: View, revision: int) -> None:
    """Refuse a revision that is yet to come or compacted."""
    if revision > view.revision:
        raise Refused(refusals.FUTURE_REVISION)
    if revision < view.compact_revision:
        raise Refused(refusals.COMPACTED)


def read_range(view: View, request: requests.Range) -> RangeAnswer:
    """Answer `request`. Raises `Refused`."""
    if request.sort_target not in _SORT_KEYS or request.sort_order not in SortOrder.__members__.values():
        raise Refused(refusals.INVALID_SORT)
    at = None
    if request.revision > 0:
        check_revision(view, request.revision)
        at = Revision(request.revision)
    within = key_range(request.key, request.range_end)
    if request.count_only:
        return RangeAnswer(view.revision, total=view.count(within, at))

    in_key_order = request.sort_target == SortTarget.KEY and request.sort_order != SortOrder.DESCEND
    limit = max(request.limit, 0)
    # Without an order, etcd cuts before it sorts by anything but the key; clients never ask for that, but they could.
    cuts_first = limit and not _filters(request) and (in_key_order or request.sort_order == SortOrder.NONE)
    if cuts_first and at is None:
        wanted, total = list(islice(view.keys(within), limit + 1)), view.count(within)
    else:
        keys = list(view.keys(within, at))
        wanted, total = keys[: limit + 1] if cuts_first else keys, len(keys)
    items = [item for key in wanted if (item := view.read(key, at)) is not None and _passes(item, request)]
    if not in_key_order:
        items.sort(key=_SORT_KEYS[request.sort_target], reverse=request.sort_order == SortOrder.DESCEND)
    more = bool(limit) and len(items) > limit
    if limit:
        items = items[:limit]
    if request.keys_only:
        # 3.7 answers from its index, which does not know leases, unless it had to sort by values.
        by_value = request.sort_target == SortTarget.VALUE
        items = [item._replace(value=b"", lease=item.lease if by_value else 0) for item in items]
    return RangeAnswer(view.revision, tuple(items), more, total)


def is_in_key_order(request: requests.Range) -> bool:
    """Whether the answer is the first keys of the range as they come, so that it can be read in pieces."""
    by_key = request.sort_target == SortTarget.KEY and request.sort_order in (SortOrder.NONE, SortOrder.ASCEND)
    return by_key and not request.count_only and not _filters(request)


def read_piece(
    view: View, within: KeyRange, at: Revision, limit: int, *, keys_only: bool
) -> tuple[list[KeyValue], bytes | None]:
    """The first `limit` keys inside `within` at a revision, and where to go on; None when nothing is left."""
    keys = list(islice(view.keys(within, at), limit + 1))
    items = [item for key in keys[:limit] if (item := view.read(key, at)) is not None]
    if keys_only:
        items = [item._replace(value=b"", lease=0) for item in items]
    return items, keys[limit] if len(keys) > limit else None


def _filters(request: requests.Range) -> bool:
    return bool(
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def _passes(item: KeyValue, request: requests.Range) -> bool:
    return (
        (not request.min_mod_revision or item.mod_revision >= request.min_mod_revision)
        and (not request.max_mod_revision or item.mod_revision <= request.max_mod_revision)
        and (not request.min_create_revision or item.create_revision >= request.min_create_revision)
        and (not request.max_create_revision or item.create_revision <= request.max_create_revision)
    )
