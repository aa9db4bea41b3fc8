"""Keys and values: range, put, delete, transactions, compaction.

Reached as `client.kv`. Reads are linearizable unless `serializable` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from backstay.etcd import methods, requests, results
from backstay.etcd.operations import Compare, Operation, SortOrder, SortTarget, txn_request
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.requests import DEFAULT_PAGE_KEYS, PageReader, PutOptions, RangeOptions
from backstay.etcd.transport.calls import Caller
from backstay.values import LeaseId, Revision


class KV:
    """etcd's KV service. Every method raises what `transport/failures.py` makes of a refusal."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def range(
        self,
        key: bytes,
        *,
        range_end: bytes = b"",
        limit: int = 0,
        revision: Revision | int = 0,
        sort_order: SortOrder = SortOrder.NONE,
        sort_target: SortTarget = SortTarget.KEY,
        serializable: bool = False,
        keys_only: bool = False,
        count_only: bool = False,
        min_mod_revision: Revision | int = 0,
        max_mod_revision: Revision | int = 0,
        min_create_revision: Revision | int = 0,
        max_create_revision: Revision | int = 0,
        timeout_seconds: float | None = None,
    ) -> results.RangeResult:
        """The keys from `key` up to but not including `range_end`, at `revision` (0: the newest).

        An empty `range_end` means only `key`; `operations.FROM_KEY` everything from it on; `prefix_end` makes the one for
        a prefix. A serializable read is answered by one member alone, which may lag. Raises `REVISION_COMPACTED`,
        `REVISION_FUTURE`.
        """
        options: RangeOptions = {
            "range_end": range_end,
            "limit": limit,
            "revision": revision,
            "sort_order": sort_order,
            "sort_target": sort_target,
            "serializable": serializable,
            "keys_only": keys_only,
            "count_only": count_only,
            "min_mod_revision": min_mod_revision,
            "max_mod_revision": max_mod_revision,
            "min_create_revision": min_create_revision,
            "max_create_revision": max_create_revision,
        }
        request = requests.range_request(key, options)
        return results.range_of(self._caller.unary(methods.RANGE, request, timeout_seconds=timeout_seconds))

    def stream_range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        """The answer to `request` as 3.7 streams it in pieces, put together: one too large for a message comes through.

        Raises `REQUEST_REFUSED` on older releases.
        """
        return self._stream_range(request, may_renew_token=True)

    def _stream_range(self, request: rpc.RangeRequest, *, may_renew_token: bool) -> rpc.RangeResponse:
        method, whole = methods.RANGE_STREAM, rpc.RangeResponse()
        stream = self._caller.stream(method, request, timeout_seconds=self._caller.options.seconds(method.deadline))
        try:
            for piece in stream:
                whole.MergeFrom(piece.range_response)
        except grpc.RpcError as problem:
            if may_renew_token and self._caller.renew_token(problem, stream.link, stream.token):
                return self._stream_range(request, may_renew_token=False)
            raise self._caller.explain(problem, stream.link, method) from problem
        finally:
            stream.cancel()
        return whole

    def get(self, key: bytes, *, revision: Revision | int = 0, serializable: bool = False) -> results.KeyValue | None:
        """One key, None when it does not exist at that revision."""
        items = self.range(key, revision=revision, serializable=serializable).items
        return items[0] if items else None

    def range_pages(
        self,
        prefix: bytes,
        *,
        revision: Revision | int = 0,
        page_keys: int = DEFAULT_PAGE_KEYS,
        keys_only: bool = False,
        serializable: bool = False,
    ) -> Iterator[results.RangeResult]:
        """All keys with `prefix` in key order, in pages, all at one revision: `revision`, or that of the first answer.

        At least one page is yielded, so that the caller learns the revision of an empty range too. Raises
        `REVISION_COMPACTED` when a compaction overtakes the reading; start again at the newest revision then.
        """
        options: RangeOptions = {"limit": page_keys, "keys_only": keys_only, "serializable": serializable}
        reader = PageReader(prefix, revision, options)
        while not reader.is_over:
            yield reader.accept(results.range_of(self._caller.unary(methods.RANGE, reader.request())))

    def put(
        self,
        key: bytes,
        value: bytes,
        *,
        lease: LeaseId | int = 0,
        previous: bool = False,
        ignore_value: bool = False,
        ignore_lease: bool = False,
    ) -> results.PutResult:
        """Write a key. `previous` asks for the last value; `ignore_value` and `ignore_lease` keep the present ones."""
        options: PutOptions = {
            "lease": lease,
            "previous": previous,
            "ignore_value": ignore_value,
            "ignore_lease": ignore_lease,
        }
        request = requests.put_request(key, value, options)
        return results.put_of(self._caller.unary(methods.PUT, request))

    def delete_range(self, key: bytes, *, range_end: bytes = b"", previous: bool = False) -> results.DeleteResult:
        """Delete a key or a range; a key that does not exist is no error."""
        request = requests.delete_request(key, range_end, previous=previous)
        return results.delete_of(self._caller.unary(methods.DELETE_RANGE, request))

    def txn(
        self,
        compare: tuple[Compare, ...],
        success: tuple[Operation, ...],
        failure: tuple[Operation, ...] = (),
    ) -> results.TxnResult:
        """Run `success` if all of `compare` hold, else `failure`; atomically, as one revision."""
        return results.txn_of(self._caller.unary(methods.TXN, txn_request(compare, success, failure)))

    def compact(self, revision: Revision | int, *, physical: bool = False) -> results.Header:
        """Forget the history before `revision`; `physical` waits until it is off the database."""
        request = rpc.CompactionRequest(revision=revision, physical=physical)
        return results.header_of(self._caller.unary(methods.COMPACT, request).header)
