"""The busy cluster: what a Kubernetes of 990 nodes writes into its etcd, the same from the same seed, at any scale.

89,021 keys to begin with, then intervals of fifteen minutes with 186,075 writes each (206 a second): 99,000 renewals of leases,
30,105 of events (created, patched, deleted when their hour is over), 2,970 node and 32,400 pod statuses, 21,600 of configmaps,
EndpointSlices and ReplicaSets. About half of the keys change in an interval, in all prefixes. Values have the
sizes of Kubernetes' protobuf with managedFields (Lease 0.4 KB, Event 0.6, Pod 3.9, Node 8, ConfigMap 7), and a new
version differs from the one before as a new status does: times, counters, a condition.

    cluster = BusyCluster(scale=0.05)
    cluster.preload()       writes, in order: (key, value)
    cluster.interval()      the next fifteen minutes, in `PARTS` parts; value None deletes
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

Write = tuple[bytes, bytes | None]

INTERVAL_SECONDS = 900
PARTS = 3
"""kube-apiserver compacts every five minutes, to where it was five minutes before."""
FULL_KEYS, FULL_WRITES = 89_021, 186_075

_EVENT_HOURS = 4
"""Events live for so many intervals."""
_BEGIN = 1_764_000_000
_STEMS, _MIDDLES = ("con", "ser", "re", "net", "up", "pol", "in"), ("fig", "ver", "ga", "work", "stream", "icy")
_ENDINGS = ("", "ing", "-name", "-mode", "-size", "able", "-ref")
_WORDS = tuple(stem + middle + ending for stem in _STEMS for middle in _MIDDLES for ending in _ENDINGS)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of object: how many there are, its size, and how often how many of them are written in an interval."""

    prefix: str
    count: int
    size: int
    written: int
    times: int
    entropy: int
    """Random bytes that an object is born with: uids, names, addresses, digests."""


_KINDS = {
    "node-lease": _Kind("leases/kube-node-lease/node-", 990, 400, 990, 90, 24),
    "leader": _Kind("leases/kube-system/controller-", 22, 400, 22, 450, 24),
    "node": _Kind("minions/node-", 990, 8000, 990, 3, 160),
    "pod": _Kind("pods/", 22_000, 3900, 10_800, 3, 150),
    "configmap": _Kind("configmaps/", 4000, 7000, 200, 40, 2400),
    "endpointslice": _Kind("endpointslices/", 6800, 1500, 6800, 1, 110),
    "replicaset": _Kind("replicasets/", 8079, 2500, 6800, 1, 110),
    "secret": _Kind("secrets/", 6000, 1400, 0, 0, 900),
}
_EVENTS = _Kind("events/", 40_140, 600, 10_035, 1, 60)


class BusyCluster:
    """The generator. `scale` multiplies the number of objects and of writes; sizes stay."""

    def __init__(self, *, scale: float = 1.0, seed: int = 7) -> None:
        self._scale = scale
        self._random = random.Random(seed)
        self._time = _BEGIN
        self._objects: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
        self._events: deque[list[tuple[bytes, bytes, bytes]]] = deque()
        self._spec = {name: self._text(kind.size) for name, kind in [*_KINDS.items(), ("event", _EVENTS)]}

    def preload(self) -> Iterator[Write]:
        """Everything that is there before the first interval."""
        for name, kind in _KINDS.items():
            self._objects[name] = [self._born(name, kind, number) for number in range(self._count(kind.count))]
            for each in self._objects[name]:
                yield each[0], self._value(each)
        for _ in range(_EVENT_HOURS):
            self._events.append(
                [self._born("event", _EVENTS, n) for n in range(self._count(_EVENTS.count // _EVENT_HOURS))]
            )
            for each in self._events[-1]:
                yield each[0], self._value(each)

    def interval(self) -> Iterator[list[Write]]:
        """The writes of the next interval, in `PARTS` lists."""
        plan = self._plan()
        for part in range(PARTS):
            begin, end = part * len(plan) // PARTS, (part + 1) * len(plan) // PARTS
            writes: list[Write] = []
            for at in range(begin, end):
                each, is_deletion = plan[at]
                writes.append((each[0], None if is_deletion else self._value(each, at * INTERVAL_SECONDS // len(plan))))
            yield writes
        self._time += INTERVAL_SECONDS

    def _plan(self) -> list[tuple[tuple[bytes, bytes, bytes], bool]]:
        """Who is written in which order. An event is created before it is patched; old ones go somewhen."""
        plan: list[tuple[float, tuple[bytes, bytes, bytes], bool]] = []
        moment = self._random.random
        for name, kind in _KINDS.items():
            objects = self._objects[name]
            for each in self._random.sample(
                objects, min(self._count(kind.written), len(objects)) if kind.written else 0
            ):
                plan += [(moment(), each, False) for _ in range(kind.times)]
        created = [self._born("event", _EVENTS, number) for number in range(self._count(_EVENTS.written))]
        for each in created:
            begin = moment()
            plan += [(begin, each, False), (begin + (1 - begin) * moment(), each, False)]
        plan += [(moment(), each, True) for each in self._events.popleft()]
        self._events.append(created)
        plan.sort(key=lambda step: step[0])
        return [(each, is_deletion) for _, each, is_deletion in plan]

    def _count(self, full: int) -> int:
        return max(round(full * self._scale), 1)

    def _born(self, name: str, kind: _Kind, number: int) -> tuple[bytes, bytes, bytes]:
        """Key, what stays of its value, and what follows the part that changes."""
        chance = self._random
        if kind.prefix.endswith("-"):
            key = f"/registry/{kind.prefix}{number:05d}"
        else:
            place = f"namespace-{chance.randrange(200):03d}"
            key = f"/registry/{kind.prefix}{place}/app-{number % 977}-{chance.getrandbits(40):010x}"
        own = chance.randbytes(kind.entropy // 2)
        uid = chance.randbytes(max(kind.entropy // 2, 16)).hex()
        head = (
            b"k8s\0\n\x10\n\x02v1\x12\x06"
            + name.encode()
            + b"\x12\x90\x03\n"
            + key.rpartition("/")[2].encode()
            + b"\x12\x24"
        )
        spec = self._spec[name]
        room = max(kind.size - len(head) - len(own) - len(uid) - 90, 0)
        half = room // 3
        return key.encode(), head + uid.encode() + spec[:half] + own, spec[half:room]

    def _value(self, each: tuple[bytes, bytes, bytes], seconds: int = 0) -> bytes:
        """A new version: times and counters that no other version has."""
        _, head, tail = each
        now, chance = self._time + seconds, self._random.getrandbits(64)
        status = b"\x1a\x08\x08%c%c%c%c\x10\x00observed:%d probe:%d ready:%s" % (
            now >> 24 & 0xFF, now >> 16 & 0xFF, now >> 8 & 0xFF, now & 0xFF,
            chance & 0xFFFFF, chance >> 20 & 0xFFF, b"True" if chance >> 40 & 7 else b"False",
        )  # fmt: skip
        return b"".join((head, status, tail))

    def _text(self, size: int) -> bytes:
        """What objects of a kind have in common: field names, images, managedFields."""
        chance = self._random
        words: list[str] = []
        length = 0
        while length < size:
            word = chance.choice(_WORDS)
            words.append(f"f:{word}\x12\x04")
            length += len(word) + 4
        return "".join(words).encode()[:size]
