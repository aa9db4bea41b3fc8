"""The numbers of `snapshot status` in each dialect, from hand-made stores."""

from __future__ import annotations

import pytest

from backstay.formats import mvcc, schema
from backstay.formats.bbolt import open_database
from backstay.snapshot.inspect import Inspection, inspect_database
from backstay.snapshot.status import DIALECTS, damage_of, status_of
from tests.unit.formats.databases import SMALL_RECORDS, build_bytes
from tests.unit.formats.worked_example import WORKED_EXAMPLE


def inspected(*records: mvcc.Record, meta: list[tuple[bytes, bytes]] | None = None) -> Inspection:
    items = [mvcc.encode_record(record) for record in records]
    return inspect_database(open_database(build_bytes([(schema.KEY, items), (schema.META, meta or [])])))


def test_the_worked_example_has_the_numbers_of_the_format_description() -> None:
    found = inspect_database(open_database(WORKED_EXAMPLE))
    old, new = status_of(found, DIALECTS["3.5"]), status_of(found)
    assert (f"{old.hash:x}", old.revision, old.total_key, old.total_size) == ("2beda40f", 5, 6, 16384)
    assert (new.total_key, new.version) == (1, "")


def test_old_dialects_count_elements_and_new_ones_keys() -> None:
    found = inspected(*SMALL_RECORDS, meta=[(schema.TERM, bytes(8))])
    assert status_of(found, DIALECTS["3.4"]).total_key == 5
    assert status_of(found, DIALECTS["3.6"]).total_key == 1


def test_the_record_of_a_bump_counts_as_a_key() -> None:
    bump = mvcc.encode_revision(mvcc.RevisionKey(1_000_000_005, 0))
    items = [*(mvcc.encode_record(record) for record in SMALL_RECORDS), (bump, b"")]
    found = inspect_database(open_database(build_bytes([(schema.KEY, items), (schema.META, [])])))
    status = status_of(found)
    assert (status.revision, status.total_key) == (1_000_000_005, 2)


@pytest.mark.parametrize(
    ("stored", "shown"), [(b"3.6.0", "3.6.0"), (b"3.6.0-alpha.1+x", "3.6.0-alpha.1+x"), (b"3.6", ""), (b"\xff", "")]
)
def test_a_version_that_does_not_parse_is_empty(stored: bytes, shown: str) -> None:
    assert status_of(inspected(meta=[(schema.STORAGE_VERSION, stored)])).version == shown


def test_a_store_without_records_has_revision_zero_as_in_etcd() -> None:
    found = inspected()
    assert status_of(found).revision == 0
    assert damage_of(found) == []


def test_a_store_without_meta_is_damaged_where_etcd_crashes() -> None:
    found = inspect_database(open_database(build_bytes([(schema.KEY, [])])))
    assert [finding.code for finding in damage_of(found)] == ["not-an-etcd-store"]
