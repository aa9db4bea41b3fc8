"""Opening a snapshot file: its numbers, its records, and what is refused with which error."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.formats import hashkv, schema
from backstay.snapshot.opened import OpenedStore, open_file
from backstay.values import Revision
from tests import golden


@pytest.fixture(params=golden.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(version: str, tmp_path: Path) -> Iterator[OpenedStore]:
    path = tmp_path / "snapshot.db"
    path.write_bytes(golden.snapshot(version))
    with open_file(path) as opened:
        yield opened


def test_a_golden_snapshot_shows_the_revision_that_its_server_reported(store: OpenedStore, version: str) -> None:
    expected = golden.expectation(f"{version}/snapshot")
    assert store.revision == expected["revision"]
    assert store.compact_revision == expected["scheduled_compact"]
    assert store.trailer == store.path.read_bytes()[-32:]
    assert store.content_size == store.file_size - 32


def test_records_and_pages_of_a_golden_snapshot_hold_everything(store: OpenedStore, version: str) -> None:
    expected = golden.expectation(f"{version}/snapshot")
    records = list(store.records())
    assert len(records) == expected["records"] == sum(len(page.spans) for page in store.pages())
    rule = hashkv.rule_of(version)
    for at, hash_value, compact, *_ in expected["hashkv"][::40]:
        assert hashkv.hash_kv(store.pages, at, compact, rule).hash == hash_value


def test_records_can_start_at_any_revision(store: OpenedStore) -> None:
    everything = list(store.records())
    start = everything[len(everything) // 2].revision.main
    assert list(store.records(Revision(start))) == [each for each in everything if each.revision.main >= start]


def test_other_buckets_are_read_by_name(store: OpenedStore) -> None:
    assert set(store.bucket_names()) >= set(schema.BUCKETS)
    assert (
        store.item(schema.META, schema.CONSISTENT_INDEX) == dict(store.bucket_items(schema.META))[b"consistent_index"]
    )
    assert list(store.bucket_items(b"no such bucket")) == []


def test_a_missing_file_is_named_with_the_next_step(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "absent.db") is errors.SOURCE_NOT_FOUND


def test_a_directory_is_no_snapshot_file(tmp_path: Path) -> None:
    assert kind_of(tmp_path) is errors.SOURCE_UNKNOWN


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") is errors.SOURCE_UNKNOWN


@pytest.mark.parametrize("content", [b"", b"x", b"not a database" * 4000])
def test_what_is_no_database_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert kind_of(tmp_path / "file") is errors.FORMAT_INVALID


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    assert kind_of(tmp_path / "file") is errors.SOURCE_UNREADABLE


def test_a_database_that_a_running_etcd_holds_is_refused_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(golden.snapshot("3.5.35"))
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(BackstayError) as caught:
            open_file(path, refuse_in_use=True)
        assert caught.value.kind is errors.DIRECTORY_IN_USE
        with open_file(path) as opened:
            assert opened.revision > 1


def kind_of(path: Path) -> errors.ErrorKind:
    """The kind of error that opening `path` raises."""
    with pytest.raises(BackstayError) as caught:
        open_file(path)
    assert caught.value.next_step
    return caught.value.kind
