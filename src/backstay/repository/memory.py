"""What a writer remembers between backups: the head, the runs its next point goes on from, and which records there were.

    line 1   JSON: repository, lineage, sequence, head, cluster, revision, compact_revision, state digest, runs, count
    then     four arrays of `count` unsigned 64-bit big-endian numbers, in the order of revisions:
             main; sub * 2 + tombstone; 64 bits of the record's digest; 64 bits of SHA-256 of its key
    all      one zstd frame

It holds no key and no value: who steals it can only confirm what he guesses. If it is lost, the next backup is a base.
"""

from __future__ import annotations

import json
import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime

from backstay import errors
from backstay.crypto.sealing import ObjectClass
from backstay.crypto.signing import parse_object
from backstay.repository import names
from backstay.repository.compression import pack, unpack
from backstay.repository.fields import Fields, time_text
from backstay.repository.manifest import RunReference
from backstay.repository.source import RecordIndex

_LABELS = {kind.label: kind for kind in ObjectClass}
_LARGEST = 8 << 30
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RangedRun:
    """A run, and the revisions (start, end] it holds."""

    run: RunReference
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WriterMemory:
    """After a commit: `base` and `chain` give the state, `histories` the rest. `head` is SHA-256 of the manifest."""

    repository: str
    cluster: str
    lineage: str
    sequence: int
    head: str
    revision: int
    compact_revision: int
    state_digest: str
    based_at: datetime
    base: RunReference
    chain: tuple[RunReference, ...]
    histories: tuple[RangedRun, ...]
    index: RecordIndex = field(repr=False, compare=False, default_factory=RecordIndex)


def encode_memory(memory: WriterMemory) -> bytes:
    """For a file of the state directory."""
    index = memory.index
    fields = {
        "version": _VERSION,
        "repository": memory.repository,
        "cluster": memory.cluster,
        "lineage": memory.lineage,
        "sequence": memory.sequence,
        "head": memory.head,
        "revision": memory.revision,
        "compact_revision": memory.compact_revision,
        "state_digest": memory.state_digest,
        "based_at": time_text(memory.based_at),
        "base": _run_fields(memory.base),
        "chain": [_run_fields(each) for each in memory.chain],
        "histories": [_run_fields(each.run) | {"from": each.start, "to": each.end} for each in memory.histories],
        "count": len(index.mains),
    }
    parts = [json.dumps(fields, sort_keys=True).encode(), b"\n"]
    for numbers in (index.mains, index.marks, index.digests, index.keys):
        parts.append(_swapped(numbers).tobytes())
    return pack(b"".join(parts), 1)


def decode_memory(data: bytes, where: str) -> WriterMemory:
    """What `encode_memory` wrote. Raises `STATE_UNUSABLE`."""
    try:
        content = unpack(data, where, largest=_LARGEST)
        line, _, rest = content.partition(b"\n")
        fields = Fields(parse_object(line, where), where)
        if fields.number("version") != _VERSION:
            raise ValueError("it is of another release")
        count = fields.number("count", highest=_LARGEST // 32)
        if len(rest) != 32 * count:
            raise ValueError("it is cut short")
        arrays = []
        for place in range(4):
            numbers = _numbers()
            numbers.frombytes(rest[8 * count * place : 8 * count * (place + 1)])
            arrays.append(_swapped(numbers))
        memory = WriterMemory(
            fields.text("repository", names.REPOSITORY),
            fields.text("cluster"),
            fields.text("lineage", names.LINEAGE),
            fields.number("sequence", 1),
            fields.text("head", names.SHA256),
            fields.number("revision", 1),
            fields.number("compact_revision", -1),
            fields.text("state_digest", names.SHA256),
            fields.time("based_at"),
            _run(fields.object("base")),
            tuple(_run(each) for each in fields.objects("chain")),
            tuple(_ranged(each) for each in fields.objects("histories")),
            RecordIndex(*arrays),
        )
        fields.finish()
        return memory
    except (ValueError, errors.BackstayError) as problem:
        raise errors.STATE_UNUSABLE.error(
            "what this host remembers cannot be read", where=where, why=str(problem)
        ) from problem


class HistoryDiffersError(Exception):
    """The source is not the continuation of what is remembered."""


def vanished_since(
    before: RecordIndex, revision: int, now: RecordIndex, compact_revision: int
) -> tuple[tuple[int, int], ...]:
    """The puts of a remembered point that are gone although nothing that is known says why, as (main, sub).

    `before` and `revision` are the point's, `now` and `compact_revision` the source's. A newer record of the key at or below
    the compact revision would say why. Raises `HistoryDiffersError` when the source is not the continuation of the point:
    an old record that was not there or was another one, or one above the compact revision that is gone.
    """
    dropped, count, place = _numbers(), len(before.mains), 0
    mains, marks, digests = before.mains, before.marks, before.digests
    newer = bisect_right(now.mains, revision)
    for at in range(newer):
        main, mark = now.mains[at], now.marks[at]
        while place < count and (mains[place] < main or (mains[place] == main and marks[place] < mark)):
            dropped.append(place)
            place += 1
        if place == count or mains[place] != main or marks[place] != mark:
            raise HistoryDiffersError(f"revision {main} was not there")
        if digests[place] != now.digests[at]:
            raise HistoryDiffersError(f"revision {main} was another record")
        place += 1
    dropped.extend(range(place, count))
    if dropped and mains[dropped[-1]] > compact_revision:
        raise HistoryDiffersError(f"revision {mains[dropped[-1]]} is gone and was not compacted")
    explained = set(now.keys[newer : bisect_right(now.mains, compact_revision, newer)])
    last: dict[int, int] = {before.keys[place]: -1 for place in dropped}
    for place in range(bisect_right(mains, compact_revision)):
        if before.keys[place] in last:
            last[before.keys[place]] = place
    gone = set(dropped)
    return tuple(
        sorted(
            (mains[place], marks[place] >> 1)
            for key, place in last.items()
            if place in gone and not marks[place] & 1 and key not in explained
        )
    )


def _numbers() -> array[int]:
    return array("Q")


def _swapped(numbers: array[int]) -> array[int]:
    """Big-endian, whatever this machine is."""
    if sys.byteorder == "little":
        numbers = array("Q", numbers)
        numbers.byteswap()
    return numbers


def _run_fields(run: RunReference) -> dict[str, str | int]:
    return {"class": run.kind.label, "name": run.name, "size": run.size}


def _run(fields: Fields) -> RunReference:
    run = RunReference(
        _LABELS[fields.text("class", "|".join(_LABELS))], fields.text("name", names.RUN), fields.number("size")
    )
    fields.finish()
    return run


def _ranged(fields: Fields) -> RangedRun:
    start, end = fields.number("from"), fields.number("to")
    return RangedRun(_run(fields), start, end)
