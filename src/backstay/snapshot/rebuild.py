"""The proof that a snapshot can be rebuilt: the canonical builder writes it anew, and what it wrote is read again.

`verify` uses it for its level `rebuilt`. Nothing is stored: the new pages are decoded as they come out of the builder
and forgotten, bucket by bucket, so memory stays at a batch of pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backstay.errors import FormatError
from backstay.formats import schema
from backstay.formats.bbolt import Database, build, layout
from backstay.formats.bbolt.pages import Elements, decode_inline_page, load_packed_leaf
from backstay.formats.bbolt.pages import Leaf as LeafPage
from backstay.formats.crc32c import extend
from backstay.formats.hashkv import HashFeed, HashKV
from backstay.telemetry import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the rebuilt file holds: etcd's HASH of it, its elements, HashKV, and how many pages it would have."""

    hash: int
    element_count: int
    hash_kv: HashKV
    page_count: int


def rebuild(database: Database, feed: HashFeed, progress: Progress | None = None) -> Rebuilt:
    """Build every bucket of `database` anew and read the result back; `feed` is given the rebuilt records.

    Raises `FormatError` where the source does not read, or the builder wrote something that does not read.
    """
    progress = progress or SilentProgress()
    progress.begin("rebuilding", database.data_size)
    checksum = element_count = page_count = 0
    for name in database.buckets():
        bucket = database.bucket(name)
        if bucket is None:
            raise FormatError(f"bucket {name!r} cannot be found again", offset=0)
        reader = _Reader(extend(checksum, name), feed if name == schema.KEY else None, progress)
        # One bucket at a time: the pages of a bucket then need no telling apart.
        build([(name, bucket.items())], reader.take, page_size=database.page_size)
        reader.finish(name)
        checksum, element_count = reader.checksum, element_count + reader.element_count
        page_count += reader.page_count
    return Rebuilt(checksum, element_count, feed.result(), page_count)


class _Reader:
    """The builder's sink: decodes each page. The last page is the root bucket's leaf, which names the bucket."""

    def __init__(self, checksum: int, feed: HashFeed | None, progress: Progress) -> None:
        self.checksum = checksum
        self.element_count = 0
        self.page_count = 0
        self._feed = feed
        self._progress = progress
        self._held = b""

    def take(self, pages: Iterable[bytes]) -> None:
        size = 0
        for page in pages:
            if self._held:
                self._read(self._held)
            self._held = page
            size += len(page)
        self._progress.advance(size)

    def finish(self, name: bytes) -> None:
        """Read the last page."""
        root = _leaf(self._held)
        data, spans, _ = root
        if len(spans) != 1 or data[: spans[0][2]] != name:
            raise FormatError(f"rebuilt root page does not hold the bucket {name!r}", offset=0)
        header = data[spans[0][2] :]
        page, _ = layout.BUCKET_HEADER.unpack_from(header)
        if page == 0:
            self._elements(LeafPage(decode_inline_page(header[layout.BUCKET_HEADER_SIZE :])).load())

    def _read(self, page: bytes) -> None:
        self.page_count += 1
        if layout.PAGE_HEADER.unpack_from(page)[1] == layout.FLAG_LEAF:
            self._elements(_leaf(page))

    def _elements(self, elements: Elements) -> None:
        self.checksum = extend(self.checksum, elements.data)
        self.element_count += len(elements.spans)
        if self._feed is not None:
            self._feed.feed(elements.data, elements.spans)


def _leaf(page: bytes) -> Elements:
    _, flags, count, _ = layout.PAGE_HEADER.unpack_from(page)
    elements = load_packed_leaf(page, 0, len(page), count) if flags == layout.FLAG_LEAF else None
    if elements is None:
        raise FormatError("rebuilt page is no leaf", offset=0)
    return elements
