"""Writing a log: records as frames, exactly the bytes that etcd up to 3.6 writes.

The caller puts the frames one behind the other into a segment; no preallocation is needed (etcd-files section 11). A
new log begins with checksum(), metadata(), snapshot(SnapshotRecord(0, 0)); every later segment with checksum(), metadata()
and the latest state(). Every release since 3.4 needs a state before it serves.
"""

from __future__ import annotations

from backstay.formats import raft
from backstay.formats.crc32c import extend
from backstay.formats.raft import Entry, HardState
from backstay.formats.wal.layout import (
    Metadata,
    Record,
    RecordType,
    SnapshotRecord,
    encode_frame,
    encode_metadata,
    encode_snapshot,
)
from backstay.values import ClusterId, MemberId


class LogEncoder:
    """Turns values into frames; carries the checksum that runs through the whole log.

    `checksum` is 0 for a new log, else what the log so far ended with (`Log.end.checksum`).
    """

    def __init__(self, checksum: int = 0) -> None:
        self.checksum = checksum

    def crc(self) -> bytes:
        """The checksum record that every segment begins with."""
        return self._frame(RecordType.CHECKSUM, b"")

    def metadata(self, node_id: MemberId, cluster_id: ClusterId) -> bytes:
        """Whose log it is."""
        return self._frame(RecordType.METADATA, encode_metadata(Metadata(node_id, cluster_id)))

    def entry(self, entry: Entry) -> bytes:
        """One entry."""
        return self._frame(RecordType.ENTRY, raft.encode_entry(entry))

    def state(self, hard_state: HardState) -> bytes:
        """The hard state from here on."""
        return self._frame(RecordType.STATE, raft.encode_hard_state(hard_state))

    def snapshot(self, snapshot: SnapshotRecord) -> bytes:
        """Notice of a raft snapshot."""
        return self._frame(RecordType.SNAPSHOT, encode_snapshot(snapshot))

    def _frame(self, kind: RecordType, data: bytes) -> bytes:
        self.checksum = extend(self.checksum, data)
        return encode_frame(Record(kind, self.checksum, data))
