"""Reading bbolt files: the worked example, real snapshots, and what bbolt may write but etcd does not."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import pytest

from backstay.errors import FormatError
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import Database, check_structure, layout, open_database
from tests import golden
from tests.unit.formats import databases
from tests.unit.formats.pages import branch_page, bucket_header, file_of, inline_bucket, leaf_page
from tests.unit.formats.worked_example import WORKED_EXAMPLE


def test_the_worked_example_is_the_file_of_the_reference() -> None:
    assert (
        hashlib.sha256(WORKED_EXAMPLE).hexdigest() == "aa13358aa9062f4556a05dc99e4fe0a3edb8978b97628a23ecd46cd215bcde2d"
    )


def test_the_worked_example_reads_as_the_reference_says() -> None:
    database = open_database(WORKED_EXAMPLE)
    assert database.buckets() == [b"key", b"meta"]
    assert (database.data_size, database.missing_bytes, database.meta.stores_freelist) == (16384, 0, False)
    assert databases.all_items(database) == {
        b"key": [mvcc.encode_record(record) for record in databases.SMALL_RECORDS],
        b"meta": [(b"consistent_index", schema.encode_u64(5)), (b"term", schema.encode_u64(1))],
    }
    assert check_structure(database) == []


@pytest.mark.parametrize("release", golden.VERSIONS)
def test_a_snapshot_of_every_release_is_read_whole(release: str) -> None:
    data = golden.snapshot(release)
    assert hashlib.sha256(data).hexdigest() == golden.expectation(f"{release}/snapshot")["sha256"]
    database = open_database(data)
    assert tuple(database.buckets()) == schema.BUCKETS
    assert database.data_size == len(data) - 32
    items = databases.all_items(database)[schema.KEY]
    assert len(items) == golden.expectation(f"{release}/snapshot")["records"]
    assert [key for key, _ in items] == sorted(key for key, _ in items)


@pytest.mark.parametrize("release", golden.VERSIONS)
def test_lookups_agree_with_iteration(release: str) -> None:
    bucket = _bucket(open_database(golden.snapshot(release)), schema.KEY)
    items = list(bucket.items())
    for key, value in items[:: len(items) // 20]:
        assert bucket.get(key) == value
        assert bucket.get(key + b"\0") is None
        assert list(bucket.items(start=key)) == [item for item in items if item[0] >= key]
        assert list(bucket.items(start=key + b"\0")) == [item for item in items if item[0] > key]
    assert bucket.get(b"") is None
    assert bucket.get(b"\xff" * 20) is None
    assert bucket.last_key() == items[-1][0]
    assert [leaf.page.number for leaf in bucket.leaves(reverse=True)] == [leaf.page.number for leaf in bucket.leaves()][
        ::-1
    ]


def test_a_mapped_file_reads_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(golden.snapshot("3.7.3"))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        assert databases.all_items(open_database(mapping)) == databases.all_items(
            open_database(golden.snapshot("3.7.3"))
        )
        assert check_structure(open_database(mapping)) == []


def test_an_empty_database_as_bbolt_makes_it() -> None:
    database = open_database(file_of({2: leaf_page(2, [])}, root=2))
    assert database.buckets() == []
    assert database.bucket(b"key") is None
    assert database.root().last_key() is None
    assert check_structure(database) == []


def test_a_nested_bucket_is_an_item_with_its_header_and_opens() -> None:
    inner = inline_bucket([(b"deep", b"value")])
    outer = leaf_page(2, [(b"plain", b"1")], nested=[(b"inner", inner), (b"normal", bucket_header(3))])
    database = open_database(
        file_of(
            {
                2: outer,
                3: leaf_page(3, [(b"k", b"v")]),
                4: leaf_page(4, [], nested=[(b"outer", bucket_header(2))]),
            },
            root=4,
        )
    )
    assert dict(_bucket(database, b"outer").items())[b"inner"] == inner
    from backstay.formats.bbolt.check import StructureCheck

    check = StructureCheck(database)
    seen = {
        visit.bucket: [visit.elements.data[k:v] for _, k, v, _ in visit.elements.spans]
        for visit in check.walk()
        if visit.elements
    }
    assert check.findings == []
    assert seen == {
        (b"outer",): [b"inner", b"normal", b"plain"],
        (b"outer", b"inner"): [b"deep"],
        (b"outer", b"normal"): [b"k"],
    }


def test_an_empty_inline_bucket_is_32_bytes_and_reads_as_empty() -> None:
    assert inline_bucket([]) == bytes(24) + b"\x02" + bytes(7)
    root = leaf_page(2, [], nested=[(b"alarm", inline_bucket([]))])
    database = open_database(file_of({2: root}, root=2))
    assert databases.all_items(database) == {b"alarm": []}
    assert _bucket(database, b"alarm").last_key() is None


def test_a_leaf_whose_data_is_not_packed_reads_the_same() -> None:
    """Legal, though bbolt's own writer never does it: positions out of order and with gaps."""
    items = [(b"a", b"first"), (b"b", b"second"), (b"c", b"")]
    page = bytearray(leaf_page(2, items))
    place = 3000
    for index, (key, value) in enumerate(items):
        element = 16 + 16 * index
        page[element : element + 16] = layout.LEAF_ELEMENT.pack(0, place - element, len(key), len(value))
        page[place : place + len(key) + len(value)] = key + value
        place -= 100
    root = leaf_page(3, [], nested=[(b"key", bucket_header(2))])
    database = open_database(file_of({2: bytes(page), 3: root}, root=3))
    assert databases.all_items(database) == {b"key": items}
    assert _bucket(database, b"key").last_key() == b"c"
    assert [finding.code for finding in check_structure(database)] == ["bbolt-page-unpacked"]


def test_a_branch_page_leads_to_the_right_child() -> None:
    pages = {
        2: leaf_page(2, [(b"b", b"1"), (b"d", b"2")]),
        3: leaf_page(3, [(b"f", b"3")]),
        4: branch_page(4, [(b"b", 2), (b"f", 3)]),
        5: leaf_page(5, [], nested=[(b"key", bucket_header(4))]),
    }
    bucket = _bucket(open_database(file_of(pages, root=5)), b"key")
    assert [key for key, _ in bucket.items()] == [b"b", b"d", b"f"]
    assert [bucket.get(key) for key in (b"a", b"b", b"c", b"d", b"f", b"z")] == [None, b"1", None, b"2", b"3", None]
    assert [key for key, _ in bucket.items(start=b"e")] == [b"f"]


def test_bytes_behind_the_high_water_mark_are_ignored() -> None:
    data = databases.build_records(databases.SMALL_RECORDS)
    database = open_database(data + b"\xff" * 12345)
    assert databases.all_items(database) == databases.all_items(open_database(data))
    assert database.missing_bytes == 0


def test_a_truncated_file_opens_says_what_is_missing_and_fails_where_it_ends() -> None:
    data = databases.build_records(_many(500))
    cut = data[: len(data) - 4096 - 100]
    database = open_database(cut)
    assert database.missing_bytes == 4196
    with pytest.raises(FormatError):
        databases.all_items(database)


def test_a_loop_of_pages_ends_with_an_error() -> None:
    pages = {
        2: branch_page(2, [(b"a", 2), (b"b", 2)]),
        3: leaf_page(3, [], nested=[(b"key", bucket_header(2))]),
    }
    bucket = _bucket(open_database(file_of(pages, root=3)), b"key")
    with pytest.raises(FormatError, match="twice"):
        list(bucket.items())


@pytest.mark.parametrize("name", golden.DAMAGED)
def test_damaged_files_read_or_raise_a_format_error(name: str) -> None:
    try:
        databases.all_items(open_database(golden.damaged(name)))
    except FormatError as problem:
        assert problem.offset >= 0


def _bucket(database: Database, name: bytes):  # type: ignore[no-untyped-def]
    bucket = database.bucket(name)
    assert bucket is not None
    return bucket


def _many(count: int) -> list[mvcc.Record]:
    return [
        mvcc.Record(mvcc.RevisionKey(n, 0), mvcc.KeyValue(b"key-%d" % n, n, n, 1, bytes(40)))
        for n in range(2, count + 2)
    ]
