"""What etcdctl prints for the answers about keys: get, put, del, txn, watch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.answer import Answer, header_lines, key_value_lines, key_value_text, lines
from backstay.cli.render.etcdctl.go import truth
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc


def range_answer(response: rpc.RangeResponse, *, is_hex: bool, value_only: bool = False) -> Answer:
    """For `get`."""
    return Answer(
        lambda: lines(*_range_simple(response, is_hex=is_hex, value_only=value_only)),
        response,
        lambda: lines(*_range_fields(response, is_hex)),
    )


def put_answer(response: rpc.PutResponse, *, is_hex: bool) -> Answer:
    """For `put`."""
    return Answer(
        lambda: lines(*_put_simple(response, is_hex)), response, lambda: lines(*_put_fields(response, is_hex))
    )


def delete_answer(response: rpc.DeleteRangeResponse, *, is_hex: bool) -> Answer:
    """For `del`."""
    return Answer(
        lambda: lines(*_delete_simple(response, is_hex)), response, lambda: lines(*_delete_fields(response, is_hex))
    )


def transaction_answer(response: rpc.TxnResponse, *, is_hex: bool) -> Answer:
    """For `txn`."""
    return Answer(
        lambda: lines(*_transaction_simple(response, is_hex)),
        response,
        lambda: lines(*_transaction_fields(response, is_hex)),
        json=lambda: transaction_json(response),
    )


def watch_answer(response: rpc.WatchResponse, *, is_hex: bool) -> Answer:
    """For each response of `watch`; its JSON is that of the Go client's struct, not of the message."""
    return Answer(
        lambda: lines(*_watch_simple(response, is_hex)),
        response,
        lambda: lines(*_watch_fields(response, is_hex)),
        json=lambda: _watch_json(response),
    )


def transaction_json(response: rpc.TxnResponse) -> dict[str, Any]:
    """A transaction's response with `Response` around each part, as 3.7 keeps it for those who parse it."""
    plain: dict[str, Any] = {}
    if response.HasField("header"):
        plain["header"] = go.json_of(response.header)
    if response.succeeded:
        plain["succeeded"] = True
    if response.responses:
        plain["responses"] = [{"Response": _part_json(part)} for part in response.responses]
    return plain


def _part_json(part: rpc.ResponseOp) -> dict[str, Any]:
    name = part.WhichOneof("response")
    if name is None:
        return {}
    if name == "response_txn":
        return {name: transaction_json(part.response_txn)}
    return {name: go.json_of(getattr(part, name))}


def _watch_json(response: rpc.WatchResponse) -> dict[str, Any]:
    return {
        "Header": go.json_of(response.header),
        "Events": [go.json_of(event) for event in response.events] or None,
        "CompactRevision": response.compact_revision,
        "Canceled": response.canceled,
        "Created": response.created,
        "CancelReason": response.cancel_reason,
    }


def _range_simple(response: rpc.RangeResponse, *, is_hex: bool, value_only: bool = False) -> Iterator[str]:
    for item in response.kvs:
        yield from key_value_text(item, is_hex=is_hex, value_only=value_only)


def _range_fields(response: rpc.RangeResponse, is_hex: bool) -> Iterator[str]:
    yield from header_lines(response.header, is_hex=is_hex)
    for item in response.kvs:
        yield from key_value_lines(item, is_hex=is_hex)
    yield f'"More" : {truth(response.more)}'
    yield f'"Count" : {response.count}'


def _put_simple(response: rpc.PutResponse, is_hex: bool) -> Iterator[str]:
    yield "OK"
    if response.HasField("prev_kv"):
        yield from key_value_text(response.prev_kv, is_hex=is_hex)


def _put_fields(response: rpc.PutResponse, is_hex: bool) -> Iterator[str]:
    yield from header_lines(response.header, is_hex=is_hex)
    if response.HasField("prev_kv"):
        yield from key_value_lines(response.prev_kv, is_hex=is_hex, prefix="Prev")


def _delete_simple(response: rpc.DeleteRangeResponse, is_hex: bool) -> Iterator[str]:
    yield str(response.deleted)
    for item in response.prev_kvs:
        yield from key_value_text(item, is_hex=is_hex)


def _delete_fields(response: rpc.DeleteRangeResponse, is_hex: bool) -> Iterator[str]:
    yield from header_lines(response.header, is_hex=is_hex)
    yield f'"Deleted" : {response.deleted}'
    for item in response.prev_kvs:
        yield from key_value_lines(item, is_hex=is_hex, prefix="Prev")


def _transaction_simple(response: rpc.TxnResponse, is_hex: bool) -> Iterator[str]:
    yield "SUCCESS" if response.succeeded else "FAILURE"
    for part in response.responses:
        yield ""
        if part.HasField("response_delete_range"):
            yield from _delete_simple(part.response_delete_range, is_hex)
        elif part.HasField("response_put"):
            yield from _put_simple(part.response_put, is_hex)
        elif part.HasField("response_range"):
            yield from _range_simple(part.response_range, is_hex=is_hex)


def _transaction_fields(response: rpc.TxnResponse, is_hex: bool) -> Iterator[str]:
    yield from header_lines(response.header, is_hex=is_hex)
    yield f'"Succeeded" : {truth(response.succeeded)}'
    for part in response.responses:
        if part.HasField("response_delete_range"):
            yield from _delete_fields(part.response_delete_range, is_hex)
        elif part.HasField("response_put"):
            yield from _put_fields(part.response_put, is_hex)
        elif part.HasField("response_range"):
            yield from _range_fields(part.response_range, is_hex)


def _watch_simple(response: rpc.WatchResponse, is_hex: bool) -> Iterator[str]:
    for event in response.events:
        yield event_name(event)
        if event.HasField("prev_kv"):
            yield from key_value_text(event.prev_kv, is_hex=is_hex)
        yield from key_value_text(event.kv, is_hex=is_hex)


def _watch_fields(response: rpc.WatchResponse, is_hex: bool) -> Iterator[str]:
    yield from header_lines(response.header, is_hex=is_hex)
    for event in response.events:
        yield f'"Type" : {event_name(event)}'
        if event.HasField("prev_kv"):
            yield from key_value_lines(event.prev_kv, is_hex=is_hex, prefix="Prev")
        yield from key_value_lines(event.kv, is_hex=is_hex)


def event_name(event: kv.Event) -> str:
    """PUT or DELETE."""
    return kv.Event.EventType.Name(event.type)
