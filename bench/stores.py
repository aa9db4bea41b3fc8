"""Stores to measure on: Kubernetes-like databases of a wanted size, the same bytes from the same seed, kept in a cache.

A store has one record per live key below its compact revision, as years of compactions leave it, and above it a recent
history that is dense: updates, some deletions and new keys. Per GiB: 220,000 records, 190,000 live keys. Values have a
log-normal size (most 1-5 KB, a few 100 KB) and bytes that are neither constant nor repeated.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backstay.formats import mvcc, schema
from backstay.formats.bbolt import build
from backstay.formats.mvcc import KeyValue, Record, RevisionKey

GIB = 1 << 30
MIB = 1 << 20
RECORDS_PER_GIB = 220_000
LIVE_KEYS_PER_GIB = 190_000
SEED = 3
LAYOUT = 1
"""Part of the file's name: raise it when the content changes, so that no stale store is measured."""

_MEMBER = 0x8E9E05C52164694D
_KINDS = (
    ("pods", 30), ("events", 30), ("replicasets/apps", 8), ("configmaps", 8), ("secrets", 6), ("leases/kube-node-lease", 4),
    ("endpointslices/discovery.k8s.io", 6), ("deployments/apps", 4), ("serviceaccounts", 4),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """A store file with its SHA-256 trailer, and what a benchmark must know of it."""

    path: Path
    label: str
    size: int
    record_count: int
    live_keys: int
    sample_key: str


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Outside the tree, under the user's cache directory."""
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "backstay" / "bench"


def prepare(size: int, directory: Path) -> Store:
    """The store of about `size` bytes; made when it is not in `directory` yet."""
    live_keys = LIVE_KEYS_PER_GIB * size // GIB
    record_count = RECORDS_PER_GIB * size // GIB
    keys = _keys(live_keys)
    path = directory / f"store-{LAYOUT}-{SEED}-{size // MIB}MiB.db"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _write(path, keys, record_count, size)
    label = f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"
    return Store(path, label, path.stat().st_size, record_count, live_keys, keys[live_keys // 2].decode())


def _keys(count: int) -> list[bytes]:
    source = random.Random(SEED)
    kinds = [kind for kind, weight in _KINDS for _ in range(weight)]
    names = (
        f"/registry/{source.choice(kinds)}/namespace-{source.randrange(200)}/app-{n % 977}-{source.getrandbits(40):010x}"
        for n in range(count)
    )
    return [name.encode() for name in names]


def _write(path: Path, keys: list[bytes], record_count: int, size: int) -> None:
    digest = hashlib.sha256()
    compact = len(keys) * 7
    marker = mvcc.encode_revision(RevisionKey(compact, 0))
    member = b'{"id":%d,"peerURLs":["http://localhost:2380"],"name":"default"}' % _MEMBER
    content: dict[bytes, list[tuple[bytes, bytes]]] = {name: [] for name in schema.BUCKETS}
    content[schema.MEMBERS] = [(b"%x" % _MEMBER, member)]
    content[schema.META] = [
        (schema.CONF_STATE, b'{"voters":[%d],"auto_leave":false}' % _MEMBER),
        (schema.CONSISTENT_INDEX, schema.encode_u64(1)),
        (schema.FINISHED_COMPACT, marker),
        (schema.SCHEDULED_COMPACT, marker),
        (schema.TERM, schema.encode_u64(1)),
    ]
    records = map(mvcc.encode_record, _records(keys, record_count, compact, size))
    part = path.with_suffix(".part")
    with part.open("wb+") as file:
        file.seek(2 * 4096)
        built = build(
            [(name, records if name == schema.KEY else content[name]) for name in schema.BUCKETS], file.writelines
        )
        file.seek(0)
        file.write(built.meta_pages)
        file.seek(0)
        while piece := file.read(MIB):
            digest.update(piece)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _records(keys: list[bytes], record_count: int, compact: int, size: int) -> Iterator[Record]:
    source = random.Random(SEED + 1)
    pool = source.randbytes(8 * MIB)
    median = size / record_count / 2.1  # the mean of the distribution below is about 1.6 medians; pages cost the rest

    def value() -> bytes:
        length = min(int(median * math.exp(source.gauss(0, 1))), 400_000)
        start = source.randrange(len(pool) - length)
        return pool[start : start + length]

    order = list(range(len(keys)))
    source.shuffle(order)
    lives: dict[int, tuple[int, int]] = {}
    revisions = sorted(source.sample(range(2, compact + 1), len(keys)))
    for revision, index in zip(revisions, order, strict=True):
        create = revision if source.random() < 0.5 else source.randrange(1, revision)
        version = 1 if create == revision else source.randrange(2, 50)
        lives[index] = (create, version)
        yield Record(RevisionKey(revision, 0), KeyValue(keys[index], create, revision, version, value()))
    recent = record_count - len(keys)
    deleted: list[int] = []
    for revision in range(compact + 1, compact + recent + 1):
        # Every fiftieth change deletes a key, the one after it brings a deleted one back: the number of keys stays.
        if revision % 50 == 0 and revision < compact + recent:
            index = source.choice(order)
            del lives[index]
            deleted.append(index)
            yield Record(RevisionKey(revision, 0, tombstone=True), KeyValue(keys[index]))
            continue
        index = deleted.pop() if deleted else source.choice(order)
        create, version = lives.get(index, (revision, 0))
        lives[index] = (create, version + 1)
        yield Record(RevisionKey(revision, 0), KeyValue(keys[index], create, revision, version + 1, value()))
