"""Keys and values, asynchronously; every argument and answer is that of `backstay.etcd.kv.KV`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from backstay.etcd import methods, requests, results
from backstay.etcd.asynchronous.calls import AsyncCaller
from backstay.etcd.operations import Compare, Operation, txn_request
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.requests import DEFAULT_PAGE_KEYS, PageReader, PutOptions, RangeOptions
from backstay.values import Revision


class AsyncKV:
    """etcd's KV service. Reached as `client.kv`."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def range(self, key: bytes, **options: Unpack[RangeOptions]) -> results.RangeResult:
        """A key or a range, at a revision. Raises `REVISION_COMPACTED`, `REVISION_FUTURE`."""
        return results.range_of(await self._caller.unary(methods.RANGE, requests.range_request(key, options)))

    async def get(
        self, key: bytes, *, revision: Revision | int = 0, serializable: bool = False
    ) -> results.KeyValue | None:
        """One key, None when it does not exist at that revision."""
        items = (await self.range(key, revision=revision, serializable=serializable)).items
        return items[0] if items else None

    async def range_pages(
        self,
        prefix: bytes,
        *,
        revision: Revision | int = 0,
        page_keys: int = DEFAULT_PAGE_KEYS,
        keys_only: bool = False,
        serializable: bool = False,
    ) -> AsyncIterator[results.RangeResult]:
        """All keys with `prefix` in key order, in pages, all at one revision; at least one page."""
        options: RangeOptions = {"limit": page_keys, "keys_only": keys_only, "serializable": serializable}
        reader = PageReader(prefix, revision, options)
        while not reader.is_over:
            yield reader.accept(results.range_of(await self._caller.unary(methods.RANGE, reader.request())))

    async def put(self, key: bytes, value: bytes, **options: Unpack[PutOptions]) -> results.PutResult:
        """Write a key."""
        return results.put_of(await self._caller.unary(methods.PUT, requests.put_request(key, value, options)))

    async def delete_range(self, key: bytes, *, range_end: bytes = b"", previous: bool = False) -> results.DeleteResult:
        """Delete a key or a range."""
        request = requests.delete_request(key, range_end, previous=previous)
        return results.delete_of(await self._caller.unary(methods.DELETE_RANGE, request))

    async def txn(
        self, compare: tuple[Compare, ...], success: tuple[Operation, ...], failure: tuple[Operation, ...] = ()
    ) -> results.TxnResult:
        """Run `success` if all of `compare` hold, else `failure`."""
        return results.txn_of(await self._caller.unary(methods.TXN, txn_request(compare, success, failure)))

    async def compact(self, revision: Revision | int, *, physical: bool = False) -> results.Header:
        """Forget the history before `revision`."""
        request = rpc.CompactionRequest(revision=revision, physical=physical)
        return results.header_of((await self._caller.unary(methods.COMPACT, request)).header)
