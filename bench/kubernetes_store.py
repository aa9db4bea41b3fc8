"""A store of Kubernetes objects of a wanted size: real objects multiplied, padded to the sizes of a busy cluster.

The objects are those of `tests/data/kubernetes` (a 1.37 cluster), under keys of 200 namespaces; each gets an annotation that
brings it to a log-normal size. Per GiB: 190,000 live objects in 220,000 records, kinds weighted as clusters have them. With a
second seed of the tail, one object in a hundred differs: what `diff` is measured on.
"""

from __future__ import annotations

import functools
import hashlib
import lzma
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from backstay.formats import bbolt, mvcc, protowire, schema
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.kube.envelope import PROTOBUF_MAGIC, open_envelope
from backstay.sources import Selection, open_source
from tests.kubernetes_cases import ROOT

GIB = 1 << 30
LIVE_PER_GIB = 190_000
RECORDS_PER_GIB = 220_000
SEED = 7
LAYOUT = 1
"""Part of the file's name: raise it when the content changes."""

_CASE = "k1.37.2"
_WEIGHTS = {
    "pods": 30, "events": 25, "replicasets": 10, "configmaps": 8, "secrets": 6, "leases": 4, "endpointslices": 6,
    "deployments": 4, "serviceaccounts": 4, "services/specs": 3,
}  # fmt: skip
_NAMESPACES = 200
_ANNOTATION = b"bench.example.com/padding"


@functools.cache
def templates() -> dict[str, list[bytes]]:
    """Stored values of the case by where they are stored, and the whole case below ""."""
    path = Path("/tmp") / f"backstay-bench-{_CASE}.db"
    path.write_bytes(lzma.decompress((ROOT / _CASE / "snapshot.db.xz").read_bytes()))
    found: dict[str, list[bytes]] = defaultdict(list)
    with open_source(str(path)) as source:
        for item in source.items(Selection(b"/registry/")):
            place = item.key.decode().removeprefix("/registry/").rsplit("/", 2)[0]
            if item.value.startswith(PROTOBUF_MAGIC):
                found[place].append(item.value)
            found[""].append(item.value)
    path.unlink()
    return found


def prepare(size: int, directory: Path, *, changed: bool = False) -> Path:
    """The store of about `size` bytes; made when it is not in `directory` yet. `changed`: one object in a hundred differs."""
    path = directory / f"kubernetes-{LAYOUT}-{size >> 20}MiB{'-changed' if changed else ''}.db"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        _write(part, size, changed)
        part.rename(path)
    return path


def _write(path: Path, size: int, changed: bool) -> None:
    records = (mvcc.encode_record(record) for record in _records(size, changed))
    with path.open("wb+") as file:
        file.seek(2 * 4096)
        built = bbolt.build(((name, records if name == schema.KEY else ()) for name in schema.BUCKETS), file.writelines)
        file.seek(0)
        file.write(built.meta_pages)
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
        file.write(digest.digest())


def _records(size: int, changed: bool) -> Iterator[Record]:
    source = random.Random(SEED)
    text = "".join(source.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1 << 20)).encode()
    live, total = (each * size // GIB for each in (LIVE_PER_GIB, RECORDS_PER_GIB))
    median = size / total / 2.1
    kinds = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
    keys = []
    for number in range(live):
        kind = source.choice(kinds)
        name = f"/registry/{kind}/namespace-{source.randrange(_NAMESPACES)}/app-{number % 977}-{source.getrandbits(40):010x}"
        keys.append((name.encode(), kind))
    revision = 1
    written: dict[int, tuple[int, int]] = {}
    for index in [*range(live), *(source.randrange(live) for _ in range(total - live))]:
        revision += 1
        key, kind = keys[index]
        create, version = written.get(index, (revision, 0))
        written[index] = (create, version + 1)
        wanted = min(int(median * math.exp(source.gauss(0, 1))), 400_000)
        start = source.randrange(len(text) - 400_000)
        value = _padded(source.choice(templates()[kind]), wanted, text, start + (changed and index % 100 == 0))
        yield Record(RevisionKey(revision, 0), KeyValue(key, create, revision, version + 1, value))


def _padded(value: bytes, wanted: int, text: bytes, start: int) -> bytes:
    """`value` with an annotation that makes it `wanted` bytes long, if it is shorter."""
    padding = wanted - len(value) - len(_ANNOTATION) - 24
    if padding <= 0:
        return value
    opened = open_envelope(value)
    raw = value[opened.start : opened.end]
    fields = [(number, content) for number, _, content in protowire.read_fields(raw) if isinstance(content, bytes)]
    meta = fields[0][1]
    entry = protowire.bytes_field(1, _ANNOTATION) + protowire.bytes_field(2, text[start : start + padding])
    rest = raw[len(protowire.bytes_field(1, meta)) :]
    message = protowire.bytes_field(1, meta + protowire.bytes_field(12, entry)) + rest
    kind = protowire.bytes_field(1, opened.api_version.encode()) + protowire.bytes_field(2, opened.kind.encode())
    return PROTOBUF_MAGIC + protowire.bytes_field(1, kind) + protowire.bytes_field(2, message) + b"\x1a\x00\x22\x00"
