"""The write-ahead log: read with every finding, write byte for byte.

`layout` specifies the bytes; `reader` reads a log as far as it is whole and says what is wrong with it; `encoder` writes.
"""

from backstay.formats.wal.encoder import LogEncoder
from backstay.formats.wal.layout import (
    SEGMENT_SIZE,
    Metadata,
    Segment,
    SegmentName,
    SnapshotRecord,
    parse_segment_name,
)
from backstay.formats.wal.reader import Log, LogEnd, Torn, read_log

__all__ = [
    "SEGMENT_SIZE",
    "Log",
    "LogEncoder",
    "LogEnd",
    "Metadata",
    "Segment",
    "SegmentName",
    "SnapshotRecord",
    "Torn",
    "parse_segment_name",
    "read_log",
]
