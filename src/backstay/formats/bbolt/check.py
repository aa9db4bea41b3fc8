"""The consistency check of a bbolt file: everything that is wrong with it, as findings.

The rules are bbolt's own (etcd-files section 1.9) and stricter where bbolt is blind: both metas, inline buckets, element
bounds, branch pages with one child. The check and whoever wants the data share one pass: `StructureCheck.walk` yields
every sound leaf while the findings gather; a damaged subtree is reported and left out.

Values are covered by no checksum: a changed byte inside a value is invisible here.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats.bbolt import layout
from backstay.formats.bbolt.layout import Buffer
from backstay.formats.bbolt.pages import Elements, Leaf, Page, decode_branch, decode_inline_page, load_packed_leaf
from backstay.formats.bbolt.reader import MAX_DEPTH, Database

MAX_FINDINGS = 1000
"""More findings than this say nothing new; the rest are counted."""

_OTHER_COPY = "use another copy of this file"
_SHOWN_BYTES = 24

META_INVALID = findings.declare(
    "bbolt-meta-invalid",
    Severity.WARNING,
    "One of the two meta pages is not valid. The other one is used, as bbolt does; something wrote over the file.",
    "keep the file, but prefer another copy",
)
FILE_TRUNCATED = findings.declare(
    "bbolt-truncated",
    Severity.ERROR,
    "The file is shorter than its meta page says. etcd and its tools die on such a file with SIGBUS.",
    "the copy or upload was cut short: copy the file again",
)
PAGE_DAMAGED = findings.declare(
    "bbolt-page-damaged",
    Severity.ERROR,
    "A page that the database needs does not decode: wrong number, kind, size or element bounds.",
    _OTHER_COPY,
)
PAGE_UNPACKED = findings.declare(
    "bbolt-page-unpacked",
    Severity.WARNING,
    "A page leaves gaps between its elements. It can be read, but bbolt never writes one: elements may have been cut off.",
    _OTHER_COPY,
)
PAGE_SHARED = findings.declare(
    "bbolt-page-shared",
    Severity.ERROR,
    "A page is referenced twice, or is in use and listed as free; the next write would destroy data.",
    _OTHER_COPY,
)
KEY_ORDER = findings.declare(
    "bbolt-key-order",
    Severity.ERROR,
    "Keys are not in strictly increasing order; lookups miss keys, and newer releases of etcd panic on such a file.",
    _OTHER_COPY,
)
KEY_SIZE = findings.declare(
    "bbolt-key-size",
    Severity.ERROR,
    "A key is empty or longer than 32,768 bytes, which bbolt never writes.",
    _OTHER_COPY,
)
SINGLE_CHILD = findings.declare(
    "bbolt-single-child",
    Severity.WARNING,
    "A branch page has fewer than two children; bbolt's check accepts it, but a later delete under it panics.",
    "rebuild the file: `backstay snapshot restore` writes a new one",
)
FREELIST_DAMAGED = findings.declare(
    "bbolt-freelist-damaged",
    Severity.ERROR,
    "The stored list of free pages does not decode, or lists pages twice or out of range.",
    "rebuild the file: `backstay snapshot restore` does not use the free list",
)
PAGE_LOST = findings.declare(
    "bbolt-page-lost",
    Severity.ERROR,
    "With a stored free list, a page that is neither in use nor listed as free is lost.",
    "rebuild the file: `backstay snapshot restore` does not use the free list",
)
BUCKET_DAMAGED = findings.declare(
    "bbolt-bucket-damaged",
    Severity.ERROR,
    "A bucket's header or inline page does not decode.",
    _OTHER_COPY,
)
MORE = findings.declare(
    "bbolt-more",
    Severity.ERROR,
    "There are more findings of the same file than are worth listing.",
    _OTHER_COPY,
)


class Visit(NamedTuple):
    """One step of the walk: a bucket begins (`elements` is None), or one of its leaves."""

    bucket: tuple[bytes, ...]
    elements: Elements | None


class StructureCheck:
    """One pass over a database. Iterate `walk()` to its end, then read `findings`."""

    def __init__(self, database: Database) -> None:
        self.findings: list[Finding] = []
        self.reachable_pages = 2
        self.top_level_strays: list[bytes] = []
        """Top-level elements that are not buckets: etcd never writes one."""
        self._database = database
        self._more = 0
        self._page_limit = min(database.meta.high_water, len(database.buffer) // database.page_size)
        self._in_use = bytearray(self._page_limit + 1)
        self._in_use[:2] = b"\1\1"

    def walk(self) -> Iterator[Visit]:
        """Every bucket and every sound leaf of it, buckets in name order, leaves in key order."""
        database = self._database
        for number, meta in enumerate(database.metas):
            if isinstance(meta, str):
                self._report(META_INVALID, f"meta page {number}", meta, number * database.page_size)
            else:
                self._check_meta_header(number)
        if database.missing_bytes:
            self._report(
                FILE_TRUNCATED,
                "file",
                f"{database.missing_bytes} of {database.data_size} bytes are missing",
                len(database.buffer),
            )
        buckets: list[tuple[tuple[bytes, ...], bytes]] = []
        for elements in self._tree((), database.meta.root):
            data, spans, _ = elements
            for flags, key, value, end in spans:
                if flags & layout.ELEMENT_IS_BUCKET:
                    buckets.append(((data[key:value],), data[value:end]))
                else:
                    self.top_level_strays.append(data[key:value])
        # A worklist, next bucket last: hostile nesting must not become recursion.
        buckets.reverse()
        while buckets:
            path, header = buckets.pop()
            yield Visit(path, None)
            nested: list[tuple[tuple[bytes, ...], bytes]] = []
            for elements in self._bucket(path, header):
                yield Visit(path, elements)
                if elements.has_buckets:
                    data, spans, _ = elements
                    nested.extend(
                        ((*path, data[key:value]), data[value:end])
                        for flags, key, value, end in spans
                        if flags & layout.ELEMENT_IS_BUCKET
                    )
            buckets.extend(reversed(nested))
        self._check_freelist()
        if self._more:
            self.findings.append(MORE.at("file", f"{self._more} more findings"))

    def _check_meta_header(self, number: int) -> None:
        """The checksum of a meta page does not cover its page header, and bbolt never looks at it."""
        offset = number * self._database.page_size
        header = layout.PAGE_HEADER.unpack_from(self._database.buffer, offset)
        if header != (number, layout.FLAG_META, 0, 0):
            self._report(META_INVALID, f"meta page {number}", "its page header is not that of a meta page", offset)

    def _check_flags(self, elements: Elements, path: tuple[bytes, ...]) -> None:
        unknown = sum(1 for flags, _, _, _ in elements.spans if flags & ~layout.ELEMENT_IS_BUCKET)
        if unknown:
            self._report(PAGE_DAMAGED, _subject(path), f"{unknown} elements have unknown flags", None)

    def _bucket(self, path: tuple[bytes, ...], header: bytes) -> Iterator[Elements]:
        if len(header) < layout.BUCKET_HEADER_SIZE:
            self._report(BUCKET_DAMAGED, _subject(path), f"header has {len(header)} bytes, not 16", None)
            return
        if len(path) > MAX_DEPTH:
            self._report(BUCKET_DAMAGED, _subject(path), "buckets are nested too deeply", None)
            return
        root, _ = layout.BUCKET_HEADER.unpack_from(header)
        if root:
            yield from self._tree(path, root)
            return
        try:
            page = decode_inline_page(header[layout.BUCKET_HEADER_SIZE :])
            elements = self._load(page, path)
        except FormatError as problem:
            self._report(BUCKET_DAMAGED, _subject(path), problem.what, None)
            return
        self._check_keys(page, [elements.data[k:v] for _, k, v, _ in elements.spans], b"", None, path)
        if elements.has_buckets:
            self._check_flags(elements, path)
        yield elements

    def _tree(self, path: tuple[bytes, ...], root: int) -> Iterator[Elements]:
        """The sound leaves under page `root`, in order."""
        database = self._database
        buffer, page_size, page_limit = database.buffer, database.page_size, self._page_limit
        in_use = self._in_use
        read_header = layout.PAGE_HEADER.unpack_from
        # Pages to visit, next one last: number, depth, lower bound (inclusive), upper bound (exclusive, None: open).
        pending: list[tuple[int, int, bytes, bytes | None]] = [(root, 0, b"", None)]
        while pending:
            number, depth, lower, upper = pending.pop()
            # The short way for a leaf with nothing wrong; whatever it declines is judged by the long way below.
            if 2 <= number < page_limit:
                offset = number * page_size
                own_number, flags, count, overflow = read_header(buffer, offset)
                last = number + overflow + 1
                if (
                    flags == layout.FLAG_LEAF
                    and own_number == number
                    and last <= page_limit
                    and in_use.find(1, number, last) < 0
                ):
                    elements = (
                        _load_single(buffer, offset, last * page_size, lower, upper)
                        if count == 1
                        else load_packed_leaf(buffer, offset, last * page_size, count)
                    )
                    if elements and (count == 1 or self._keys_in_order(elements, lower, upper)):
                        in_use[number:last] = b"\1" * (last - number)
                        self.reachable_pages += last - number
                        if elements.has_buckets:
                            self._check_flags(elements, path)
                        yield elements
                        continue
            page = self._take_page(number, path)
            if page is None:
                continue
            try:
                if page.is_leaf:
                    elements = self._load(page, path)
                    self._check_keys(page, [elements.data[k:v] for _, k, v, _ in elements.spans], lower, upper, path)
                    if elements.has_buckets:
                        self._check_flags(elements, path)
                    yield elements
                else:
                    pending.extend(self._children(page, depth, lower, upper, path))
            except FormatError as problem:
                self._report(PAGE_DAMAGED, _subject(path), str(problem), problem.offset)

    def _load(self, page: Page, path: tuple[bytes, ...]) -> Elements:
        """The elements of a leaf, and a finding where they are not packed as bbolt packs them."""
        elements = load_packed_leaf(page.buffer, page.offset, page.end, page.count)
        if elements is None:
            elements = Leaf(page).load()
            where = f"page {page.number}" if page.number else "inline page"
            self._report(PAGE_UNPACKED, _subject(path), where, page.offset if page.number else None)
        return elements

    def _children(
        self, page: Page, depth: int, lower: bytes, upper: bytes | None, path: tuple[bytes, ...]
    ) -> list[tuple[int, int, bytes, bytes | None]]:
        """What a branch page adds to the pages to visit, last child first."""
        children = decode_branch(page)
        if not children:
            raise page.fail(f"branch page {page.number} has no children")
        if len(children) < 2:
            self._report(SINGLE_CHILD, _subject(path), f"page {page.number} has {len(children)} children", page.offset)
        if depth >= MAX_DEPTH:
            raise page.fail(f"page {page.number} is {depth} levels deep")
        keys, numbers = zip(*children, strict=True)
        if not _rise(keys, lower, upper):
            self._check_keys(page, list(keys), lower, upper, path)
        bounds: list[bytes | None] = [*keys[1:], upper]
        return list(zip(reversed(numbers), repeat(depth + 1), reversed(keys), reversed(bounds), strict=False))

    @staticmethod
    def _keys_in_order(elements: Elements, lower: bytes, upper: bytes | None) -> bool:
        """Whether all keys have a legal size, rise strictly, and keep to the parent's bounds."""
        data = elements.data
        previous = b""
        for _, key_start, key_end, _ in elements.spans:
            key = data[key_start:key_end]
            if key <= previous or key_end - key_start > layout.MAX_KEY_SIZE:
                return False
            if not previous and key < lower:
                return False
            previous = key
        return upper is None or previous < upper

    def _take_page(self, number: int, path: tuple[bytes, ...]) -> Page | None:
        """The page, marked as in use, or None after reporting why it cannot be used."""
        try:
            page = self._database.page(number)
        except FormatError as problem:
            self._report(PAGE_DAMAGED, _subject(path), str(problem), problem.offset)
            return None
        if not (page.is_branch or page.is_leaf):
            self._report(
                PAGE_DAMAGED,
                _subject(path),
                f"page {number} is neither branch nor leaf (flags 0x{page.flags:x})",
                page.offset + 8,
            )
            return None
        last = number + page.overflow + 1
        if any(self._in_use[number:last]):
            self._report(PAGE_SHARED, _subject(path), f"page {number} is referenced twice", page.offset)
            return None
        self._in_use[number:last] = b"\1" * (last - number)
        self.reachable_pages += last - number
        return page

    def _check_keys(
        self, page: Page, keys: list[bytes], lower: bytes, upper: bytes | None, path: tuple[bytes, ...]
    ) -> None:
        """Report sizes and order inside a page, and order against the parent's bounds."""
        if not keys:
            return
        for index, key in enumerate(keys):
            if not 1 <= len(key) <= layout.MAX_KEY_SIZE and (page.is_leaf or index):
                self._report(KEY_SIZE, _subject(path), f"element {index} of page {page.number}", page.offset)
        previous = keys[0]
        for key in keys[1:]:
            if key <= previous:
                self._report(
                    KEY_ORDER,
                    _subject(path),
                    f"page {page.number}: {_short(key)} follows {_short(previous)}",
                    page.offset,
                )
            previous = key
        if keys[0] < lower:
            self._report(
                KEY_ORDER,
                _subject(path),
                f"page {page.number} begins with {_short(keys[0])}, its parent says {_short(lower)}",
                page.offset,
            )
        if upper is not None and previous >= upper:
            self._report(
                KEY_ORDER,
                _subject(path),
                f"page {page.number} ends with {_short(previous)}, the next begins at {_short(upper)}",
                page.offset,
            )

    def _check_freelist(self) -> None:
        meta = self._database.meta
        if not meta.stores_freelist:
            return
        try:
            page = self._database.page(meta.freelist)
            numbers = _freelist_numbers(page)
        except FormatError as problem:
            self._report(FREELIST_DAMAGED, "free list", str(problem), problem.offset)
            return
        free = bytearray(self._page_limit)
        own = slice(page.number, page.number + page.overflow + 1)
        if any(self._in_use[own]):
            self._report(PAGE_SHARED, "free list", f"its page {page.number} also holds data", page.offset)
        self._in_use[own] = b"\1" * (page.overflow + 1)
        for number in numbers:
            if not 2 <= number < len(free):
                self._report(FREELIST_DAMAGED, "free list", f"lists page {number}, which is out of range", page.offset)
            elif free[number]:
                self._report(FREELIST_DAMAGED, "free list", f"lists page {number} twice", page.offset)
            else:
                free[number] = 1
                if self._in_use[number]:
                    self._report(PAGE_SHARED, "free list", f"lists page {number}, which is in use", page.offset)
        lost = [n for n, (used, listed) in enumerate(zip(self._in_use, free, strict=False)) if not used and not listed]
        if lost and not any(finding.severity is Severity.ERROR for finding in self.findings):
            # After any other error, pages under a damaged subtree look lost too.
            self._report(PAGE_LOST, "free list", f"{len(lost)} pages, the first is {lost[0]}", None)

    def _report(self, kind: FindingKind, subject: str, evidence: str, offset: int | None) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(kind.at(subject, evidence, offset=offset))
        else:
            self._more += 1


def _rise(keys: tuple[bytes, ...], lower: bytes, upper: bytes | None) -> bool:
    """Whether keys of a legal size rise strictly from `lower` to below `upper`; at the speed of C."""
    return (
        lower <= keys[0]
        and (upper is None or keys[-1] < upper)
        and max(map(len, keys)) <= layout.MAX_KEY_SIZE
        and all(map(operator.lt, keys, keys[1:]))
    )


def _load_single(buffer: Buffer, offset: int, end: int, lower: bytes, upper: bytes | None) -> Elements | None:
    """The one element of the leaf at buffer[offset:end], or None if anything about it is unusual.

    Large values make nearly every record a leaf of its own, so this decides the speed of the walk.
    """
    flags, position, key_size, value_size = layout.LEAF_ELEMENT.unpack_from(buffer, offset + layout.HEADER_SIZE)
    start = offset + layout.HEADER_SIZE + layout.ELEMENT_SIZE
    size = key_size + value_size
    if position != layout.ELEMENT_SIZE or not 0 < key_size <= layout.MAX_KEY_SIZE or start + size > end:
        return None
    data = buffer[start : start + size]
    key = data[:key_size]
    if key < lower or (upper is not None and key >= upper):
        return None
    return Elements(data, [(flags, 0, key_size, size)], flags != 0)


def _freelist_numbers(page: Page) -> list[int]:
    if page.flags != layout.FLAG_FREELIST:
        raise page.fail(f"page {page.number} is no free list (flags 0x{page.flags:x})")
    body = page.buffer[page.offset + layout.HEADER_SIZE : page.end]
    count, start = page.count, 0
    if count == layout.FREELIST_COUNT_OVERFLOW:
        # The real number does not fit the header and takes the first word (etcd-files section 1.4).
        count, start = int.from_bytes(body[:8], "little"), 8
    if start + count * 8 > len(body):
        raise page.fail(f"free list of {count} pages does not fit into its page")
    return [number for (number,) in layout.CHECKSUM.iter_unpack(body[start : start + count * 8])]


def _subject(path: tuple[bytes, ...]) -> str:
    if not path:
        return "root bucket"
    # A name may have 32,768 bytes, and a damaged file a thousand findings.
    return "bucket " + "/".join(name[:_SHOWN_BYTES].decode("utf-8", "backslashreplace") for name in path)


def _short(key: bytes) -> str:
    return key[:_SHOWN_BYTES].hex() + ("..." if len(key) > _SHOWN_BYTES else "")


def check_structure(database: Database) -> list[Finding]:
    """Every structural finding of `database`."""
    check = StructureCheck(database)
    for _ in check.walk():
        pass
    return check.findings
