"""The bytes of a bbolt file (format version 2; etcd-files section 1). Integers are little-endian.

The file is an array of pages of one size (4096 on most machines; 16384 and 65536 exist); page n starts at n * page size.
A logical page may own `overflow` more pages that follow it; only the first has a header.

    page header, 16 bytes                          meta page body, 64 bytes from offset 16
    off size                                       off size
    0   8  id, must equal the page's number        16  4  magic 0xED0CDAED
    8   2  flags: 1 branch, 2 leaf, 4 meta,        20  4  version 2
           0x10 freelist; exactly one bit          24  4  page size
    10  2  count of elements                       28  4  flags 0
    12  4  overflow                                32  8  root page of the root bucket
                                                   40  8  sequence of the root bucket
    branch element, 16 bytes                       48  8  freelist page, or 2^64-1: not stored
    0  4  pos     key at element start + pos       56  8  high-water mark: all used page ids are below
    4  4  ksize                                    64  8  transaction id
    8  8  child page                               72  8  FNV-1a 64 of bytes 16..71

    leaf element, 16 bytes                         bucket header, 16 bytes, the value of a leaf element with flag 1
    0  4  flags: 1 = the value is a bucket         0  8  root page, 0 = inline: a page image follows
    4  4  pos     key at element start + pos       8  8  sequence, 0 in etcd
    8  4  ksize
    12 4  vsize   value directly behind the key

A meta page is valid iff magic, version and checksum are right; the valid one with the higher transaction id counts.

    ed da 0c ed 02 00 00 00 00 10 00 00 00 00 00 00   magic, version 2, page size 0x1000, flags 0
    03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00   root page 3, sequence 0
    ff ff ff ff ff ff ff ff 04 00 00 00 00 00 00 00   freelist not stored; high-water mark 4
    02 00 00 00 00 00 00 00 e6 7d 87 1f 1d 80 59 c7   transaction 2; FNV-1a
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

Buffer = bytes | mmap.mmap
"""A whole file. Slices of either kind are `bytes`; a mapping keeps memory use at the few pages that are looked at."""

MAGIC = 0xED0CDAED
MAGIC_BIG_ENDIAN = 0xEDDA0CED
VERSION = 2
NO_FREELIST = 0xFFFFFFFFFFFFFFFF
DEFAULT_PAGE_SIZE = 4096

FLAG_BRANCH = 0x01
FLAG_LEAF = 0x02
FLAG_META = 0x04
FLAG_FREELIST = 0x10
ELEMENT_IS_BUCKET = 0x01

HEADER_SIZE = 16
ELEMENT_SIZE = 16
BUCKET_HEADER_SIZE = 16
META_END = 80
MAX_KEY_SIZE = 32768
MAX_ELEMENTS = 65534
FREELIST_COUNT_OVERFLOW = 0xFFFF

PAGE_HEADER = struct.Struct("<QHHI")
META_BODY = struct.Struct("<IIIIQQQQQ")
LEAF_ELEMENT = struct.Struct("<IIII")
BRANCH_ELEMENT = struct.Struct("<IIQ")
BUCKET_HEADER = struct.Struct("<QQ")
CHECKSUM = struct.Struct("<Q")

_MIN_PAGE_SIZE = 1024
_MAX_PAGE_SIZE = 1024 << 14


@dataclass(frozen=True, slots=True)
class Meta:
    """A valid meta page. Page numbers and `high_water` count pages."""

    page_size: int
    root: int
    sequence: int
    freelist: int
    high_water: int
    transaction: int

    @property
    def stores_freelist(self) -> bool:
        """Whether the file lists its free pages; etcd on Linux never does."""
        return self.freelist != NO_FREELIST


def fnv1a64(data: bytes) -> int:
    """FNV-1a, 64 bits: the checksum of meta pages."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def decode_meta(buffer: Buffer, offset: int) -> Meta | str:
    """The meta page at byte `offset`, or why it is not valid."""
    page = buffer[offset : offset + META_END]
    if len(page) < META_END:
        return "the file ends before the meta page does"
    body = page[HEADER_SIZE:]
    magic, version, page_size, _, root, sequence, freelist, high_water, transaction = META_BODY.unpack_from(body)
    if magic == MAGIC_BIG_ENDIAN:
        return "magic is big-endian: the file was written on a big-endian machine, which backstay does not read"
    if magic != MAGIC:
        return f"magic is 0x{magic:08x}, not 0x{MAGIC:08x}"
    if version != VERSION:
        return f"format version is {version}, not {VERSION}"
    stored = CHECKSUM.unpack_from(body, META_BODY.size)[0]
    computed = fnv1a64(body[: META_BODY.size])
    if stored != computed:
        return f"checksum is 0x{stored:016x}, computed 0x{computed:016x}"
    if page_size & (page_size - 1) or not _MIN_PAGE_SIZE <= page_size <= _MAX_PAGE_SIZE:
        return f"page size {page_size} is not a power of two between {_MIN_PAGE_SIZE} and {_MAX_PAGE_SIZE}"
    return Meta(page_size, root, sequence, freelist, high_water, transaction)


def encode_meta_page(number: int, meta: Meta) -> bytes:
    """Page `number` (0 or 1) holding `meta`, one whole page."""
    body = META_BODY.pack(
        MAGIC, VERSION, meta.page_size, 0, meta.root, meta.sequence, meta.freelist, meta.high_water, meta.transaction
    )
    page = PAGE_HEADER.pack(number, FLAG_META, 0, 0) + body + CHECKSUM.pack(fnv1a64(body))
    return page.ljust(meta.page_size, b"\0")


def candidate_offsets(size: int) -> list[int]:
    """Where a meta page may start when page 0 is unusable: 1024 * 2^i, as bbolt 1.3.7 and newer look for it."""
    return [1024 << i for i in range(15) if (1024 << i) < size - 1024]
