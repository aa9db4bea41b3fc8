"""The builder: canonical output, trees that bbolt accepts, and everything reads back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import build, check_structure, layout, open_database
from backstay.formats.bbolt.pages import decode_branch
from tests import golden
from tests.unit.formats import databases
from tests.unit.formats.worked_example import WORKED_EXAMPLE

BUCKETS = st.dictionaries(
    st.binary(min_size=1, max_size=12),
    st.dictionaries(st.binary(min_size=1, max_size=60), st.binary(max_size=700), max_size=30),
    max_size=6,
)
Content = dict[bytes, dict[bytes, bytes]]


def test_the_minimal_database_of_the_reference_comes_out_byte_for_byte() -> None:
    """Section 11.2: a file that another program wrote by the same rules, which every release of etcd starts on."""
    records = [mvcc.encode_record(record) for record in databases.SMALL_RECORDS[:3]]
    member = b'{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default"}'
    meta = [
        (schema.CONF_STATE, b'{"voters":[10276657743932975437],"auto_leave":false}'),
        (schema.CONSISTENT_INDEX, schema.encode_u64(1)),
        (schema.TERM, schema.encode_u64(1)),
    ]
    content = {schema.KEY: records, schema.MEMBERS: [(b"8e9e05c52164694d", member)], schema.META: meta}
    data = databases.build_bytes([(name, content.get(name, [])) for name in schema.BUCKETS])
    assert len(data) == 3 * 4096
    assert hashlib.sha256(data).hexdigest() == "359ca20e0bf2518d51ca27f50f51986e7a48fc88fbd58bee7753ce44697e6dfb"


def test_the_worked_example_is_rebuilt_with_the_same_content() -> None:
    """Not the same bytes: bucket `key` is small enough to be inlined, which the example does not do to show both."""
    content = databases.all_items(open_database(WORKED_EXAMPLE))
    rebuilt = databases.build_bytes(content.items())
    assert len(rebuilt) == 3 * 4096
    assert databases.all_items(open_database(rebuilt)) == content


@settings(max_examples=60)
@given(BUCKETS, st.sampled_from([1024, 4096, 65536]))
def test_what_is_built_reads_back_sound(content: Content, page_size: int) -> None:
    data = databases.build_bytes(ordered(content), page_size=page_size)
    database = open_database(data)
    assert check_structure(database) == []
    assert databases.all_items(database) == dict(ordered(content))
    assert_branches_have_children(data)


@settings(max_examples=30)
@given(BUCKETS)
def test_building_again_from_what_was_built_gives_the_same_bytes(content: Content) -> None:
    data = databases.build_bytes(ordered(content))
    assert databases.build_bytes(databases.all_items(open_database(data)).items()) == data


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_the_history_of_the_source_does_not_show(version: str) -> None:
    """A snapshot and its rebuilt copy hold the same; both build to the same bytes, without free pages."""
    source = open_database(golden.snapshot(version))
    content = databases.all_items(source)
    rebuilt = databases.build_bytes(content.items())
    database = open_database(rebuilt)
    assert check_structure(database) == []
    assert databases.all_items(database) == content
    assert databases.build_bytes(databases.all_items(database).items()) == rebuilt
    assert len(rebuilt) <= source.data_size


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 60, 61, 700, 20_000])
def test_every_branch_has_two_children_at_any_size(count: int) -> None:
    data = databases.build_records(records(count), page_size=1024)
    assert check_structure(open_database(data)) == []
    assert_branches_have_children(data)


def test_twenty_thousand_records_read_back() -> None:
    wanted = [mvcc.encode_record(record) for record in records(20_000)]
    database = open_database(databases.build_bytes([(schema.KEY, wanted)]))
    assert databases.all_items(database) == {schema.KEY: wanted}
    bucket = database.bucket(schema.KEY)
    assert bucket is not None
    assert [bucket.get(key) for key, _ in wanted[::997]] == [value for _, value in wanted[::997]]


@pytest.mark.parametrize("size", [1, 4000, 4029, 4030, 4060, 4096, 70_000, 1_500_000, 3_000_000])
def test_values_of_any_size_read_back(size: int) -> None:
    value = bytes(range(256)) * (size // 256) + bytes(size % 256)
    items = [(b"a", b"small"), (b"b", value), (b"c", b"small")]
    database = open_database(databases.build_bytes([(b"key", items)]))
    assert databases.all_items(database) == {b"key": items}
    assert check_structure(database) == []


@pytest.mark.parametrize("key_size", [500, 2000, 4096, 30_000, layout.MAX_KEY_SIZE])
def test_long_keys_still_give_branches_of_two(key_size: int) -> None:
    items = [(b"%04d" % n + b"k" * (key_size - 4), b"v" * 3000) for n in range(40)]
    data = databases.build_bytes([(b"key", items)])
    assert check_structure(open_database(data)) == []
    assert databases.all_items(open_database(data)) == {b"key": items}
    assert_branches_have_children(data)


@pytest.mark.parametrize(("size", "is_inline"), [(991, True), (992, False)])
def test_a_bucket_is_inlined_exactly_when_bbolt_would(size: int, is_inline: bool) -> None:
    """16 + 16 + 1 + value: up to a quarter page of 4096."""
    database = open_database(databases.build_bytes([(b"key", [(b"k", bytes(size))])]))
    bucket = database.bucket(b"key")
    assert bucket is not None
    assert (bucket.root == 0) == is_inline


def test_a_full_leaf_uses_the_page_to_its_last_byte() -> None:
    items = [(b"a", bytes(2000)), (b"b", bytes(4096 - 16 - 16 - 1 - 2000 - 16 - 1))]
    data = databases.build_bytes([(b"key", items)])
    assert len(data) == 4 * 4096


def test_a_root_bucket_of_many_buckets_becomes_a_tree() -> None:
    content = [(b"bucket-%05d" % n, [(b"k", b"%d" % n)]) for n in range(300)]
    database = open_database(databases.build_bytes(content))
    assert check_structure(database) == []
    assert databases.all_items(database) == dict(content)


def test_no_buckets_at_all_is_a_database_too() -> None:
    database = open_database(databases.build_bytes([]))
    assert database.buckets() == []
    assert check_structure(database) == []


@pytest.mark.parametrize(
    "items",
    [
        [(b"b", b""), (b"a", b"")],
        [(b"a", b""), (b"a", b"")],
        [(b"", b"")],
        [(b"k" * (layout.MAX_KEY_SIZE + 1), b"")],
        [(b"%03d" % n, bytes(100)) for n in range(50)] + [(b"000", b"")],
    ],
)
def test_what_bbolt_cannot_hold_is_refused(items: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(FormatError):
        databases.build_bytes([(b"key", items)])


@pytest.mark.parametrize("names", [[b"b", b"a"], [b"a", b"a"], [b""]])
def test_buckets_out_of_order_are_refused(names: list[bytes]) -> None:
    with pytest.raises(FormatError):
        databases.build_bytes([(name, []) for name in names])


def test_the_source_is_read_as_a_stream() -> None:
    """Nothing but keys of pages and one batch is held: what was consumed reaches the sink long before the end."""
    consumed = 0
    lag: list[int] = []

    def items() -> Iterator[tuple[bytes, bytes]]:
        nonlocal consumed
        for n in range(5000):
            consumed += 1
            yield b"%08d" % n, bytes(2000)

    written = 0

    def sink(pieces: list[bytes]) -> None:
        nonlocal written
        written += sum(map(len, pieces))
        lag.append(consumed * 2000 - written)

    built = build([(b"key", items())], sink)
    assert built.item_count == 5000
    assert max(lag) < 2 << 20


def ordered(content: Content) -> list[tuple[bytes, list[tuple[bytes, bytes]]]]:
    return [(name, sorted(items.items())) for name, items in sorted(content.items())]


def records(count: int) -> list[mvcc.Record]:
    return [
        mvcc.Record(mvcc.RevisionKey(n, 0), mvcc.KeyValue(b"/registry/pods/%06d" % n, n, n, 1, bytes(n % 90)))
        for n in range(2, count + 2)
    ]


def assert_branches_have_children(data: bytes) -> None:
    database = open_database(data)
    number = 2
    while number < database.meta.high_water:
        page = database.page(number)
        if page.is_branch:
            assert len(decode_branch(page)) >= 2
        number += page.overflow + 1
