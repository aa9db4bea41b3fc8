"""The bytes of a write-ahead log (etcd-files sections 6.1 to 6.4).

A log is a row of segments, `SEQUENCE-INDEX.wal` (16 hex digits each): sequences are consecutive, the index is that of the
first entry the segment may hold. Segments are preallocated, so the last one usually ends in zeros. A segment is a row of
frames, each a multiple of 8 bytes long:

    0   8   length field, little-endian: the low 56 bits are the record's length n; when n is not a multiple of 8 the
            top byte is 0x80 | count of pad bytes. A length field of 0 is the end of the segment
    8   n   record
            pad bytes, 0

    Record     1 type    2 checksum    3 data (absent in checksum records)
    1 metadata     Metadata { 1 node id    2 cluster id }, identical in all segments of a log
    2 entry        raftpb.Entry (formats.raft)
    3 state        raftpb.HardState (formats.raft), the last one counts
    4 checksum     no data: seeds the running checksum, first record of every segment
    5 snapshot     Snapshot { 1 index    2 term    3 ConfState (3.5 and newer) }

The checksum of a record is one CRC-32C that runs over the data of all records before it and of itself, through all
segments. A checksum record repeats the value that the segment before it ended with; a reader that starts there takes it.

    04 00 00 00 00 00 00 84  08 04 10 00 00 00 00 00                             checksum record, n 4, pad 4
    0e 00 00 00 00 00 00 82  08 05 10 94 bb c7 ed 0e 1a 04 08 00 10 00 00 00     snapshot {0, 0}, n 14, pad 2
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from typing import NamedTuple

from backstay.formats import protowire, raft
from backstay.formats.bbolt.layout import Buffer
from backstay.formats.membership import ConfState
from backstay.formats.protowire import BYTES, VARINT
from backstay.values import ClusterId, MemberId

SEGMENT_SIZE = 64_000_000
"""What etcd preallocates. The save that crosses it is still written, so closed segments are a little longer."""

LENGTH_FIELD = struct.Struct("<Q")
FRAME_ALIGNMENT = 8
SECTOR_SIZE = 512
"""A disk writes whole sectors: a record torn by a crash misses at least one of its parts."""

_LENGTH_MASK = (1 << 56) - 1
_PAD_FLAG = 0x80
_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.wal", re.ASCII)


class RecordType(IntEnum):
    """What the data of a record is."""

    METADATA = 1
    ENTRY = 2
    STATE = 3
    CHECKSUM = 4
    SNAPSHOT = 5


class Segment(NamedTuple):
    """One file of the log: its name without a directory, and its bytes."""

    name: str
    data: Buffer


class SegmentName(NamedTuple):
    """What the name of a segment says."""

    sequence: int
    first_index: int

    def __str__(self) -> str:
        return f"{self.sequence:016x}-{self.first_index:016x}.wal"


class Metadata(NamedTuple):
    """Whose log this is."""

    node_id: MemberId
    cluster_id: ClusterId


class SnapshotRecord(NamedTuple):
    """Notice of a raft snapshot; `conf_state` is None when 3.4 wrote it. {0, 0} stands at the head of every log."""

    index: int  # type: ignore[assignment]  # nobody searches a record with tuple.index()
    term: int
    conf_state: ConfState | None = None


class Record(NamedTuple):
    """One record; `kind` is a `RecordType`, or a number that no release writes."""

    kind: int
    checksum: int
    data: bytes


def parse_segment_name(name: str) -> SegmentName | None:
    """What `name` says, or None when it is not the name of a segment."""
    found = _NAME.fullmatch(name)
    return SegmentName(int(found[1], 16), int(found[2], 16)) if found else None


def encode_frame(record: Record) -> bytes:
    """The frame that holds `record`."""
    body = protowire.int_field(1, record.kind) + protowire.int_field(2, record.checksum)
    body += protowire.optional_bytes(3, record.data)
    pad = -len(body) % FRAME_ALIGNMENT
    top = _PAD_FLAG | pad if pad else 0
    return LENGTH_FIELD.pack(top << 56 | len(body)) + body + bytes(pad)


def split_length_field(value: int) -> tuple[int, int]:
    """(length of the record, count of pad bytes) of a length field."""
    top = value >> 56
    return value & _LENGTH_MASK, top & 7 if top & _PAD_FLAG else 0


def decode_record(body: bytes) -> Record:
    """The record in a frame. Raises `FormatError`."""
    kind, checksum, data = 0, 0, b""
    for number, value in raft.fields(body, _RECORD_FIELDS, "log record"):
        if isinstance(value, bytes):
            data = value
        elif number == 1:
            kind = value
        else:
            checksum = value
    return Record(kind, checksum, data)


def encode_metadata(metadata: Metadata) -> bytes:
    """The data of a metadata record."""
    return protowire.int_field(1, metadata.node_id) + protowire.int_field(2, metadata.cluster_id)


def decode_metadata(data: bytes) -> Metadata:
    """The data of a metadata record. Raises `FormatError`."""
    numbers = [0, 0, 0]
    for number, value in raft.fields(data, _METADATA_FIELDS, "log metadata"):
        assert isinstance(value, int)
        numbers[number] = value
    return Metadata(MemberId(numbers[1]), ClusterId(numbers[2]))


def encode_snapshot(snapshot: SnapshotRecord) -> bytes:
    """The data of a snapshot record."""
    encoded = protowire.int_field(1, snapshot.index) + protowire.int_field(2, snapshot.term)
    if snapshot.conf_state is not None:
        encoded += protowire.bytes_field(3, raft.encode_conf_state(snapshot.conf_state))
    return encoded


def decode_snapshot(data: bytes) -> SnapshotRecord:
    """The data of a snapshot record. Raises `FormatError`."""
    numbers, conf_state = [0, 0, 0], None
    for number, value in raft.fields(data, _SNAPSHOT_FIELDS, "snapshot record"):
        if isinstance(value, bytes):
            conf_state = raft.decode_conf_state(value)
        else:
            numbers[number] = value
    return SnapshotRecord(numbers[1], numbers[2], conf_state)


def misses_a_sector(frame_body: bytes, offset: int) -> bool:
    """Whether some part of `frame_body` (record and padding, at byte `offset` of its file) that lies in one sector is zero.

    Then a crash may have torn the record, because the disk had not written that sector. Else its bytes were changed.
    """
    start = 0
    while start < len(frame_body):
        end = start + SECTOR_SIZE - (offset + start) % SECTOR_SIZE
        if not frame_body[start:end].strip(b"\0"):
            return True
        start = end
    return False


_RECORD_FIELDS = {1: VARINT, 2: VARINT, 3: BYTES}
_METADATA_FIELDS = {1: VARINT, 2: VARINT}
_SNAPSHOT_FIELDS = {1: VARINT, 2: VARINT, 3: BYTES}
