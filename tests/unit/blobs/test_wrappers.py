"""The small wrappers of a blob store: read-only, limited, metered; and the probe on stores that behave oddly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from backstay import errors
from backstay.blobs import Answer, Blob, Features, read_all
from backstay.blobs.contract import Chunks, observed
from backstay.blobs.limited import LimitedStore, Rate
from backstay.blobs.memory import MemoryStore
from backstay.blobs.metered import MeteredStore
from backstay.blobs.probe import probe
from backstay.blobs.read_only import ReadOnlyStore
from backstay.clock import SystemClock
from backstay.testing import SteppingClock


def test_read_only_lets_reads_through_and_nothing_else() -> None:
    inner = MemoryStore()
    inner.put("one", b"content")
    store = ReadOnlyStore(inner)
    assert read_all(store, "one", limit_bytes=100) == b"content"
    assert store.stat("one") == inner.stat("one")
    assert store.list() == inner.list()
    for call in (lambda: store.put("two", b"x"), lambda: store.delete("one")):
        with pytest.raises(errors.BackstayError) as caught:
            call()
        assert caught.value.kind is errors.STORAGE_READ_ONLY
    assert [blob.name for blob in inner.list()] == ["one"]


def test_a_rate_is_kept_over_the_whole_transfer() -> None:
    clock = SteppingClock()
    rate = Rate(1_000_000, clock)
    store = LimitedStore(MemoryStore(), upload=rate, download=rate)
    store.put("one", bytes(5_000_000))
    # One second's worth may go at once; the rest waits for its time.
    assert clock.elapsed == pytest.approx(4.0)
    assert len(b"".join(store.get("one"))) == 5_000_000
    assert clock.elapsed == pytest.approx(9.0)


def test_the_meter_counts_calls_bytes_and_failures() -> None:
    store = MeteredStore(MemoryStore(), SystemClock())
    store.put("one", b"content")
    store.put("two", lambda: iter([b"con", b"tent"]))
    with pytest.raises(errors.BackstayError):
        store.put("one", b"again")
    b"".join(store.get("one", offset=3))
    store.get("one").close()
    store.list()
    usage = store.usage()
    assert (usage["put"].calls, usage["put"].failures, usage["put"].sent_bytes) == (3, 1, 19)
    assert (usage["get"].calls, usage["get"].failures, usage["get"].received_bytes) == (1, 0, 4)
    assert (usage["list"].calls, usage["delete"].calls) == (1, 0)


def test_a_stream_that_is_read_once_stays_one() -> None:
    sizes: list[int] = []
    once = observed(iter([b"ab", b"c"]), sizes.append)
    assert not callable(once)
    again = observed(lambda: iter([b"ab", b"c"]), sizes.append)
    assert callable(again)
    assert b"".join(again()) == b"".join(again()) == b"abc"
    assert sizes == [2, 1, 2, 1]


def test_the_probe_tells_what_is_odd() -> None:
    class Odd(MemoryStore):
        """Its clock is wrong, its listing late, its ranges are whole; and it keeps what it has."""

        def features(self) -> Features:
            return Features(create_limit_bytes=7)

        def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
            return super().get(name)

        def stat(self, name: str) -> Blob:
            found = super().stat(name)
            return found._replace(modified=found.modified - timedelta(hours=1))

        def list(self, prefix: str = "") -> Sequence[Blob]:
            return []

        def delete(self, name: str) -> None:
            raise errors.STORAGE_DENIED.error("not yours to delete")

    measured = probe(Odd(), SystemClock(), random.Random(1))
    assert [finding.code for finding in measured.findings] == [
        "store-clock-differs",
        "store-reads-wrong",
        "store-lists-late",
        "store-keeps-objects",
    ]
    features = measured.features
    assert features.create_limit_bytes == 7
    assert (features.create_refuses_existing, features.deletes) == (Answer.YES, Answer.NO)
    assert (features.reads_ranges, features.lists_at_once) == (Answer.NO, Answer.NO)
    assert features.clock_offset_seconds == pytest.approx(-3600, abs=5)
