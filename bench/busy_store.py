"""The busy cluster's etcd as files: MVCC by etcd's rules in memory, a snapshot of it whenever one is wanted.

    store = BusyStore(); store.write(key, value); store.compact(revision); store.save(path)

Real etcd keeps the same records; only its pages are laid out otherwise, by its own history. `python -m bench.busy_store ENDPOINT`
lets a real etcd have the writes instead, for who wants its pages (some thousand writes a second).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backstay.etcd import Client, ConnectionOptions
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import build
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.values import Revision
from bench.busy import BusyCluster, Write

_MEMBER = 0x8E9E05C52164694D
_WRITERS = 16


class BusyStore:
    """Records in the order of revisions, one write each."""

    def __init__(self) -> None:
        self.revision = 1
        self.compact_revision = -1
        self._records: dict[bytes, bytes] = {}
        self._lives: dict[bytes, tuple[int, int]] = {}
        self._newest: dict[bytes, bytes] = {}
        self._superseded: list[tuple[int, bytes]] = []

    def write(self, key: bytes, value: bytes | None) -> None:
        """One put, or with None one deletion."""
        self.revision += 1
        revision = mvcc.encode_revision(RevisionKey(self.revision, 0, tombstone=value is None))
        if (before := self._newest.get(key)) is not None:
            self._superseded.append((self.revision, before))
        if value is None:
            self._records[revision] = mvcc.encode_key_value(KeyValue(key))
            self._superseded.append((self.revision, revision))
            self._lives.pop(key, None)
            self._newest.pop(key, None)
            return
        create, version = self._lives.get(key, (self.revision, 0))
        self._lives[key] = (create, version + 1)
        self._newest[key] = revision
        self._records[revision] = mvcc.encode_key_value(KeyValue(key, create, self.revision, version + 1, value))

    def compact(self, revision: int) -> None:
        """Drop what was superseded at or below `revision`, and deletions below it."""
        self.compact_revision = revision
        kept = []
        for at, record in self._superseded:
            if at > revision or int.from_bytes(record[:8], "big") == revision:
                kept.append((at, record))
            else:
                self._records.pop(record, None)
        self._superseded = kept

    @property
    def live_keys(self) -> int:
        """How many keys there are."""
        return len(self._lives)

    def save(self, path: Path) -> int:
        """A snapshot with its SHA-256, as `etcdctl snapshot save` gives one; returns its size in bytes."""
        marker = mvcc.encode_revision(RevisionKey(max(self.compact_revision, 0), 0))
        content: dict[bytes, list[tuple[bytes, bytes]]] = {name: [] for name in schema.BUCKETS}
        content[schema.MEMBERS] = [
            (b"%x" % _MEMBER, b'{"id":%d,"peerURLs":["http://localhost:2380"],"name":"busy"}' % _MEMBER)
        ]
        content[schema.META] = [
            (schema.CONF_STATE, b'{"voters":[%d],"auto_leave":false}' % _MEMBER),
            (schema.CONSISTENT_INDEX, schema.encode_u64(self.revision)),
            *(
                [(schema.FINISHED_COMPACT, marker), (schema.SCHEDULED_COMPACT, marker)]
                if self.compact_revision >= 0
                else []
            ),
            (schema.TERM, schema.encode_u64(1)),
        ]
        with path.open("wb+") as file:
            file.seek(2 * 4096)
            items = self._records.items()
            built = build(
                [(name, items if name == schema.KEY else content[name]) for name in schema.BUCKETS], file.writelines
            )
            file.seek(0)
            file.write(built.meta_pages)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.write(digest)
        return path.stat().st_size


def advance(store: BusyStore, cluster: BusyCluster) -> None:
    """Fifteen minutes: the writes, and a compaction every five to where it was five before."""
    before = store.revision
    for writes in cluster.interval():
        begun = store.revision
        for key, value in writes:
            store.write(key, value)
        store.compact(before)
        before = begun


def into_etcd(client: Client, writes: Iterable[Write]) -> Revision:
    """The same writes into a living etcd, by several writers at once, each key's in their order; gives the last revision."""
    lanes: list[list[Write]] = [[] for _ in range(_WRITERS)]
    for write in writes:
        lanes[zlib.crc32(write[0]) % _WRITERS].append(write)

    def go(lane: list[Write]) -> Revision:
        last = Revision(0)
        for key, value in lane:
            answer = client.kv.delete_range(key) if value is None else client.kv.put(key, value)
            last = answer.header.revision
        return last

    with ThreadPoolExecutor(_WRITERS) as writers:
        return max(writers.map(go, lanes))


def main(arguments: list[str]) -> int:
    """Let a living etcd be a busy cluster."""
    parser = argparse.ArgumentParser(prog="python -m bench.busy_store", description=__doc__)
    parser.add_argument("endpoint")
    parser.add_argument("--scale", type=float, default=0.05, help="1 is 89,021 keys and 186,075 writes an interval")
    parser.add_argument(
        "--intervals", type=int, default=2, help="how many times fifteen minutes, without their waiting"
    )
    chosen = parser.parse_args(arguments)
    cluster = BusyCluster(scale=chosen.scale)
    with Client(ConnectionOptions.of([chosen.endpoint])) as client:
        before = into_etcd(client, cluster.preload())
        for number in range(chosen.intervals):
            for writes in cluster.interval():
                revision = into_etcd(client, writes)
                client.kv.compact(before)
                before = revision
            print(f"interval {number + 1} of {chosen.intervals} is written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
