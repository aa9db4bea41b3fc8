"""The log: etcd's bytes, the rules of reading, and what five releases left behind after kill -9."""

from __future__ import annotations

import hashlib
import mmap
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.findings import Severity, worst
from backstay.formats import raft
from backstay.formats.crc32c import extend
from backstay.formats.raft import Entry, HardState
from backstay.formats.wal import (
    SEGMENT_SIZE,
    LogEncoder,
    LogEnd,
    Metadata,
    Segment,
    SegmentName,
    SnapshotRecord,
    parse_segment_name,
    read_log,
)
from backstay.formats.wal import layout as wal_layout
from backstay.values import ClusterId, MemberId
from tests import golden
from tests.unit.formats import logs
from tests.unit.formats.logs import START, codes, frames, indexes, normal, read, segment
from tests.unit.formats.test_membership import CONF_STATES

STATE = HardState(1, 7, 1)


# The bytes.


def test_the_small_log_is_the_one_of_the_reference() -> None:
    log = logs.small_log()
    assert len(log) == 248
    assert hashlib.sha256(log).hexdigest() == "ff22ae3d07f1f9970e38e464847ed8598e34a41de8b942d005ce7abd88c744c6"


def test_the_log_of_three_members_is_the_one_that_etcdutl_writes() -> None:
    log = logs.restored_log_of_three()
    known = {
        0x000: "0400000000000084 08041000 00000000",
        0x010: "1d00000000000083 080110cc83ef43 1a14 08f7aeacd3c5c3b7c24e 10fbf7b7ad8db1b9e66e 000000",
        0x038: "0e00000000000082 080510e0bfda8708 1a04 08001000 0000",
        0x050: "6e00000000000082 080210ecfcf5f105 1a64 080110011801225c 0800100018b8c8eab6ed9ea2ce37 224c 7b22",
        0x1B8: "1800000000000000 08031093d3a7d307 1a0e 080110b8c8eab6ed9ea2ce37 1803",
        0x1D8: "3100000000000087 080510b7ee90d30f 1a27 080310011a21 08",
        0x20F: "2800 00000000000000",
    }
    for offset, text in known.items():
        expected = bytes.fromhex(text)
        assert log[offset : offset + len(expected)] == expected, hex(offset)
    assert len(log) == 0x218


def test_records_are_padded_to_eight_bytes_and_the_length_field_says_by_how_much() -> None:
    encoder = LogEncoder()
    for size in range(64):
        frame = encoder.entry(normal(1, data=bytes(size)))
        length, pad = wal_layout.split_length_field(int.from_bytes(frame[:8], "little"))
        assert len(frame) == 8 + length + pad
        assert len(frame) % 8 == 0
        assert pad < 8


def test_names_of_segments() -> None:
    name = SegmentName(1, 0x46)
    assert str(name) == "0000000000000001-0000000000000046.wal"
    assert parse_segment_name(str(name)) == name
    for other in ("0.tmp", "0-0.wal", str(name) + ".broken", str(name).upper(), "", str(name) + "\n"):
        assert parse_segment_name(other) is None


# The rules of reading.


def test_a_new_log_reads_as_it_was_written() -> None:
    log = read(Segment(logs.FIRST, logs.small_log()))
    node = logs.SMALL_MEMBER.id
    assert log.metadata == Metadata(node, ClusterId(0xCDF818194E3A8C32))
    assert log.entries == [logs.add_node(logs.SMALL_MEMBER, 1)]
    assert log.hard_state == HardState(1, node, 1)
    assert log.snapshots == [START]
    assert log.findings == []
    assert log.torn is None
    assert log.end is not None
    assert log.end.offset == 248
    assert log.last_index == 1


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=600),
            st.builds(HardState, st.just(3), st.integers(0, 9), st.integers(0, 30)),
            st.builds(SnapshotRecord, st.just(1), st.just(2), st.one_of(st.none(), CONF_STATES)),
        ),
        max_size=20,
    ),
    st.lists(st.integers(0, 20), max_size=2),
    st.integers(0, 2000),
)
def test_what_is_written_is_read_over_any_number_of_segments(
    contents: list[bytes | HardState | SnapshotRecord], cuts: list[int], tail: int
) -> None:
    records: list[Entry | HardState | SnapshotRecord] = []
    for content in contents:
        index = 1 + sum(isinstance(record, Entry) for record in records)
        records.append(normal(index, data=content) if isinstance(content, bytes) else content)
    encoder = LogEncoder()
    segments: list[Segment] = []
    start = 0
    for cut in [*sorted(cuts), len(records)]:
        next_index = 1 + sum(isinstance(record, Entry) for record in records[:start])
        name = SegmentName(len(segments), next_index if segments else 0)
        segments.append(segment(records[start:cut], encoder=encoder, name=name))
        start = max(start, cut)
    segments[-1] = segments[-1]._replace(data=bytes(segments[-1].data) + bytes(tail))
    tail_is_a_piece = tail % 8 > 0  # then the file ends inside a length field, as no preallocated file does
    log = read(*segments)
    assert log.entries == [record for record in records if isinstance(record, Entry)]
    assert log.snapshots == [record for record in records if isinstance(record, SnapshotRecord)]
    states = [record for record in records if isinstance(record, HardState)]
    assert log.hard_state == (states[-1] if states else None)
    assert log.metadata == Metadata(logs.NODE, logs.CLUSTER)
    assert set(codes(log)) <= {"log-state-missing", "log-ends-early"} | (
        {"log-torn-tail"} if tail_is_a_piece else set()
    )
    assert log.end is not None
    assert log.end.checksum == encoder.checksum


def test_only_entries_above_the_wanted_index_are_returned() -> None:
    log = read(segment([START, *(normal(index) for index in range(1, 11)), HardState(1, 7, 10)]), from_index=7)
    assert indexes(log) == [8, 9, 10]
    assert log.last_index == 10
    assert codes(log) == []


def test_a_lower_index_replaces_the_entry_and_all_that_follow() -> None:
    records = [normal(1), normal(2), normal(3), normal(4), normal(2, term=2), normal(3, term=2), HardState(2, 7, 3)]
    log = read(segment(records))
    assert [(entry.index, entry.term) for entry in log.entries] == [(1, 1), (2, 2), (3, 2)]
    assert log.last_index == 3
    assert codes(log) == []


def test_a_replacement_below_the_wanted_index_leaves_nothing_above_it() -> None:
    records = [normal(1), normal(2), normal(3), normal(1, term=2), normal(2, term=2), HardState(2, 7, 2)]
    assert indexes(read(segment(records), from_index=2)) == []


def test_a_gap_is_an_error_and_what_lies_before_it_is_returned() -> None:
    log = read(segment([normal(1), normal(2), normal(4), STATE]))
    assert codes(log) == ["log-gap"]
    assert log.findings[0].severity is Severity.ERROR
    assert "entry 4 follows where 3 belongs" in log.findings[0].evidence
    assert indexes(log) == [1, 2]


def test_the_last_hard_state_wins() -> None:
    log = read(segment([normal(1), STATE, normal(2), HardState(2, 9, 2)]))
    assert log.hard_state == HardState(2, 9, 2)


def test_snapshots_above_the_commit_index_are_not_usable() -> None:
    log = read(segment([START, normal(1), normal(2), SnapshotRecord(1, 1), STATE, SnapshotRecord(2, 1)]))
    assert [snapshot.index for snapshot in log.snapshots] == [0, 1, 2]
    assert [snapshot.index for snapshot in log.usable_snapshots] == [0, 1]


def two_segments() -> tuple[Segment, Segment, LogEncoder]:
    encoder = LogEncoder()
    first = segment([START, *(normal(index) for index in range(1, 51))], encoder=encoder)
    name = SegmentName(1, 51)
    records = [HardState(1, 7, 50), *(normal(index) for index in range(51, 101)), HardState(1, 7, 100)]
    return first, segment(records, encoder=encoder, name=name), encoder


def test_the_checksum_runs_through_all_segments_in_whatever_order_they_come() -> None:
    first, second, encoder = two_segments()
    log = read(second, first)
    assert indexes(log) == list(range(1, 101))
    assert codes(log) == []
    assert log.end == LogEnd(second.name, len(second.data), encoder.checksum)


def test_reading_begins_with_the_last_segment_that_covers_the_wanted_index() -> None:
    _, second, _ = two_segments()
    broken_first = Segment(logs.FIRST, b"\xff" * 64)
    log = read(broken_first, second, from_index=60)
    assert indexes(log) == list(range(61, 101))
    assert codes(log) == []
    assert codes(read(broken_first, second, from_index=50)) == ["log-damaged"]


def test_a_segment_that_continues_another_log_is_damage() -> None:
    first, _, _ = two_segments()
    other = LogEncoder(checksum=12345)
    second = segment([normal(51)], encoder=other, name=SegmentName(1, 51))
    log = read(first, second)
    assert codes(log) == ["log-damaged"]
    assert log.findings[0].subject == second.name
    assert log.findings[0].offset == 0
    assert indexes(log) == list(range(1, 51))


def test_a_missing_segment_is_named() -> None:
    first, second, encoder = two_segments()
    third = segment([normal(101)], encoder=encoder, name=SegmentName(2, 101))
    log = read(first, third)
    assert codes(log) == ["log-segment-missing"]
    assert log.findings[0].subject == third.name
    assert indexes(log) == list(range(1, 51))
    assert codes(read(second)) == ["log-segment-missing"]
    assert indexes(read(second)) == list(range(51, 101))
    assert codes(read()) == ["log-segment-missing"]


def test_a_file_with_another_name_is_reported_and_left_alone() -> None:
    first, second, _ = two_segments()
    log = read(first, second, Segment("copy of 0-0.wal", b"\xff" * 100))
    assert codes(log) == ["log-segment-name"]
    assert log.findings[0].severity is Severity.WARNING


def test_segments_of_two_members_do_not_mix() -> None:
    encoder = LogEncoder()
    first = segment([normal(1)], encoder=encoder)
    owner = (MemberId(8), logs.CLUSTER)
    second = segment([normal(2), STATE], encoder=encoder, name=SegmentName(1, 2), owner=owner)
    log = read(first, second)
    assert codes(log) == ["log-metadata-mismatch"]
    assert "member 8 of cluster 9" in log.findings[0].evidence
    assert indexes(log) == [1]


def test_a_log_without_state_or_metadata_says_so() -> None:
    assert codes(read(segment([START, normal(1)]))) == ["log-state-missing"]
    encoder = LogEncoder()
    bare = Segment(logs.FIRST, b"".join([encoder.crc(), *frames(encoder, [normal(1), STATE])]))
    assert codes(read(bare)) == ["log-metadata-missing"]
    assert codes(read(Segment(logs.FIRST, b""))) == ["log-metadata-missing", "log-state-missing"]


def test_a_log_that_ends_before_its_commit_or_the_database_has_lost_entries() -> None:
    assert codes(read(segment([START, normal(1), HardState(1, 7, 2)]))) == ["log-ends-early"]
    assert codes(read(segment([START, normal(1), STATE]), from_index=50)) == ["log-ends-early"]
    assert codes(read(segment([START, SnapshotRecord(1000, 1), HardState(1, 7, 1000)]), from_index=1000)) == []


def test_a_record_of_unknown_type_and_an_entry_that_does_not_decode_are_damage() -> None:
    for kind, data in (
        (6, b"x"),
        (2, b"\x08"),
        (2, b"\x08\x09"),
        (3, b"\x0a\x00"),
        (1, b"\x0a\x00"),
        (5, b"\x1a\x01\x08"),
    ):
        encoder = LogEncoder()
        good = b"".join([encoder.crc(), encoder.metadata(logs.NODE, logs.CLUSTER), encoder.state(STATE)])
        checksum = extend(encoder.checksum, data)
        frame = wal_layout.encode_frame(wal_layout.Record(kind, checksum, data))
        log = read(Segment(logs.FIRST, good + frame))
        assert codes(log) == ["log-damaged"], (kind, data)
        assert log.findings[0].offset == len(good)


@pytest.mark.parametrize(
    "records",
    [
        [normal(1, term=2), normal(2, term=1)],
        [normal(1), HardState(2, 7, 1), HardState(1, 7, 1)],
        [normal(1), Entry(1, 2, raft.EntryType.CONF_CHANGE, b"")],
    ],
)
def test_what_raft_rules_out_is_damage_because_no_checksum_covers_the_type_of_a_record(
    records: list[Entry | HardState | SnapshotRecord],
) -> None:
    log = read(segment([START, *records]))
    assert codes(log) == ["log-damaged"]
    assert indexes(log) == [1]


def test_a_segment_begins_with_a_checksum_record() -> None:
    encoder = LogEncoder()
    assert codes(read(Segment(logs.FIRST, encoder.metadata(logs.NODE, logs.CLUSTER)))) == ["log-damaged"]


# The end of the log.


def log_with_last(data: bytes) -> tuple[bytes, int]:
    """A log whose last record is a big entry, and where that record begins."""
    encoder = LogEncoder()
    head = [encoder.crc(), encoder.metadata(logs.NODE, logs.CLUSTER), *frames(encoder, [START, normal(1), STATE])]
    start = len(b"".join(head))
    return b"".join([*head, encoder.entry(normal(2, data=data))]), start


def assert_torn(content: bytes, start: int) -> None:
    log = read(Segment(logs.FIRST, content))
    assert codes(log) == ["log-torn-tail"]
    assert log.findings[0].severity is Severity.WARNING
    assert log.findings[0].offset == start
    assert log.torn is not None
    assert log.torn[:2] == (logs.FIRST, start)
    assert log.end is not None
    assert log.end.offset == start
    assert indexes(log) == [1]


def test_a_torn_tail_is_reported_not_fatal() -> None:
    content, start = log_with_last(b"\x01" * 3000)
    for size in (start + 1, start + 7, start + 8, start + 9, start + 1000, len(content) - 1):
        assert_torn(content[:size], start)
    for border in range((start // 512 + 1) * 512, len(content) - 512, 512):
        assert_torn(content[:border] + bytes(4096), start)
        assert_torn(content[:border] + bytes(512) + content[border + 512 :], start)


def test_a_zero_length_field_before_the_end_is_a_torn_tail() -> None:
    content, start = log_with_last(b"\x01" * 100)
    assert_torn(content[:start] + bytes(8) + content[start + 8 :], start)


def test_changed_bytes_without_a_missing_sector_are_damage_even_at_the_end() -> None:
    content, start = log_with_last(b"\x01" * 3000)
    for position in (start + 20, start + 1500, len(content) - 30):
        changed = bytearray(content)
        changed[position] ^= 0x40
        log = read(Segment(logs.FIRST, bytes(changed)))
        assert codes(log) == ["log-damaged"]
        assert log.findings[0].severity is Severity.ERROR
        assert log.findings[0].offset == start
        assert log.torn is None
        assert indexes(log) == [1]


def test_a_torn_record_in_any_but_the_last_segment_is_damage() -> None:
    first, second, _ = two_segments()
    for size in (len(first.data) - 3, len(first.data) - 20):
        log = read(first._replace(data=first.data[:size]), second)
        assert codes(log) == ["log-damaged"]
        assert log.findings[0].subject == first.name
    # Cut between two records, only the checksum of the next segment tells.
    shorter = segment([START, *(normal(index) for index in range(1, 50))])
    assert bytes(first.data).startswith(bytes(shorter.data))
    log = read(shorter, second)
    assert codes(log) == ["log-damaged"]
    assert log.findings[0].subject == second.name


def test_the_zeros_of_a_preallocated_segment_cost_no_memory(tmp_path: Path) -> None:
    file = tmp_path / logs.FIRST
    with file.open("wb") as out:
        out.write(logs.small_log())
        out.truncate(SEGMENT_SIZE)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        tracemalloc.start()
        log = read(Segment(logs.FIRST, mapping))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert log.findings == []
    assert len(log.entries) == 1
    assert peak < 4 << 20


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 56) - 8, (1 << 56) - 1])
def test_a_hostile_length_allocates_nothing(length: int) -> None:
    content = logs.small_log() + length.to_bytes(8, "little") + b"x" * 64
    tracemalloc.start()
    log = read(Segment(logs.FIRST, content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes(log) == ["log-torn-tail"]
    assert peak < 4 << 20


# What five releases wrote.


@pytest.mark.parametrize("name", [*golden.KILLED, *golden.COMPACTING])
def test_the_log_of_a_killed_server_reads_as_etcd_says(name: str, tmp_path: Path) -> None:
    expected = golden.expectation(name)
    log = read_log(logs.segments_of(golden.unpack(name, tmp_path / "data")))
    assert log.findings == []
    assert indexes(log) == list(range(expected["wal_first_index"], expected["wal_last_index"] + 1))
    said = expected["wal_hard_state"]
    assert log.hard_state == HardState(said["term"], int(said["vote"], 16), said["commit"])
    assert [[snapshot.index, snapshot.term] for snapshot in log.snapshots] == expected["wal_snapshots"]
    assert log.metadata == Metadata(int(expected["node_id"], 16), int(expected["cluster_id"], 16))
    index = expected["db_consistent_index"]
    later = read_log(logs.segments_of(tmp_path / "data"), from_index=index)
    assert later.entries == log.entries[index:]
    assert later.findings == []


@pytest.mark.parametrize("name", [*golden.KILLED, *golden.COMPACTING])
def test_what_etcd_up_to_36_wrote_is_what_we_write(name: str, tmp_path: Path) -> None:
    """3.7 leaves zeros out of entries, so its logs come back equal in content and not in bytes."""
    content = bytes(logs.segments_of(golden.unpack(name, tmp_path / "data"))[0].data)
    if not name.startswith("3.7"):
        assert content.startswith(rewritten(content))
    assert read(Segment(logs.FIRST, rewritten(content))).entries == read(Segment(logs.FIRST, content)).entries


def rewritten(content: bytes) -> bytes:
    """All records of a log, through our values and our encoder."""
    encoder = LogEncoder()
    out, offset = [], 0
    while value := int.from_bytes(content[offset : offset + 8], "little"):
        length, pad = wal_layout.split_length_field(value)
        record = wal_layout.decode_record(content[offset + 8 : offset + 8 + length])
        offset += 8 + length + pad
        out.append(again(encoder, record))
    return b"".join(out)


def again(encoder: LogEncoder, record: wal_layout.Record) -> bytes:
    """One record, decoded and encoded."""
    if record.kind == wal_layout.RecordType.CHECKSUM:
        return encoder.crc()
    if record.kind == wal_layout.RecordType.METADATA:
        return encoder.metadata(*wal_layout.decode_metadata(record.data))
    if record.kind == wal_layout.RecordType.ENTRY:
        return encoder.entry(raft.decode_entry(record.data))
    if record.kind == wal_layout.RecordType.STATE:
        return encoder.state(raft.decode_hard_state(record.data))
    return encoder.snapshot(wal_layout.decode_snapshot(record.data))


EXPECTED_OF_DAMAGED = {
    "3.5.1-snap-flip": ([], 226),
    "3.5.1-snap-gone": ([], 226),
    "3.5.35-commit-low": (["log-ends-early"], 90),
    "3.5.35-db-gone": ([], 227),
    "3.5.35-middle-flip": (["log-damaged"], 218),
    "3.5.35-no-tail": ([], 227),
    "3.5.35-state-gone": (["log-state-missing"], 227),
    "3.5.35-torn-sector": (["log-torn-tail"], 225),
    "3.5.35-torn-short": (["log-torn-tail"], 227),
    "3.5.35-torn-zero": (["log-damaged"], 227),
    "3.5.35-wal-gone": (["log-segment-missing"], 0),
    "3.7.3-snap-flip": ([], 225),
    "3.7.3-snap-gone": ([], 225),
    "3.7.3-state-gone": (["log-state-missing"], 225),
    "3.7.3-torn-sector": (["log-torn-tail"], 223),
    "3.7.3-torn-short": (["log-torn-tail"], 224),
}


def test_every_damaged_directory_is_expected_here() -> None:
    assert sorted(f"damaged-dirs/{name}" for name in EXPECTED_OF_DAMAGED) == sorted(golden.DAMAGED_DIRS)


@pytest.mark.parametrize("name", EXPECTED_OF_DAMAGED)
def test_the_log_of_a_damaged_directory_is_judged_as_etcd_does(name: str, tmp_path: Path) -> None:
    said = golden.expectation(f"damaged-dirs/{name}")
    consistent_index = golden.expectation(said["from"].removesuffix(".tar.xz"))["db_consistent_index"]
    if name.endswith("db-gone"):
        consistent_index = 0
    log = read_log(
        logs.segments_of(golden.unpack(f"damaged-dirs/{name}", tmp_path / "data")), from_index=consistent_index
    )
    expected, last_index = EXPECTED_OF_DAMAGED[name]
    assert codes(log) == expected
    assert log.last_index == last_index
    refused = [answer for answer in said["servers"].values() if "mismatch" in str(answer.get("log"))]
    assert (worst(log.findings) is Severity.ERROR) >= bool(refused)
    for answer in refused:
        if "at position: " in answer["log"]:
            assert f"at position: {log.findings[0].offset}" in answer["log"]


def test_the_directory_that_no_etcd_wrote_is_sound(tmp_path: Path) -> None:
    (content,) = logs.segments_of(golden.unpack(golden.FOREIGN_MINIMAL, tmp_path / "data"))
    assert content.data == logs.small_log()
    assert read(content).findings == []
