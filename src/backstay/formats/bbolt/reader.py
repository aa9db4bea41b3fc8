"""Finding one's way through a bbolt file: both meta pages, page-size detection, buckets, iteration, lookup.

Everybody who wants keys and values of a database comes here. Reading stops with a `FormatError` at the first damage;
whoever wants to hear of all damage uses `check`. The buffer is borrowed: keep it alive and unchanged while reading.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from backstay.errors import FormatError
from backstay.formats.bbolt import layout
from backstay.formats.bbolt.layout import Buffer, Meta
from backstay.formats.bbolt.pages import Child, Leaf, Page, decode_branch, decode_inline_page, decode_page

MAX_DEPTH = 32
"""Deeper trees than this cannot come from bbolt: 32 levels of at least two children exceed any disk."""


class Database:
    """An opened file: its metas, and the way to its buckets."""

    def __init__(self, buffer: Buffer, metas: tuple[Meta | str, Meta | str], page_size: int) -> None:
        self.buffer = buffer
        self.metas = metas
        valid = [meta for meta in metas if isinstance(meta, Meta)]
        self.meta = max(valid, key=lambda meta: meta.transaction)
        self.page_size = page_size

    @property
    def data_size(self) -> int:
        """Bytes that belong to the database: high-water mark times page size. A live file may be longer."""
        return self.meta.high_water * self.page_size

    @property
    def missing_bytes(self) -> int:
        """How much of `data_size` the file lacks; more than 0 means it was truncated."""
        return max(0, self.data_size - len(self.buffer))

    def page(self, number: int) -> Page:
        """The header of page `number`. Raises `FormatError`."""
        return decode_page(self.buffer, number, self.page_size, self.meta.high_water)

    def root(self) -> Bucket:
        """The bucket of buckets."""
        return Bucket(self, b"", self.meta.root, b"")

    def buckets(self) -> list[bytes]:
        """Names of all top-level buckets, in order."""
        return [name for name, _ in self._bucket_elements()]

    def bucket(self, name: bytes) -> Bucket | None:
        """The top-level bucket `name`, or None."""
        for found, header in self._bucket_elements():
            if found == name:
                return open_bucket(self, name, header)
        return None

    def _bucket_elements(self) -> Iterator[tuple[bytes, bytes]]:
        for leaf in self.root().leaves():
            data, spans, _ = leaf.load()
            for flags, key, value, end in spans:
                if flags & layout.ELEMENT_IS_BUCKET:
                    yield data[key:value], data[value:end]


class Bucket:
    """One bucket: its leaves and items in key order, and lookup."""

    def __init__(self, database: Database, name: bytes, root: int, image: bytes) -> None:
        self.name = name
        self.root = root
        self._database = database
        self._image = image

    def leaves(self, *, start: bytes = b"", reverse: bool = False) -> Iterator[Leaf]:
        """The leaf pages in key order, beginning with the one that may hold `start`; `reverse` begins at the end."""
        if self.root == 0:
            yield Leaf(decode_inline_page(self._image))
            return
        seen: set[int] = set()
        # A stack of page numbers still to visit, next one last, each with its depth and the wanted first key.
        pending: list[tuple[int, int, bytes]] = [(self.root, 0, start)]
        while pending:
            number, depth, wanted = pending.pop()
            if number in seen or depth > MAX_DEPTH:
                raise FormatError(f"page {number} is referenced twice", offset=number * self._database.page_size)
            seen.add(number)
            page = self._database.page(number)
            if page.is_leaf:
                yield Leaf(page)
                continue
            if not page.is_branch:
                raise page.fail("a page of a bucket is neither branch nor leaf")
            children = decode_branch(page)
            if wanted:
                first = _child_holding(children, wanted)
                children = children[first:]
            ordered = children if reverse else children[::-1]
            pending.extend((child.number, depth + 1, b"") for child in ordered)
            if wanted and pending and children:
                # Only the first child can hold keys below `start`.
                number, depth, _ = pending.pop()
                pending.append((number, depth, wanted))

    def leaf_pages(self) -> Iterator[tuple[bytes, int]]:
        """(the least key that a leaf page may hold, its number) in order, from the branch pages alone.

        All children of a branch are of one kind, so only the first is looked at: whoever reads a page that is called a
        leaf here makes sure. Nothing for a bucket that stands inside its parent's leaf. Raises `FormatError`.
        """
        seen: set[int] = set()
        pending: list[tuple[bytes, int, int]] = [(b"", self.root, 0)] if self.root else []
        while pending:
            least, number, depth = pending.pop()
            if number in seen or depth > MAX_DEPTH:
                raise FormatError(f"page {number} is referenced twice", offset=number * self._database.page_size)
            seen.add(number)
            page = self._database.page(number)
            if not page.is_branch:
                yield least, number
                continue
            children = decode_branch(page)
            if children and self._database.page(children[0].number).is_branch:
                pending.extend((child.key, child.number, depth + 1) for child in reversed(children))
            else:
                yield from children

    def items(self, *, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key, value) from `start` on, in key order. Nested buckets appear with their header as value."""
        for leaf in self.leaves(start=start):
            data, spans, _ = leaf.load()
            for _, key, value, end in spans:
                found = data[key:value]
                if found >= start:
                    yield found, data[value:end]

    def get(self, wanted: bytes) -> bytes | None:
        """The value of key `wanted`, or None."""
        for key, value in self.items(start=wanted):
            return value if key == wanted else None
        return None

    def last_key(self) -> bytes | None:
        """The greatest key, None in an empty bucket."""
        for leaf in self.leaves(reverse=True):
            spans = leaf.spans()
            if spans:
                _, key, value, _ = spans[-1]
                return leaf.page.buffer[key:value]
        return None


def _child_holding(children: list[Child], wanted: bytes) -> int:
    """The index of the last child whose key is at or below `wanted`, or 0."""
    return max(0, bisect_right([child.key for child in children], wanted) - 1)


def open_bucket(database: Database, name: bytes, header: bytes) -> Bucket:
    """The bucket whose leaf element has the value `header`. Raises `FormatError`."""
    if len(header) < layout.BUCKET_HEADER_SIZE:
        raise FormatError(f"bucket {name!r} has a header of {len(header)} bytes, not 16", offset=0)
    root, _ = layout.BUCKET_HEADER.unpack_from(header)
    return Bucket(database, name, root, header[layout.BUCKET_HEADER_SIZE :])


def open_database(buffer: Buffer) -> Database:
    """Open the database in `buffer`.

    The page size comes from the first valid meta page: page 0, else the places bbolt tries. Raises `FormatError` when
    no meta page is valid. A truncated file opens (see `Database.missing_bytes`); its missing pages fail when read.
    """
    first = layout.decode_meta(buffer, 0)
    if isinstance(first, Meta):
        return Database(buffer, (first, _second_meta(buffer, first.page_size)), first.page_size)
    for offset in layout.candidate_offsets(len(buffer)):
        second = layout.decode_meta(buffer, offset)
        if isinstance(second, Meta) and second.page_size == offset:
            return Database(buffer, (first, second), offset)
    raise FormatError("not a usable bbolt database: neither meta page is valid", offset=0, why=first)


def _second_meta(buffer: Buffer, page_size: int) -> Meta | str:
    meta = layout.decode_meta(buffer, page_size)
    if isinstance(meta, Meta) and meta.page_size != page_size:
        return f"page size is {meta.page_size}, but meta page 0 says {page_size}"
    return meta
