"""The structure check: every finding has a file that triggers it and sound files trigger none; hostile files end."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import schema
from backstay.formats.bbolt import check_structure, layout, open_database
from backstay.formats.bbolt.check import MAX_FINDINGS, StructureCheck
from tests import golden
from tests.unit.formats import databases
from tests.unit.formats.pages import branch_page, bucket_header, file_of, freelist_page, inline_bucket, leaf_page
from tests.unit.formats.worked_example import WORKED_EXAMPLE

Pages = dict[int, bytes]

STRUCTURALLY_SOUND = (
    "00-good",
    "05-flip-in-value",
    "06-flip-in-value-right-trailer",
    "07-no-trailer",
    "08-wrong-trailer",
    "14b-hot-copy-plausible",
    "15-revision-gap",
    "16-value-not-protobuf",
)
"""What is wrong with these is not in bbolt's structure: the trailer, the survey and HashKV find it."""


def test_sound_files_have_no_findings() -> None:
    assert codes(WORKED_EXAMPLE) == set()
    assert codes(databases.build_records(databases.SMALL_RECORDS)) == set()
    for version in golden.VERSIONS:
        assert codes(golden.snapshot(version)) == set()


@pytest.mark.parametrize("name", golden.DAMAGED)
def test_damaged_structure_is_named(name: str) -> None:
    try:
        found = findings(golden.damaged(name))
    except FormatError:
        assert name.startswith("10-")  # neither meta page is valid
        return
    if name in STRUCTURALLY_SOUND:
        assert found == []
    elif name.startswith("11-"):
        assert {(finding.code, finding.severity) for finding in found} == {("bbolt-meta-invalid", Severity.WARNING)}
    elif name.startswith("14-"):
        assert found == [] or any(finding.severity is Severity.ERROR for finding in found)
    else:
        assert any(finding.severity is Severity.ERROR for finding in found), name


def test_an_invalid_meta_is_a_warning() -> None:
    for number in (0, 1):
        data = bytearray(sample())
        data[number * 4096 + 40] ^= 1
        assert codes(bytes(data)) == {"bbolt-meta-invalid"}


def test_a_truncated_file_is_reported_first() -> None:
    found = findings(sample()[:-4096])
    assert found[0].code == "bbolt-truncated"
    assert "4096 of" in found[0].evidence


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda page: page.__setitem__(0, 9), "bbolt-page-damaged"),  # its number
        (lambda page: page.__setitem__(8, 0), "bbolt-page-damaged"),  # its kind
        (lambda page: page.__setitem__(8, 3), "bbolt-page-damaged"),  # two kinds
        (lambda page: page.__setitem__(8, 4), "bbolt-page-damaged"),  # a meta page as a leaf
        (lambda page: page.__setitem__(11, 0xFF), "bbolt-page-damaged"),  # more elements than fit
        (lambda page: page.__setitem__(12, 9), "bbolt-page-damaged"),  # overflow behind the end
        (lambda page: page.__setitem__(30, 0xFF), "bbolt-page-damaged"),  # an element behind the end
        (lambda page: page.__setitem__(slice(24, 28), bytes(4)), "bbolt-key-size"),
        (lambda page: page.__setitem__(16 + 2 * 16, 0xFF), "bbolt-key-order"),  # the first key above the second
    ],
)
def test_a_damaged_leaf_is_named(change: Callable[[bytearray], None], code: str) -> None:
    page = bytearray(leaf_page(2, [(b"a", b"1"), (b"b", b"2")]))
    change(page)
    assert code in codes(file_of(in_bucket({2: bytes(page)}), root=9))


def test_a_page_that_is_referenced_twice_is_named() -> None:
    root = leaf_page(9, [], nested=[(b"a", bucket_header(2)), (b"b", bucket_header(2))])
    assert codes(file_of({2: leaf_page(2, [(b"k", b"")]), 9: root}, root=9)) == {"bbolt-page-shared"}


def test_overflow_pages_count_as_referenced() -> None:
    root = leaf_page(9, [], nested=[(b"a", bucket_header(2)), (b"b", bucket_header(3))])
    big = leaf_page(2, [(b"k", leaf_page(3, [(b"x", b"y")]) * 2)])  # its second page looks like a leaf
    assert "bbolt-page-shared" in codes(
        file_of({2: big[:4096] + leaf_page(3, [(b"x", b"y")]) + big[8192:], 9: root}, root=9)
    )


@pytest.mark.parametrize(
    ("children", "code"),
    [
        ([(b"a", 2), (b"m", 3)], None),
        ([(b"b", 2), (b"m", 3)], "bbolt-key-order"),  # the child begins below its parent's key
        ([(b"a", 2), (b"b", 3)], "bbolt-key-order"),  # the first child reaches into the second
        ([(b"m", 3), (b"a", 2)], "bbolt-key-order"),
        ([(b"a", 2)], "bbolt-single-child"),
        ([], "bbolt-page-damaged"),
        ([(b"a", 2), (b"m", 77)], "bbolt-page-damaged"),
        ([(b"a", 2), (b"m", 0)], "bbolt-page-damaged"),
        ([(b"a", 2), (b"m", 4)], "bbolt-page-shared"),  # the branch itself
    ],
)
def test_a_branch_and_its_children_must_fit(children: list[tuple[bytes, int]], code: str | None) -> None:
    pages = {
        2: leaf_page(2, [(b"a", b""), (b"c", b"")]),
        3: leaf_page(3, [(b"m", b""), (b"z", b"")]),
        4: branch_page(4, children),
        9: leaf_page(9, [], nested=[(b"key", bucket_header(4))]),
    }
    assert codes(file_of(pages, root=9)) == ({code} if code else set())


@pytest.mark.parametrize(
    "value",
    [
        b"short",
        inline_bucket([(b"a", b"1")])[:-1],
        inline_bucket([(b"b", b"1")])[:40],
        bytes(16) + struct.pack("<QHHI", 5, layout.FLAG_LEAF, 0, 0),  # a number of its own
        bytes(16) + struct.pack("<QHHI", 0, layout.FLAG_BRANCH, 0, 0),
        bytes(16) + struct.pack("<QHHI", 0, layout.FLAG_LEAF, 60000, 0),
    ],
)
def test_a_damaged_bucket_is_named_and_the_others_are_still_read(value: bytes) -> None:
    root = leaf_page(2, [], nested=[(b"bad", value), (b"good", inline_bucket([(b"k", b"v")]))])
    check = StructureCheck(open_database(file_of({2: root}, root=2)))
    seen = [visit.bucket for visit in check.walk() if visit.elements]
    assert {finding.code for finding in check.findings} == {"bbolt-bucket-damaged"}
    assert seen == [(b"good",)]


def test_keys_of_inline_buckets_are_checked_too() -> None:
    value = bytearray(inline_bucket([(b"a", b""), (b"b", b"")]))
    value[-1] = ord("a")
    assert codes(file_of({2: leaf_page(2, [], nested=[(b"key", bytes(value))])}, root=2)) == {"bbolt-key-order"}


def test_strays_at_the_top_level_are_kept_for_the_caller() -> None:
    root = leaf_page(2, [(b"stray", b"x")], nested=[(b"key", inline_bucket([]))])
    check = StructureCheck(open_database(file_of({2: root}, root=2)))
    assert {visit.bucket for visit in check.walk()} == {(b"key",)}
    assert check.top_level_strays == [b"stray"]


@pytest.mark.parametrize("wide", [False, True])
def test_a_free_list_that_fits_is_sound(wide: bool) -> None:
    assert codes(with_freelist(freelist_page(5, [3, 4], wide=wide))) == set()


@pytest.mark.parametrize(
    ("freelist", "code"),
    [
        (freelist_page(5, [3, 4, 4]), "bbolt-freelist-damaged"),
        (freelist_page(5, [3, 4, 400]), "bbolt-freelist-damaged"),
        (freelist_page(5, [1, 3, 4]), "bbolt-freelist-damaged"),
        (freelist_page(5, [2, 3, 4]), "bbolt-page-shared"),
        (freelist_page(5, [3, 4, 5]), "bbolt-page-shared"),  # the free list's own page
        (freelist_page(5, [3]), "bbolt-page-lost"),
        (leaf_page(5, []), "bbolt-freelist-damaged"),
        (freelist_page(5, [3, 4])[:10] + b"\xfe\xff" + bytes(4084), "bbolt-freelist-damaged"),
        (freelist_page(5, [3, 4])[:10] + b"\xff\xff" + bytes(4) + b"\xff" * 4080, "bbolt-freelist-damaged"),
    ],
)
def test_a_free_list_that_does_not_fit_is_named(freelist: bytes, code: str) -> None:
    assert code in codes(with_freelist(freelist))


def test_a_free_list_of_70_000_pages_uses_the_wide_count() -> None:
    ids = list(range(200, 70_200))
    data = file_of(
        {2: freelist_page(2, ids, wide=True), 150: leaf_page(150, [])}, root=150, freelist=2, high_water=70_200
    )
    pages = -(-(16 + 8 * 70_001) // 4096)
    lost = [number for number in range(2 + pages, 200) if number != 150]
    found = findings(data + bytes(70_200 * 4096 - len(data)))
    assert [(finding.code, finding.evidence) for finding in found] == [
        ("bbolt-page-lost", f"{len(lost)} pages, the first is {lost[0]}")
    ]


def test_garbage_pages_are_legal_without_a_free_list() -> None:
    assert codes(file_of({2: b"\xff" * 4096, 3: leaf_page(3, [])}, root=3)) == set()


def test_a_thousand_findings_are_enough() -> None:
    items = [(b"k%04d" % n, bucket_header(2)) for n in range(3000)]
    found = findings(file_of({2: leaf_page(2, []), 100: leaf_page(100, [], nested=items)}, root=100))
    assert len(found) == MAX_FINDINGS + 1
    assert (found[-1].code, found[-1].evidence) == ("bbolt-more", f"{3000 - 1 - MAX_FINDINGS} more findings")


# --- hostile files: what they ask for must not exceed what they are -----------------------------------------------------


def test_branch_keys_that_overlap_are_refused_before_they_fill_memory() -> None:
    """60,000 keys, each of them the same two megabytes."""
    size = 2 << 20
    image = bytearray(struct.pack("<QHHI", 2, layout.FLAG_BRANCH, 60_000, size // 4096 - 1))
    for n in range(60_000):
        image += struct.pack("<IIQ", 16 * (60_000 - n), size - 16 * 60_000 - 100, n)
    pages = {2: bytes(image).ljust(size, b"k"), 1000: leaf_page(1000, [], nested=[(b"key", bucket_header(2))])}
    data = file_of(pages, root=1000)
    assert "bbolt-page-damaged" in codes(data)
    with pytest.raises(FormatError):
        databases.all_items(open_database(data))


def test_inline_buckets_that_share_their_bytes_do_not_multiply() -> None:
    """Four elements that are all the same bytes, twelve levels deep: 4^12 buckets in a kilobyte."""
    image = struct.pack("<QHHI", 0, layout.FLAG_LEAF, 0, 0)
    for _ in range(12):
        value_size = 16 + len(image)
        table = b"".join(
            struct.pack("<IIII", 1, 16 * (4 - n), 1, value_size) for n in range(4)
        )  # all keys and values are the same bytes
        image = struct.pack("<QHHI", 0, layout.FLAG_LEAF, 4, 0) + table + b"k" + bytes(16) + image
    root = leaf_page(2, [], nested=[(b"bomb", bytes(16) + image)])
    check = StructureCheck(open_database(file_of({2: root}, root=2)))
    assert sum(1 for _ in check.walk()) < 100
    assert "bbolt-bucket-damaged" in {finding.code for finding in check.findings}


def test_nesting_ends_somewhere() -> None:
    value = inline_bucket([])
    for _ in range(60):
        value = inline_bucket([], nested=[(b"n", value)])
    found = findings(file_of({2: leaf_page(2, [], nested=[(b"n", value)])}, root=2))
    assert [finding.code for finding in found] == ["bbolt-bucket-damaged"]
    assert "deep" in found[0].evidence


def test_long_names_do_not_make_long_findings() -> None:
    nested = [(b"\xff" * 30_000 + b"%03d" % n, b"") for n in range(200)]
    found = findings(file_of({2: leaf_page(2, [], nested=nested)}, root=2))
    assert len(found) == 200
    assert sum(len(str(finding)) for finding in found) < 200_000


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from(["3.5.1", "3.7.3"]), st.integers(1, 40))
def test_a_mutated_snapshot_never_crashes_or_hangs_the_check(seed: int, version: str, changes: int) -> None:
    source = random.Random(seed)
    data = bytearray(MUTATED[version])
    for _ in range(changes):
        # Most bytes are values; damage what leads to other bytes: page headers, element tables and the root.
        page = source.choice(INTERESTING[version])
        place = page + source.randrange(0, 200)
        size = source.choice([1, 2, 4, 8])
        data[place : place + size] = source.randbytes(size)
    read_everything(bytes(data[: source.choice([len(data), len(data), source.randrange(len(data))])]))


@settings(max_examples=100)
@given(st.binary(max_size=600), st.integers(0, 3))
def test_random_pages_behind_right_metas_never_crash_or_hang_the_check(body: bytes, root: int) -> None:
    page = struct.pack("<QHHI", 2, root % 2 + 1, len(body) % 30, 0) + body
    read_everything(file_of({2: page.ljust(4096, b"\0")}, root=2))


@given(st.binary(max_size=300))
def test_random_bytes_are_no_database(data: bytes) -> None:
    with pytest.raises(FormatError):
        open_database(data)


def _small(version: str) -> bytes:
    """The snapshot without its values of several pages, so that mutations hit structure."""
    content = databases.all_items(open_database(golden.snapshot(version)))
    content[schema.KEY] = [(key, value[:300]) for key, value in content[schema.KEY]]
    return databases.build_bytes(content.items())


MUTATED = {version: _small(version) for version in ("3.5.1", "3.7.3")}
INTERESTING = {version: list(range(2 * 4096, len(data) - 4096, 4096)) for version, data in MUTATED.items()}


def read_everything(data: bytes) -> None:
    """Open, check, iterate and look up; only `FormatError` may come out, and findings stay few."""
    try:
        database = open_database(data)
    except FormatError:
        return
    found = check_structure(database)
    assert len(found) <= MAX_FINDINGS + 1
    try:
        content = databases.all_items(database)
        for name in content:
            bucket = database.bucket(name)
            assert bucket is not None
            bucket.last_key()
            bucket.get(b"\0" * 7 + b"\x40_" + bytes(8))
    except FormatError:
        # The check may not call a file sound that cannot be read.
        assert any(finding.severity is Severity.ERROR for finding in found)


def sample() -> bytes:
    return databases.build_bytes([(b"key", [(b"%04d" % n, bytes(500)) for n in range(50)])])


def in_bucket(pages: Pages) -> Pages:
    return {**pages, 9: leaf_page(9, [], nested=[(b"key", bucket_header(2))])}


def with_freelist(page: bytes) -> bytes:
    return file_of({2: leaf_page(2, []), 5: page}, root=2, freelist=5)


def findings(data: bytes) -> list[Finding]:
    return check_structure(open_database(data))


def codes(data: bytes) -> set[str]:
    return {finding.code for finding in findings(data)}
