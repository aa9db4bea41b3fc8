"""The disposable cache: the same bytes as the store's, from the disk the second time, and never a reason to fail."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.cached import CachingStore
from backstay.blobs.memory import MemoryStore
from backstay.blobs.metered import MeteredStore
from backstay.clock import SystemClock
from backstay.errors import BackstayError
from backstay.repository.repository import open_repository
from backstay.sources import Selection
from backstay.sources.repository import open_point
from backstay.testing import check_blob_store
from tests.backing_up import CANARY, Place, small_history

BLOCK = 100


def cached(store: MemoryStore, directory: Path, **options: int) -> CachingStore:
    return CachingStore(store, directory, ("runs/",), block_bytes=BLOCK, **options)


def read(store: CachingStore, name: str, offset: int, length: int | None) -> bytes:
    return b"".join(store.get(name, offset=offset, length=length))


def test_it_is_a_blob_store(tmp_path: Path) -> None:
    check_blob_store(lambda: CachingStore(MemoryStore(), tmp_path, ("runs/",)))


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1234, 5000])
def test_every_range_is_what_the_store_gives_the_first_and_the_second_time(size: int, tmp_path: Path) -> None:
    source, inner = random.Random(size), MemoryStore()
    data = source.randbytes(size)
    inner.put("runs/a", data)
    store = cached(inner, tmp_path)
    for _ in range(2):
        for _ in range(40):
            offset, length = source.randrange(size + 150), source.randrange(size + 150)
            assert read(store, "runs/a", offset, length) == data[offset : offset + length]
        assert read(store, "runs/a", 0, None) == data
    assert store.usage.hits


def test_what_was_read_is_not_fetched_again_and_other_names_always_are(tmp_path: Path) -> None:
    inner = MemoryStore()
    inner.put("runs/a", bytes(1000))
    inner.put("facts/a", bytes(1000))
    metered = MeteredStore(inner, SystemClock())
    store = CachingStore(metered, tmp_path, ("runs/",), block_bytes=BLOCK)
    for _ in range(3):
        read(store, "runs/a", 50, 900)
        read(store, "facts/a", 0, 10)
    assert metered.usage()["get"].calls == 1 + 3
    again = CachingStore(metered, tmp_path, ("runs/",), block_bytes=BLOCK)
    read(again, "runs/a", 0, 950)
    assert metered.usage()["get"].calls == 4
    assert tmp_path.stat().st_mode & 0o777 == 0o700 or any(tmp_path.iterdir())


def test_damaged_blocks_are_fetched_again(tmp_path: Path) -> None:
    inner = MemoryStore()
    data = os.urandom(450)
    inner.put("runs/a", data)
    assert read(cached(inner, tmp_path), "runs/a", 0, 450) == data
    for number, path in enumerate(sorted(tmp_path.glob("*/*"))):
        kept = path.read_bytes()
        path.write_bytes((b"", kept[:-1], kept[:40] + b"x" + kept[41:], b"short", kept)[number])
    assert read(cached(inner, tmp_path), "runs/a", 0, 450) == data


def test_it_stays_within_its_bound(tmp_path: Path) -> None:
    inner = MemoryStore()
    for number in range(30):
        inner.put(f"runs/{number}", os.urandom(1000))
    store = cached(inner, tmp_path, limit_bytes=5000)
    for number in range(30):
        read(store, f"runs/{number}", 0, 1000)
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 5000 + 10 * (BLOCK + 32)
    assert read(store, "runs/0", 0, 1000) == b"".join(inner.get("runs/0"))


def test_a_cache_that_cannot_be_used_is_in_nobodys_way(tmp_path: Path) -> None:
    inner = MemoryStore()
    inner.put("runs/a", b"content")
    (tmp_path / "file").write_text("in the way")
    assert read(cached(inner, tmp_path / "file"), "runs/a", 0, 7) == b"content"
    with pytest.raises(BackstayError) as raised:
        read(cached(inner, tmp_path), "runs/b", 0, 7)
    assert raised.value.kind is errors.BLOB_NOT_FOUND


def test_a_point_is_looked_into_from_the_cache_alone_and_no_value_lies_in_it(tmp_path: Path) -> None:
    place = Place()
    place.back_up(small_history())
    metered = MeteredStore(place.store, SystemClock())
    found = []
    for _ in range(2):
        store = CachingStore(metered, tmp_path, ("runs/", "manifests/"))
        with open_point(open_repository(store, (place.operator,))) as source:
            before = metered.usage()["get"].received_bytes
            found.append([item.value for item in source.items(Selection.parse(""))])
            fetched = metered.usage()["get"].received_bytes - before
    assert found[0] == found[1]
    assert fetched == 0
    assert not [path for path in tmp_path.glob("*/*") if CANARY in path.read_bytes()]
