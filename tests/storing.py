"""Durable stores for tests: written through their journal as the engine writes, and read back."""

from __future__ import annotations

from collections.abc import Callable

from backstay.errors import BackstayError
from backstay.formats import requests
from backstay.formats.requests import Message, Request, encode_request
from backstay.store.apply import apply_request
from backstay.store.durable import DurableStore, StoreOptions
from backstay.store.ranges import key_range

SMALL = StoreOptions(segment_size=4096)
"""Segments that end after a few dozen entries."""


def ignore(failure: BackstayError | None) -> None:
    """For writes whose end nobody waits for."""


def do(store: DurableStore, body: Message, done: Callable[[BackstayError | None], None] | None = None) -> None:
    """Apply a request and journal it; without `done` it is durable on return."""
    request = Request(body, store.journal.last_index + 1)
    applied = apply_request(store.state, request)
    assert applied.refused is None, applied.refused
    if done is not None:
        store.submit([encode_request(request)], done)
    else:
        store.submit([encode_request(request)], ignore)
        store.journal.append([])


def put(store: DurableStore, key: str, value: str, lease: int = 0) -> None:
    """Write one key durably."""
    do(store, requests.Put(key=key.encode(), value=value.encode(), lease=lease))


def keys_of(store: DurableStore) -> dict[str, str]:
    """Every key and its value, as text."""
    found = {}
    for key in store.state.keys(key_range(b"\0", b"\0")):
        item = store.state.read(key)
        assert item is not None
        found[key.decode(errors="replace")] = item.value.decode(errors="replace")
    return found
