"""HashKV: the published values, what real servers answered at every revision, and the rules of each release."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import hashkv, mvcc
from backstay.formats.bbolt import open_database
from backstay.formats.crc32c import crc32c, extend
from backstay.formats.hashkv import CURRENT_RULE, HashRule, check_revision, hash_kv, rule_of
from backstay.values import NO_COMPACTION, Revision
from tests import golden
from tests.unit.formats import databases
from tests.unit.formats.worked_example import WORKED_EXAMPLE

OLD_RULE = rule_of("3.5.1")
RECORDS = [*databases.SMALL_RECORDS, mvcc.Record(mvcc.RevisionKey(6, 0), mvcc.KeyValue(b"c", 6, 6, 1, b"4"))]


def test_the_published_values() -> None:
    pages = pages_of(RECORDS)
    answers = [hash_kv(pages, Revision(at), NO_COMPACTION).hash for at in range(1, 7)]
    assert answers == [1084519789, 2587454935, 1827592406, 2069675932, 1125682900, 2750537463]


def test_the_worked_example() -> None:
    pages = databases.record_pages(open_database(WORKED_EXAMPLE))
    answers = [hash_kv(pages, Revision(at), NO_COMPACTION).hash for at in range(1, 6)]
    assert answers == [1084519789, 2587454935, 1827592406, 2069675932, 1125682900]


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_every_revision_that_a_server_answered(version: str) -> None:
    database = open_database(golden.snapshot(version))
    compact = databases.compact_revision(database)
    pages = databases.record_pages(database)
    rule = rule_of(version)
    answers = golden.expectation(f"{version}/snapshot")["hashkv"]
    for at, wanted, compact_revision, *_ in answers:
        found = hash_kv(pages, Revision(at), compact, rule)
        assert (found.hash, found.revision, found.compact_revision) == (wanted, at, compact_revision)
    # Old servers have deleted the tombstone that the newer rule skips: one rule serves both once compaction is over.
    assert all(hash_kv(pages, Revision(at), compact).hash == wanted for at, wanted, *_ in answers[:: len(answers) // 9])


@pytest.mark.parametrize(
    ("version", "skips", "answers"),
    [
        ("3.4.23", False, False),
        ("3.4.26", False, False),
        ("3.4.27", False, True),
        ("3.4.33", False, True),
        ("3.4.34", True, True),
        ("3.5.1", False, False),
        ("3.5.9", False, False),
        ("3.5.10", False, True),
        ("3.5.15", False, True),
        ("3.5.16", True, True),
        ("3.6.0", True, True),
        ("3.6.0-rc.1", True, True),
        ("3.7.3", True, True),
        ("4.0.0", True, True),
    ],
)
def test_the_rule_of_each_release(version: str, skips: bool, answers: bool) -> None:
    assert rule_of(version) == HashRule(skips, answers)


def test_a_tombstone_at_the_compact_revision_counts_only_by_the_old_rule() -> None:
    pages = pages_of(RECORDS[1:])  # b put at 3, a put at 4, b deleted at 5, c put at 6; compacted at 5
    new, old = (hash_kv(pages, Revision(6), Revision(5), rule).hash for rule in (CURRENT_RULE, OLD_RULE))
    kept = [RECORDS[2], RECORDS[4]]
    assert new == old == feed(kept)  # keep is not empty, so the tombstone is not in it either way


def test_an_empty_store_answers_with_what_its_compaction_has_left() -> None:
    """With nothing alive the rule skips nothing, so a record that the compaction deletes must not be fed either."""
    records = [RECORDS[0], delete_of(b"a", 3), RECORDS[1]._replace(revision=mvcc.RevisionKey(4, 0)), delete_of(b"b", 5)]
    for compact in (2, 3, 4, 5):
        for at in range(compact, 6):
            answer = hash_kv(pages_of(records), Revision(at), Revision(compact))
            assert answer == hash_kv(pages_of(survive(records, compact)), Revision(at), Revision(compact))
    assert hash_kv(pages_of(records), Revision(3), Revision(3)).hash == hashkv.EMPTY_HASH
    assert hash_kv(pages_of(records), Revision(5), Revision(4)).hash == feed(records[2:])


def test_a_compacted_record_counts_while_it_is_the_newest_of_its_key_at_that_revision() -> None:
    pages = pages_of(RECORDS)
    compact = Revision(3)
    assert hash_kv(pages, Revision(3), compact).hash == feed(RECORDS[:2])
    assert hash_kv(pages, Revision(4), compact).hash == feed(RECORDS[1:3])
    assert hash_kv(pages, Revision(5), compact).hash == feed(RECORDS[2:4])


def test_a_file_answers_for_a_later_compaction_than_its_own() -> None:
    """Records that a compaction would delete are never fed, so it does not matter whether they are still there."""
    for compact in range(1, 7):
        survivors = survive(RECORDS, compact)
        for at in range(compact, 7):
            before = hash_kv(pages_of(RECORDS), Revision(at), Revision(compact))
            assert before == hash_kv(pages_of(survivors), Revision(at), Revision(compact))


def test_the_empty_record_of_a_bump_counts() -> None:
    bump = (mvcc.encode_revision(mvcc.RevisionKey(1_000_000_006, 0)), b"")
    items = [mvcc.encode_record(record) for record in RECORDS] + [bump]
    pages = databases.record_pages(open_database(databases.build_bytes([(b"key", items)])))
    at = Revision(1_000_000_006)
    kept = [items[2], items[4], items[5]]
    assert hash_kv(pages, at, at).hash == feed_items(kept)


@settings(max_examples=60)
@given(st.data())
def test_equals_the_rule_written_down_plainly(data: st.DataObject) -> None:
    records = data.draw(histories())
    last = records[-1].revision.main if records else 1
    compact = Revision(data.draw(st.integers(1, last)))
    at = Revision(data.draw(st.integers(compact, last)))
    rule = data.draw(st.sampled_from([CURRENT_RULE, OLD_RULE]))
    assert hash_kv(pages_of(records), at, compact, rule).hash == plain_hash(records, at, compact, rule)


def test_what_a_revision_means() -> None:
    current, compact = Revision(9), Revision(5)
    assert check_revision(0, current, compact) == 9
    assert check_revision(5, current, compact) == 5
    assert check_revision(0, current, current, OLD_RULE) == 9
    with pytest.raises(errors.BackstayError, match="future"):
        check_revision(10, current, compact)
    with pytest.raises(errors.BackstayError, match="compacted"):
        check_revision(4, current, compact)
    with pytest.raises(errors.BackstayError, match="compacted"):
        check_revision(5, current, compact, OLD_RULE)


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_the_user_key_of_any_put_is_found(key: bytes, value: bytes) -> None:
    encoded = mvcc.encode_key_value(mvcc.KeyValue(key, 2, 2, 1, value))
    assert hashkv.user_key(b"xx" + encoded + b"yy", 2, 2 + len(encoded)) == key


def test_the_user_key_of_a_long_key_is_found() -> None:
    for size in (127, 128, 16383, 16384, 20000):
        encoded = mvcc.encode_key_value(mvcc.KeyValue(b"k" * size, 2, 2, 1))
        assert hashkv.user_key(encoded, 0, len(encoded)) == b"k" * size


@given(st.binary(max_size=40))
def test_the_user_key_of_random_bytes_is_what_the_decoder_says(data: bytes) -> None:
    try:
        wanted = mvcc.decode_key_value(data).key
    except FormatError:
        return  # the short way may be satisfied with a good key before a bad rest
    if data[:1] == b"\x0a":
        # A key that comes twice: the last one counts for the decoder, the first one for the short way.
        assert hashkv.user_key(data, 0, len(data)) in (wanted, data[2 : 2 + (data[1] if len(data) > 1 else 0)])
    else:
        assert hashkv.user_key(data, 0, len(data)) == wanted


@pytest.mark.parametrize("name", golden.DAMAGED)
def test_damaged_files_give_a_hash_or_a_format_error(name: str) -> None:
    try:
        database = open_database(golden.damaged(name))
        if database.bucket(b"key") is None:
            return
        pages = databases.record_pages(database)
        for at in (1, 26, 60, 115):
            hash_kv(pages, Revision(at), Revision(26))
    except FormatError:
        return


def test_records_out_of_order_are_a_format_error_not_a_crash() -> None:
    """What a damaged file gives: a record above the wanted revision before others below it."""
    records = [RECORDS[0], RECORDS[4], *RECORDS[1:4]]
    data = b"".join(key + value for key, value in map(mvcc.encode_record, records))
    spans, at = [], 0
    for key, value in map(mvcc.encode_record, records):
        spans.append((0, at, at + len(key), at + len(key) + len(value)))
        at += len(key) + len(value)
    with pytest.raises(FormatError):
        hash_kv(lambda: [hashkv.RecordPage(data, spans)], Revision(5), Revision(5))


def pages_of(records: list[mvcc.Record]) -> hashkv.Pages:
    return databases.record_pages(open_database(databases.build_records(records, page_size=1024)))


def feed(records: list[mvcc.Record]) -> int:
    return feed_items([mvcc.encode_record(record) for record in records])


def feed_items(items: list[tuple[bytes, bytes]]) -> int:
    checksum = crc32c(b"key")
    for key, value in items:
        checksum = extend(checksum, key + value)
    return checksum


def delete_of(key: bytes, main: int) -> mvcc.Record:
    return mvcc.Record(mvcc.RevisionKey(main, 0, tombstone=True), mvcc.KeyValue(key))


def newest_at(records: list[mvcc.Record], at: int) -> dict[bytes, mvcc.Record]:
    return {record.item.key: record for record in records if record.revision.main <= at}


def survive(records: list[mvcc.Record], compact: int, *, keeps_tombstone: bool = True) -> list[mvcc.Record]:
    newest = newest_at(records, compact)
    return [
        record
        for record in records
        if record.revision.main > compact
        or (
            newest[record.item.key] is record
            and (not record.revision.tombstone or (keeps_tombstone and record.revision.main == compact))
        )
    ]


def plain_hash(records: list[mvcc.Record], at: int, compact: int, rule: HashRule) -> int:
    records = survive(records, compact, keeps_tombstone=rule.skips_tombstone_at_compaction)
    keep = {id(record) for record in newest_at(records, at).values() if not record.revision.tombstone}
    fed = []
    for record in records:
        main, _, tombstone = record.revision
        if main > at or (main <= compact and keep and id(record) not in keep):
            continue
        if rule.skips_tombstone_at_compaction and tombstone and main == compact:
            continue
        fed.append(record)
    return feed(fed)


@st.composite
def histories(draw: st.DrawFn) -> list[mvcc.Record]:
    """Transactions of puts and deletions over a few keys, in order, as a server would write them."""
    live: dict[bytes, tuple[int, int]] = {}
    records = []
    main = 1
    # etcd refuses a transaction that changes a key twice.
    changes = st.dictionaries(st.sampled_from(b"abcd"), st.booleans(), max_size=3)
    for changed in draw(st.lists(changes, max_size=12)):
        sub = 0
        for letter, is_put in changed.items():
            key = bytes([letter])
            if is_put:
                create, version = live.get(key, (main + 1, 0))
                live[key] = (create, version + 1)
                item = mvcc.KeyValue(key, create, main + 1, version + 1, b"v%d" % main)
            elif live.pop(key, None):
                item = mvcc.KeyValue(key)
            else:
                continue
            records.append(mvcc.Record(mvcc.RevisionKey(main + 1, sub, not is_put), item))
            sub += 1
        main += sub > 0
    return records
