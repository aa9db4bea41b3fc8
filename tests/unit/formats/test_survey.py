"""The survey of bucket `key`: every finding has a history that triggers it, and sound histories trigger none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.findings import Severity
from backstay.formats import hashkv, mvcc
from backstay.formats.bbolt import open_database
from backstay.formats.hashkv import feed_hash, hash_kv
from backstay.formats.survey import MAX_FINDINGS, KeyspaceSurvey, compact_revision_from
from backstay.values import NO_COMPACTION, Revision
from tests import golden
from tests.unit.formats import databases
from tests.unit.formats.test_hashkv import histories, survive

Item = tuple[bytes, bytes]


def put(
    main: int, key: bytes, create: int = 0, version: int = 1, *, sub: int = 0, mod: int = 0, lease: int = 0
) -> Item:
    item = mvcc.KeyValue(key, create or main, mod or main, version, b"value", lease)
    return mvcc.encode_record(mvcc.Record(mvcc.RevisionKey(main, sub), item))


def delete(main: int, key: bytes, *, sub: int = 0) -> Item:
    return mvcc.encode_record(mvcc.Record(mvcc.RevisionKey(main, sub, tombstone=True), mvcc.KeyValue(key)))


SOUND: dict[str, tuple[int, list[Item]]] = {
    "nothing": (-1, []),
    "one put": (-1, [put(2, b"a")]),
    "a life and a second one": (-1, [put(2, b"a"), put(3, b"a", 2, 2), delete(4, b"a"), put(5, b"a")]),
    "a transaction": (-1, [put(2, b"a"), delete(3, b"a"), put(3, b"b", sub=1), put(3, b"c", sub=2)]),
    "long keys and leases": (-1, [put(2, b"k" * 300, lease=7), put(3, b"k" * 300, 2, 2), put(4, b"x")]),
    "compacted": (9, [put(4, b"a", 2, 3), put(8, b"b", 3, 2), put(10, b"a", 2, 4), delete(11, b"b")]),
    "compacted in the middle of lives": (9, [put(4, b"a", 2, 3), put(10, b"b", 5, 7)]),
    "a tombstone at the compaction": (9, [delete(9, b"a"), put(10, b"a")]),
    "a bump": (-1, [put(2, b"a"), (mvcc.encode_revision(mvcc.RevisionKey(3, 0)), b"")]),
    "large revisions": ((1 << 40) + 1, [put((1 << 40) + 2, b"a"), put((1 << 40) + 3, b"a", (1 << 40) + 2, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_history_has_no_findings(name: str) -> None:
    compact, items = SOUND[name]
    assert [str(finding) for finding in survey_of(items, compact).findings] == []


UNSOUND: dict[str, tuple[int, list[Item], str]] = {
    "a key of 16 bytes": (-1, [(bytes(16), b"\x0a\x01a")], "revision-key-invalid"),
    "no separator": (-1, [(bytes(7) + b"\x02-" + bytes(8), put(2, b"a")[1])], "revision-key-invalid"),
    "a negative revision": (-1, [(b"\xff" * 8 + b"_" + bytes(8), b"")], "revision-key-invalid"),
    "no tombstone mark": (-1, [(bytes(7) + b"\x02_" + bytes(8) + b"x", b"\x0a\x01a")], "revision-key-invalid"),
    "a value that is no message": (-1, [(put(2, b"a")[0], b"\xff\xff\xff")], "record-invalid"),
    "a value cut short": (-1, [(put(2, b"a")[0], put(2, b"a")[1][:-1])], "record-invalid"),
    "another mod revision": (-1, [put(2, b"a", mod=9)], "record-inconsistent"),
    "a version too high": (-1, [put(2, b"a"), put(3, b"a", 2, 3)], "record-inconsistent"),
    "a version that repeats": (-1, [put(2, b"a"), put(3, b"a", 2, 1)], "record-inconsistent"),
    "another create revision": (-1, [put(2, b"a"), put(3, b"b"), put(4, b"a", 3, 2)], "record-inconsistent"),
    "a life that does not begin": (-1, [put(2, b"a", 2, 2)], "record-inconsistent"),
    "a second life that goes on": (-1, [put(2, b"a"), delete(3, b"a"), put(4, b"a", 2, 2)], "record-inconsistent"),
    "created in the future": (9, [put(4, b"a", 7, 2)], "record-inconsistent"),
    "version 0": (-1, [put(2, b"a", 2, 0)], "record-inconsistent"),
    "a tombstone with a value": (-1, [put(2, b"a"), (delete(3, b"a")[0], put(3, b"a")[1])], "record-inconsistent"),
    "a tombstone without a key": (-1, [(delete(2, b"a")[0], b"")], "record-inconsistent"),
    "a put without a key": (-1, [(put(2, b"a")[0], put(2, b"")[1])], "record-inconsistent"),
    "a gap": (-1, [put(2, b"a"), put(4, b"b")], "revision-gap"),
    "a gap at the start": (-1, [put(3, b"a")], "revision-gap"),
    "a gap behind the compaction": (9, [put(5, b"a"), put(11, b"b")], "revision-gap"),
    "a gap inside a transaction": (-1, [put(2, b"a"), put(2, b"b", sub=2)], "revision-gap"),
    "a transaction without its beginning": (-1, [put(2, b"a", sub=1)], "revision-gap"),
    "a stray tombstone": (-1, [delete(2, b"a")], "tombstone-stray"),
    "deleted twice": (-1, [put(2, b"a"), delete(3, b"a"), delete(4, b"a")], "tombstone-stray"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_history_is_named(name: str) -> None:
    compact, items, code = UNSOUND[name]
    assert {finding.code for finding in survey_of(items, compact).findings} == {code}


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_real_snapshots_have_no_errors_and_the_numbers_their_servers_gave(version: str) -> None:
    database = open_database(golden.snapshot(version))
    survey = survey_database(database.buffer)
    expected = golden.expectation(f"{version}/snapshot")
    assert [str(finding) for finding in survey.findings if finding.severity is Severity.ERROR] == []
    totals = survey.totals
    assert (totals.record_count, totals.last_revision) == (expected["records"], expected["revision"])
    assert totals.live_key_count == len(expected["ranges"][str(expected["revision"])])
    assert totals.live_key_count == expected["status"]["3.7.3"]["json"]["totalKey"]
    attached = {lease["id"] for lease in expected["leases"] if lease["keys"]}
    assert survey.live_leases() == attached


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("00-good", set()),
        ("15-revision-gap", {"revision-gap"}),
        ("14b-hot-copy-plausible", {"revision-gap"}),
        ("16-value-not-protobuf", {"record-invalid"}),
    ],
)
def test_the_damage_that_structure_checks_do_not_see(name: str, codes: set[str]) -> None:
    assert {finding.code for finding in survey_database(golden.damaged(name)).findings} >= codes
    if not codes:
        assert survey_database(golden.damaged(name)).findings == []


@settings(max_examples=80)
@given(st.data())
def test_any_history_of_a_server_is_sound_before_and_after_compaction(data: st.DataObject) -> None:
    records = data.draw(histories())
    last = records[-1].revision.main if records else 1
    compact = data.draw(st.sampled_from([-1, *range(1, last + 1)]))
    if compact > 0:
        records = survive(records, compact)
    items = [mvcc.encode_record(record) for record in records]
    survey = survey_of(items, compact)
    assert [str(finding) for finding in survey.findings] == []
    newest = {record.item.key: record for record in records}
    live = {key for key, record in newest.items() if not record.revision.tombstone}
    assert set(survey.live_keys()) == live
    assert survey.totals.live_key_count == len(live)
    assert survey.totals.tombstone_count == sum(record.revision.tombstone for record in records)


@settings(max_examples=60)
@given(st.data())
def test_kept_saves_hash_kv_its_first_pass(data: st.DataObject) -> None:
    records = data.draw(histories())
    last = records[-1].revision.main if records else 1
    compact = Revision(data.draw(st.integers(1, last)))
    pages = databases.record_pages(open_database(databases.build_records(records)))
    survey = KeyspaceSurvey(compact)
    for data_of_page, spans in pages():
        survey.feed(data_of_page, spans)
    survey.finish()
    assert feed_hash(pages, Revision(last), compact, survey.kept) == hash_kv(pages, Revision(last), compact)


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([-1, 1, 160, 1 << 40]))
def test_mutated_records_never_crash_the_survey_or_the_hash(seed: int, changes: int, compact: int) -> None:
    source = random.Random(seed)
    data = bytearray(RECORDS)
    spans = list(SPANS)
    for _ in range(changes):
        index = source.randrange(len(spans))
        flags, key_start, value_start, value_end = spans[index]
        match source.randrange(4):
            case 0:
                data[source.randrange(key_start, max(value_start, key_start + 1))] = source.randrange(256)
            case 1:
                place = source.randrange(value_start, value_end) if value_end > value_start else key_start
                data[place] = source.choice([0, 0x80, 0xFF, source.randrange(256)])
            case 2:
                spans[index] = (flags, key_start, source.randrange(key_start, value_end + 1), value_end)
            case 3:
                spans[index] = (flags, key_start, value_start, source.randrange(value_start, value_end + 1))
    survey = KeyspaceSurvey(Revision(compact))
    survey.feed(bytes(data), spans)
    survey.finish()
    assert len(survey.findings) < 10 * MAX_FINDINGS

    def pages() -> list[hashkv.RecordPage]:
        return [hashkv.RecordPage(bytes(data), spans)]

    for kept in (survey.kept, None):
        try:
            feed_hash(pages, Revision(1 << 41), Revision(compact), kept)
            hash_kv(pages, Revision(1 << 41), Revision(compact))
        except hashkv.FormatError:
            # Only where the survey has named the reason.
            assert any(finding.severity is Severity.ERROR for finding in survey.findings)


def test_many_findings_of_one_kind_are_counted_in_the_last_one() -> None:
    items = [put(2 * n, b"a%d" % n) for n in range(1, 500)]
    found = [finding for finding in survey_of(items).findings if finding.code == "revision-gap"]
    assert len(found) == MAX_FINDINGS
    assert found[-1].evidence == f"{499 - 1 - MAX_FINDINGS + 1} more of the same"


def test_leases_follow_the_newest_put_of_each_key() -> None:
    items = [
        put(2, b"a", lease=7),
        put(3, b"b", lease=8),
        put(4, b"a", 2, 2, lease=9),
        delete(5, b"b"),
        put(6, b"c", lease=5),
    ]
    survey = survey_of([*items, put(7, b"c", 6, 2)])
    assert survey.live_leases() == {9}


def test_the_compact_revision_is_the_higher_marker_and_damaged_ones_do_not_count() -> None:
    nine, twelve = (mvcc.encode_revision(mvcc.RevisionKey(main, 0)) for main in (9, 12))
    assert compact_revision_from([]) == NO_COMPACTION
    assert compact_revision_from([twelve, nine]) == 12
    assert compact_revision_from([b"garbage", nine]) == 9


def survey_of(items: list[Item], compact: int = -1) -> KeyspaceSurvey:
    data, spans = b"", []
    for key, value in items:
        at = len(data)
        spans.append((0, at, at + len(key), at + len(key) + len(value)))
        data += key + value
    survey = KeyspaceSurvey(Revision(compact))
    # Leaf by leaf, as a walk gives it: what one leaf says must not depend on where the next begins.
    for start in range(0, len(spans), 2):
        survey.feed(data, spans[start : start + 2])
    survey.finish()
    return survey


def survey_database(data: object) -> KeyspaceSurvey:
    assert isinstance(data, bytes)
    database = open_database(data)
    survey = KeyspaceSurvey(databases.compact_revision(database))
    for page, spans in databases.record_pages(database)():
        survey.feed(page, spans)
    survey.finish()
    return survey


def _golden_records() -> tuple[bytes, list[hashkv.Span]]:
    """The first records of a real snapshot, one after the other."""
    items = databases.all_items(open_database(golden.snapshot("3.7.3")))[b"key"][:60]
    data, spans = b"", []
    for key, value in items:
        value = value[:120]
        spans.append((0, len(data), len(data) + len(key), len(data) + len(key) + len(value)))
        data += key + value
    return data, spans


RECORDS, SPANS = _golden_records()
