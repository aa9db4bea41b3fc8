"""Records of a base are found by revision: across pages, in big transactions, in tiny and in damaged files."""

from __future__ import annotations

import random

import pytest

from backstay.errors import FormatError
from backstay.formats import mvcc
from backstay.formats.bbolt import open_database
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.store.base import Base
from tests.unit.store.building import database


def records(count: int, subs: int, size: int) -> list[Record]:
    return [
        Record(
            RevisionKey(main, sub, main % 7 == 0), KeyValue(b"k%d" % sub, 2, main, main - 1, b"v" * (main * size % 900))
        )
        for main in range(2, 2 + count)
        for sub in range(subs)
    ]


@pytest.mark.parametrize(("count", "subs", "size"), [(1, 1, 0), (5, 1, 3), (900, 1, 7), (40, 60, 11), (3, 2_000, 1)])
def test_every_put_is_found_and_nothing_else(count: int, subs: int, size: int) -> None:
    everything = records(count, subs, size)
    base = Base(database(everything))
    for revision, item in random.Random(1).sample(everything, min(len(everything), 500)):
        if not revision.tombstone:
            assert base.record(revision.main, revision.sub) == item
        else:
            with pytest.raises(FormatError):
                base.record(revision.main, revision.sub)
    for main, sub in [(1, 0), (count + 2, 0), (2, subs), (1 << 62, 0)]:
        with pytest.raises(FormatError):
            base.record(main, sub)


def test_a_damaged_file_is_an_error_and_never_a_wrong_record() -> None:
    everything = {item: revision for revision, item in records(300, 2, 5) if not revision.tombstone}
    content = bytearray(database(Record(revision, item) for item, revision in everything.items()).buffer)
    chosen = random.Random(2)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chosen.randrange(1, 20)):
            damaged[chosen.randrange(8192, len(damaged))] = chosen.randrange(256)
        damaged = damaged[: chosen.choice((len(damaged), len(damaged) - 4096, len(damaged) // 2))]
        try:
            base = Base(open_database(bytes(damaged)))
        except FormatError:
            continue
        for revision in chosen.sample(sorted(everything.values()), 30):
            try:
                found = base.record(revision.main, revision.sub)
            except FormatError:
                continue
            assert isinstance(found, KeyValue) and len(found.value) <= len(content)


def test_plain_puts_decode_as_all_others_do() -> None:
    chosen = random.Random(3)
    numbers = (0, 1, 127, 128, 16_383, 16_384, 1 << 40, (1 << 63) - 1)
    for _ in range(500):
        item = KeyValue(
            chosen.randbytes(chosen.choice((0, 1, 127, 128, 300))),
            *(chosen.choice(numbers) for _ in range(3)),
            chosen.randbytes(chosen.choice((0, 1, 127, 128, 20_000))),
            chosen.choice((0, 0, 5)),
        )
        data = mvcc.encode_key_value(item)
        assert mvcc.decode_key_value(data) == mvcc._decode_fields(data) == item
        cut = data[: chosen.randrange(len(data) + 1)]
        try:
            expected = mvcc._decode_fields(cut)
        except FormatError:
            with pytest.raises(FormatError):
                mvcc.decode_key_value(cut)
        else:
            assert mvcc.decode_key_value(cut) == expected
