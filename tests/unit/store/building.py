"""States and requests for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.formats import mvcc, schema
from backstay.formats.bbolt import Database, open_database
from backstay.formats.mvcc import Record
from backstay.formats.requests import Message, Request
from backstay.store.apply import Applied, apply_request
from backstay.store.refusals import Refusal
from backstay.store.state import StoreState, load_state
from tests.unit.formats.databases import build_bytes


def database(records: Iterable[Record] = (), **buckets: dict[bytes, bytes]) -> Database:
    """A database in memory; keyword arguments are the other buckets."""
    content = {name: dict[bytes, bytes]() for name in schema.BUCKETS}
    content[schema.KEY] = dict(map(mvcc.encode_record, records))
    content |= {name.encode(): items for name, items in buckets.items()}
    return open_database(build_bytes((name, sorted(items.items())) for name, items in sorted(content.items())))


def empty() -> StoreState:
    """A store that nobody has written to."""
    return load_state(database())


def do(state: StoreState, body: Message, username: str = "", auth_revision: int = 0) -> Applied:
    """Apply a request that must not be refused."""
    applied = apply_request(state, Request(body, 1, username, auth_revision))
    assert applied.refused is None, applied.refused
    return applied


def refusal_of(state: StoreState, body: Message, username: str = "", auth_revision: int = 0) -> Refusal:
    """Apply a request that must be refused and change nothing."""
    before = observable(state)
    applied = apply_request(state, Request(body, 1, username, auth_revision))
    assert applied.refused is not None
    assert applied.records == () and applied.answer is None
    assert observable(state) == before
    return applied.refused


def observable(state: StoreState) -> list[object]:
    """Everything that a state shows to the outside."""
    buckets = [state.bucket_items(name) for name in schema.BUCKETS if name != schema.KEY]
    return [state.revision, list(state.records()), *buckets]


def shown(records: Iterable[Record]) -> list[str]:
    """Records in short: `5.0 a=1`, `5.1 b deleted`."""
    return [
        f"{main}.{sub} {item.key.decode()}" + (" deleted" if tombstone else f"={item.value.decode()}")
        for (main, sub, tombstone), item in records
    ]
