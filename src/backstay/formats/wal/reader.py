"""Reading a log: what it holds up to the first damage, and every finding about it.

Whoever opens a data directory comes here with the segments in hand. Reading never raises for damage and never gives up
what lies before it; the entries after it cannot be trusted, because the checksum runs through all of them.

A crash leaves a torn record at the end of the last segment; it was never acknowledged, and etcd cuts it off (etcd-files
section 6.5). The same damage anywhere else is real. These count as torn, in the last segment only:

* the segment ends inside the record, or inside its length field;
* the record does not decode or its checksum is wrong, and the part of it in some 512-byte sector is all zero;
* a length field is zero but something follows: the start of the record was not written, its end was.

The checksum covers the data of a record and not its type, so a changed type is found by what raft rules out: terms never go
back, neither in the hard state nor from one entry to the next, and a configuration change is never empty.

An entry replaces the one with the same index and all that follow it: a new leader overwrites what was not committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats import raft
from backstay.formats.bbolt.layout import Buffer
from backstay.formats.crc32c import extend
from backstay.formats.raft import Entry, EntryType, HardState
from backstay.formats.wal import layout
from backstay.formats.wal.layout import Metadata, Record, RecordType, Segment, SegmentName, SnapshotRecord
from backstay.values import hex_id

_RESTORE_SNAPSHOT = "keep the directory as evidence and restore the newest snapshot that verifies"

LOG_TORN_TAIL = findings.declare(
    "log-torn-tail",
    Severity.WARNING,
    "The last record of the log was not written completely when the machine or the process died. It was never "
    "acknowledged; etcd cuts it off at its next start.",
    "nothing to do, unless the file was copied or changed by hand: then take another copy",
)
LOG_DAMAGED = findings.declare(
    "log-damaged",
    Severity.ERROR,
    "A record of the log is damaged in a way that no crash explains; etcd refuses to start. Entries before it are whole.",
    _RESTORE_SNAPSHOT,
)
LOG_GAP = findings.declare(
    "log-gap",
    Severity.ERROR,
    "Entries are missing in the middle of the log; etcd refuses to start.",
    _RESTORE_SNAPSHOT,
)
LOG_ENDS_EARLY = findings.declare(
    "log-ends-early",
    Severity.ERROR,
    "The log ends before an entry that is known to have been committed, by its own hard state or by the database. Part "
    "of the log is lost; etcd panics, never becomes ready, or accepts writes and loses them.",
    "do not start etcd on it; restore the database alone with `backstay snapshot restore DIR/member/snap/db`",
)
LOG_METADATA_MISMATCH = findings.declare(
    "log-metadata-mismatch",
    Severity.ERROR,
    "Segments of the log name different members or clusters: files of two directories are mixed.",
    "put the segments back where they came from",
)
LOG_METADATA_MISSING = findings.declare(
    "log-metadata-missing",
    Severity.ERROR,
    "The log does not say which member of which cluster it belongs to.",
    _RESTORE_SNAPSHOT,
)
LOG_STATE_MISSING = findings.declare(
    "log-state-missing",
    Severity.WARNING,
    "The log holds no hard state. The entries are all there, but etcd up to 3.6 never becomes ready on such a log, and "
    "with several members nothing says which entries are committed.",
    "restore the directory into a new one with `backstay snapshot restore DIR`",
)
LOG_SEGMENT_MISSING = findings.declare(
    "log-segment-missing",
    Severity.ERROR,
    "A segment of the log is missing; etcd refuses to start.",
    "put the segment back; without it, restore the newest snapshot that verifies",
)
LOG_SEGMENT_NAME = findings.declare(
    "log-segment-name",
    Severity.WARNING,
    "A file ends in .wal but is not named like a segment; etcd ignores it, and so do we.",
    "move the file out of the directory, or give it its right name back",
)

_ZEROS = bytes(1 << 20)


class Torn(NamedTuple):
    """Where the usable part of the log ends, when a torn record follows."""

    segment: str
    offset: int
    reason: str


class LogEnd(NamedTuple):
    """Where the next record belongs, and the running checksum there."""

    segment: str
    offset: int
    checksum: int


@dataclass(slots=True)
class Log:
    """What was read. `entries` have consecutive indexes above `from_index`.

    `last_index` is that of the last entry whether it was asked for or not (0 in an empty log). `end` is None when there
    was nothing to read.
    """

    from_index: int
    metadata: Metadata | None = None
    entries: list[Entry] = field(default_factory=list)
    hard_state: HardState | None = None
    snapshots: list[SnapshotRecord] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    torn: Torn | None = None
    end: LogEnd | None = None
    last_index: int = 0

    @property
    def usable_snapshots(self) -> list[SnapshotRecord]:
        """The snapshot records that the commit index covers: those a start of etcd may begin at."""
        commit = self.hard_state.commit if self.hard_state else 0
        return [snapshot for snapshot in self.snapshots if snapshot.index <= commit]


class _Unusable(Exception):
    """A record that ends the reading of its segment. `torn` says whether a crash explains it, in the last segment."""

    def __init__(self, reason: str, *, torn: bool) -> None:
        super().__init__(reason)
        self.torn = torn


class _Stop(Exception):
    """Reading ends here; the finding is already written."""


def read_log(segments: Iterable[Segment], *, from_index: int = 0) -> Log:
    """Read the entries above `from_index`, which is usually the database's consistent_index.

    Segments may come in any order. Those that lie wholly before `from_index` are not read, so `snapshots` may lack the
    older ones. The buffers are borrowed and may be mappings; nothing is kept of them.
    """
    reading = _Reading(from_index)
    try:
        chosen = reading.choose(segments)
        for position, (name, segment) in enumerate(chosen):
            if position and name.sequence != chosen[position - 1][0].sequence + 1:
                before = chosen[position - 1][0]
                reading.report_missing(segment.name, f"the segment before it is {before}")
                raise _Stop
            reading.read_segment(segment, is_last=position == len(chosen) - 1)
    except _Stop:
        return reading.log
    reading.conclude()
    return reading.log


class _Reading:
    """The state of one reading, and the rules."""

    def __init__(self, from_index: int) -> None:
        self.log = Log(from_index)
        self._base = from_index
        self._checksum = 0

    def report_missing(self, segment: str, evidence: str) -> None:
        """A segment is not there."""
        self.log.findings.append(LOG_SEGMENT_MISSING.at(segment, evidence))

    def choose(self, segments: Iterable[Segment]) -> list[tuple[SegmentName, Segment]]:
        """The segments to read, in order, beginning with the last one whose name covers `from_index`."""
        named: list[tuple[SegmentName, Segment]] = []
        for segment in segments:
            name = layout.parse_segment_name(segment.name)
            if name is None:
                self.log.findings.append(
                    LOG_SEGMENT_NAME.at(segment.name, "the name is not two numbers of 16 hex digits")
                )
            else:
                named.append((name, segment))
        if not named:
            self.report_missing("log", "there is no segment at all")
            raise _Stop
        named.sort(key=lambda pair: pair[0])
        covering = [position for position, (name, _) in enumerate(named) if name.first_index <= self._base]
        if not covering:
            first = named[0][0]
            self.report_missing(
                named[0][1].name, f"the log begins with entry {first.first_index}, wanted is {self._base + 1}"
            )
            self._base = first.first_index - 1
        chosen = named[covering[-1] if covering else 0 :]
        self.log.last_index = max(0, chosen[0][0].first_index - 1)
        return chosen

    def read_segment(self, segment: Segment, *, is_last: bool) -> None:
        """Read `segment` to its end. Raises `_Stop` when it is damaged."""
        data = segment.data
        offset = 0
        try:
            while (frame := _next_frame(data, offset)) is not None:
                length, padded = frame
                self._take(segment.name, offset, padded, length)
                offset += layout.LENGTH_FIELD.size + len(padded)
            if is_last and _used_size(data, offset) > offset:
                raise _Unusable("a length field is zero, but not all that follows it", torn=True)
        except _Unusable as unusable:
            self.log.end = LogEnd(segment.name, offset, self._checksum)
            if is_last and unusable.torn:
                self.log.torn = Torn(segment.name, offset, str(unusable))
                rest = _used_size(data, offset) - offset
                evidence = f"{unusable}; {rest} bytes from offset {offset} on are not used"
                self.log.findings.append(LOG_TORN_TAIL.at(segment.name, evidence, offset=offset))
                return
            self.log.findings.append(LOG_DAMAGED.at(segment.name, f"{unusable} (offset {offset})", offset=offset))
            raise _Stop from None
        self.log.end = LogEnd(segment.name, offset, self._checksum)

    def conclude(self) -> None:
        """What can be said only at the end of an undamaged log."""
        log, where = self.log, self.log.end.segment if self.log.end else "log"
        if log.metadata is None:
            log.findings.append(LOG_METADATA_MISSING.at(where, "there is no metadata record"))
        if log.hard_state is None:
            log.findings.append(LOG_STATE_MISSING.at(where, "there is no state record"))
        # A snapshot from the leader stands for the entries up to its index.
        last_index = max([log.last_index, *(snapshot.index for snapshot in log.snapshots)])
        if log.hard_state is not None and log.hard_state.commit > last_index:
            evidence = f"entries up to {log.hard_state.commit} were committed, the last one here is {last_index}"
            log.findings.append(LOG_ENDS_EARLY.at(where, evidence))
        elif log.from_index > last_index:
            evidence = f"entries up to {log.from_index} are in the database, the last one here is {last_index}"
            log.findings.append(LOG_ENDS_EARLY.at(where, evidence))

    def _take(self, segment: str, offset: int, padded: bytes, length: int) -> None:
        """Check the record in the first `length` bytes of `padded`, and take what it says."""
        start = offset + layout.LENGTH_FIELD.size
        try:
            record = layout.decode_record(padded[:length])
        except FormatError as error:
            torn = layout.misses_a_sector(padded, start)
            raise _Unusable(f"the record does not decode: {error.what}", torn=torn) from None
        if record.kind == RecordType.CHECKSUM:
            if self._checksum not in (0, record.checksum):
                raise _Unusable(_mismatch("checksum record says", record.checksum, self._checksum), torn=False)
            self._checksum = record.checksum
            return
        if offset == 0:
            raise _Unusable(f"the segment begins with a record of type {record.kind}, not a checksum", torn=False)
        checksum = extend(self._checksum, record.data)
        if checksum != record.checksum:
            torn = layout.misses_a_sector(padded, start)
            raise _Unusable(_mismatch("checksum is", record.checksum, checksum), torn=torn)
        try:
            self._take_content(segment, offset, record)
        except FormatError as error:
            raise _Unusable(f"the checksum is right, the content is not: {error.what}", torn=False) from None
        self._checksum = checksum

    def _take_content(self, segment: str, offset: int, record: Record) -> None:
        """Take a record whose checksum is right. Raises `FormatError`, and `_Stop` for what contradicts the log so far."""
        log = self.log
        if record.kind == RecordType.ENTRY:
            self._take_entry(segment, offset, raft.decode_entry(record.data))
        elif record.kind == RecordType.STATE:
            state = raft.decode_hard_state(record.data)
            if log.hard_state is not None and state.term < log.hard_state.term:
                raise FormatError(
                    f"the term of the state goes back from {log.hard_state.term} to {state.term}", offset=0
                )
            log.hard_state = state
        elif record.kind == RecordType.SNAPSHOT:
            log.snapshots.append(layout.decode_snapshot(record.data))
        elif record.kind == RecordType.METADATA:
            metadata = layout.decode_metadata(record.data)
            if log.metadata not in (None, metadata):
                evidence = f"the log so far belongs to {_owner(log.metadata)}, this segment to {_owner(metadata)}"
                self._stop(LOG_METADATA_MISMATCH, segment, offset, evidence)
            log.metadata = metadata
        else:
            raise FormatError(f"record type {record.kind} is unknown", offset=0)

    def _take_entry(self, segment: str, offset: int, entry: Entry) -> None:
        log = self.log
        if entry.kind is not EntryType.NORMAL and not entry.data:
            raise FormatError(f"entry {entry.index} is an empty configuration change", offset=0)
        position = entry.index - self._base - 1
        if position < 0:
            log.last_index = entry.index
            log.entries.clear()
            return
        if position > len(log.entries):
            expected = self._base + len(log.entries) + 1
            self._stop(LOG_GAP, segment, offset, f"entry {entry.index} follows where {expected} belongs")
        if position and log.entries[position - 1].term > entry.term:
            before = log.entries[position - 1].term
            raise FormatError(f"entry {entry.index} is of term {entry.term}, the one before it of {before}", offset=0)
        log.last_index = entry.index
        del log.entries[position:]
        log.entries.append(entry)

    def _stop(self, kind: FindingKind, segment: str, offset: int, evidence: str) -> NoReturn:
        self.log.findings.append(kind.at(segment, evidence, offset=offset))
        self.log.end = LogEnd(segment, offset, self._checksum)
        raise _Stop


def _next_frame(data: Buffer, offset: int) -> tuple[int, bytes] | None:
    """(length of the record, record and padding) of the frame at `offset`, None where the segment ends."""
    available = len(data) - offset - layout.LENGTH_FIELD.size
    if available < 0:
        if offset == len(data):
            return None
        raise _Unusable("the file ends inside a length field", torn=True)
    (value,) = layout.LENGTH_FIELD.unpack_from(data, offset)
    if value == 0:
        return None
    length, pad = layout.split_length_field(value)
    if length + pad > available:
        raise _Unusable(f"a record of {length} bytes does not fit into the file", torn=True)
    start = offset + layout.LENGTH_FIELD.size
    padded = data[start : start + length + pad]
    if len(padded) % layout.FRAME_ALIGNMENT:
        torn = layout.misses_a_sector(padded, start)
        raise _Unusable(f"a record of {length} bytes has {pad} bytes of padding", torn=torn)
    return length, padded


def _used_size(data: Buffer, start: int) -> int:
    """Where the zeros begin that `data` ends with, at least `start`. Looks at a block at a time: tails are 64 MB."""
    end = len(data)
    while end > start:
        block = data[max(start, end - len(_ZEROS)) : end]
        if block != _ZEROS[: len(block)]:
            return end - len(block) + len(block.rstrip(b"\0"))
        end -= len(block)
    return start


def _mismatch(what: str, stored: int, computed: int) -> str:
    return f"{what} {stored:08x}, computed {computed:08x}"


def _owner(metadata: Metadata | None) -> str:
    return f"member {hex_id(metadata.node_id)} of cluster {hex_id(metadata.cluster_id)}" if metadata else "nobody"
