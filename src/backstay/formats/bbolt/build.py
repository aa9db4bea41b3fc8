"""Building a bbolt file in one sequential pass (etcd-files section 1.10).

The output is canonical: the same buckets with the same content give the same bytes, whatever history the source had.
Leaves are filled to the page, small buckets are inlined exactly when bbolt would allow it, no free list is stored, and
nothing unreferenced is left in the file. Memory: the first key and page number of each page.

The caller gives a sink for everything from page 2 on, in order, and afterwards writes the two meta pages at offset 0,
once the rest is on stable storage: until then the file is not a database.

    page 0, 1   metas, transaction 2 and 1
    page 2 ...  leaves and branches of each bucket in name order, then the root bucket's leaf (or tree)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from backstay.errors import FormatError
from backstay.formats.bbolt import layout

Item = tuple[bytes, bytes]
Sink = Callable[[list[bytes]], None]
"""Takes the next bytes of the file, starting with page 2."""

_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """What `build` produced; `meta_pages` belong at offset 0, sizes are bytes."""

    meta_pages: bytes
    size: int
    item_count: int


def build(
    buckets: Iterable[tuple[bytes, Iterable[Item]]],
    sink: Sink,
    *,
    page_size: int = layout.DEFAULT_PAGE_SIZE,
) -> BuiltFile:
    """Write a database holding `buckets` (names ascending, items ascending by key) to `sink`.

    Raises `FormatError` for keys out of order or of a size bbolt cannot hold; what the sink got is then worthless.
    """
    writer = _PageWriter(sink, page_size)
    headers: list[Item] = []
    count = 0
    previous = b""
    for name, items in buckets:
        if name <= previous:
            raise FormatError(f"bucket {name!r} is not in order", offset=0)
        previous = name
        counted = _Counted(items)
        headers.append((name, _write_bucket(writer, iter(counted), page_size)))
        count += counted.count
    root = _write_tree(writer, iter(headers), layout.ELEMENT_IS_BUCKET)
    writer.flush()
    high_water = writer.next_page
    metas = b"".join(
        layout.encode_meta_page(
            number, layout.Meta(page_size, root, 0, layout.NO_FREELIST, high_water, transaction=2 - number)
        )
        for number in (0, 1)
    )
    return BuiltFile(metas, high_water * page_size, count)


class _Counted:
    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self.count += 1
            yield item


def _write_bucket(writer: _PageWriter, items: Iterator[Item], page_size: int) -> bytes:
    """Write one bucket; returns the value of its element in the root bucket."""
    # bbolt inlines a bucket whose single leaf takes at most a quarter page (etcd-files section 1.6).
    head: list[Item] = []
    size = layout.HEADER_SIZE
    for item in items:
        head.append(item)
        size += layout.ELEMENT_SIZE + len(item[0]) + len(item[1])
        if size > page_size // 4:
            root = _write_tree(writer, _chain(head, items), 0)
            return layout.BUCKET_HEADER.pack(root, 0)
    _check_order(head)
    image = b"".join(_leaf_image(0, head, 0, overflow=0))
    return layout.BUCKET_HEADER.pack(0, 0) + image


def _chain(head: list[Item], rest: Iterator[Item]) -> Iterator[Item]:
    yield from head
    yield from rest


def _check_order(items: list[Item]) -> None:
    previous = b""
    for key, _ in items:
        if key <= previous or len(key) > layout.MAX_KEY_SIZE:
            raise FormatError(f"key {key[:32]!r} is empty, too long or not in order", offset=0)
        previous = key


def _write_tree(writer: _PageWriter, items: Iterator[Item], flags: int) -> int:
    """Write leaves and the branches above them; returns the root page."""
    level = _write_leaves(writer, items, flags)
    while len(level) > 1:
        level = [writer.write_branch(group) for group in _branch_groups(level, writer.page_size)]
    return level[0][1]


def _write_leaves(writer: _PageWriter, items: Iterator[Item], flags: int) -> list[tuple[bytes, int]]:
    pages: list[tuple[bytes, int]] = []
    group: list[Item] = []
    size = layout.HEADER_SIZE
    limit = writer.page_size
    previous = b""
    for item in items:
        key = item[0]
        if key <= previous or len(key) > layout.MAX_KEY_SIZE:
            raise FormatError(f"key {key[:32]!r} is empty, too long or not in order", offset=0)
        previous = key
        grown = layout.ELEMENT_SIZE + len(key) + len(item[1])
        if group and (size + grown > limit or len(group) >= layout.MAX_ELEMENTS):
            pages.append(writer.write_leaf(group, size, flags))
            group, size = [], layout.HEADER_SIZE
        group.append(item)
        size += grown
    if group or not pages:
        pages.append(writer.write_leaf(group, size, flags))
    return pages


def _branch_groups(level: list[tuple[bytes, int]], page_size: int) -> list[list[tuple[bytes, int]]]:
    """Pack children into branch pages. Every branch needs two children: with one, a later delete panics in bbolt."""
    groups: list[list[tuple[bytes, int]]] = []
    group: list[tuple[bytes, int]] = []
    size = layout.HEADER_SIZE
    for key, number in level:
        grown = layout.ELEMENT_SIZE + len(key)
        if len(group) >= 2 and (size + grown > page_size or len(group) >= layout.MAX_ELEMENTS):
            groups.append(group)
            group, size = [], layout.HEADER_SIZE
        group.append((key, number))
        size += grown
    if len(group) == 1 and groups:
        if len(groups[-1]) > 2:
            group.insert(0, groups[-1].pop())
        else:
            group = groups.pop() + group
    groups.append(group)
    return groups


def _leaf_image(number: int, items: list[Item], flags: int, *, overflow: int) -> list[bytes]:
    """Header, element table and data of one leaf, unpadded."""
    pack = layout.LEAF_ELEMENT.pack
    data_at = len(items) * layout.ELEMENT_SIZE
    table = [layout.PAGE_HEADER.pack(number, layout.FLAG_LEAF, len(items), overflow)]
    data = []
    for key, value in items:
        table.append(pack(flags, data_at, len(key), len(value)))
        data_at += len(key) + len(value) - layout.ELEMENT_SIZE
        data.append(key)
        data.append(value)
    return table + data


class _PageWriter:
    """Numbers pages, pads them, and hands them to the sink in batches of about a megabyte."""

    def __init__(self, sink: Sink, page_size: int) -> None:
        self.page_size = page_size
        self.next_page = 2
        self._sink = sink
        self._batch: list[bytes] = []
        self._batch_bytes = 0

    def write_leaf(self, items: list[Item], size: int, flags: int) -> tuple[bytes, int]:
        """Write one leaf of `size` bytes; returns (first key, page number)."""
        number = self.next_page
        pages = -(-size // self.page_size)
        self._put(_leaf_image(number, items, flags, overflow=pages - 1), size, pages)
        return (items[0][0] if items else b"", number)

    def write_branch(self, children: list[tuple[bytes, int]]) -> tuple[bytes, int]:
        """Write one branch page; returns (first key, page number)."""
        number = self.next_page
        size = layout.HEADER_SIZE + sum(layout.ELEMENT_SIZE + len(key) for key, _ in children)
        pages = -(-size // self.page_size)
        table = [layout.PAGE_HEADER.pack(number, layout.FLAG_BRANCH, len(children), pages - 1)]
        data_at = len(children) * layout.ELEMENT_SIZE
        for key, child in children:
            table.append(layout.BRANCH_ELEMENT.pack(data_at, len(key), child))
            data_at += len(key) - layout.ELEMENT_SIZE
        self._put(table + [key for key, _ in children], size, pages)
        return children[0][0], number

    def _put(self, parts: list[bytes], size: int, pages: int) -> None:
        self.next_page += pages
        padding = pages * self.page_size - size
        if padding:
            parts.append(bytes(padding))
        # One buffer per page: a write of thousands of tiny pieces costs more than joining them.
        self._batch.append(b"".join(parts))
        self._batch_bytes += pages * self.page_size
        if self._batch_bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what is waiting to the sink."""
        if self._batch:
            self._sink(self._batch)
            self._batch, self._batch_bytes = [], 0
