"""One pass learns everything: numbers, contents, the trailer, HashKV; and it survives whatever the file holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backstay.formats.bbolt import open_database
from backstay.formats.hashkv import CURRENT_RULE, EMPTY_HASH
from backstay.snapshot.hash import BackgroundDigest
from backstay.snapshot.inspect import Inspection, Trailer, inspect, inspect_database
from backstay.snapshot.opened import open_file
from tests import golden
from tests.unit.formats.databases import build_bytes


class Recorder:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done = 0

    def begin(self, phase: str, total_bytes: int | None) -> None:
        self.phases.append((phase, total_bytes))

    def advance(self, done_bytes: int) -> None:
        self.done += done_bytes

    def finish(self) -> None:
        pass


def inspected(tmp_path: Path, data: bytes, **settings: object) -> Inspection:
    file = tmp_path / "backup.db"
    file.write_bytes(data)
    with open_file(file) as store:
        return inspect(store, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_a_golden_snapshot_is_known_through_and_through(version: str, tmp_path: Path) -> None:
    wanted = golden.expectation(f"{version}/snapshot")
    found = inspected(tmp_path, golden.snapshot(version), with_hash_kv=CURRENT_RULE)
    assert found.findings == ()
    assert found.trailer is Trailer.RIGHT
    assert found.file_size == wanted["file_size"]
    assert found.current_revision == wanted["revision"]
    assert found.records.record_count == wanted["records"]
    assert found.contents.consistent_index == wanted["consistent_index"]
    assert found.contents.scheduled_compact == wanted["scheduled_compact"]
    assert set(found.contents.leases) == {each["id"] for each in wanted["leases"]}
    assert found.attached_leases == {each["id"] for each in wanted["leases"] if each["keys"]}
    assert found.contents.user_count == len(wanted["users"])
    assert found.contents.role_count == len(wanted["roles"])
    assert len(found.contents.alarms) == len(wanted["alarms"])
    assert [f"{member.id:x}" for member in found.contents.members] == [each["id"] for each in wanted["members"]]
    assert found.hash_kv is not None
    assert [found.hash_kv.hash, found.hash_kv.compact_revision] == wanted["hashkv_current"]


@pytest.mark.parametrize(
    ("name", "trailer"),
    [
        ("00-good", Trailer.RIGHT),
        ("05-flip-in-value", Trailer.WRONG),
        ("06-flip-in-value-right-trailer", Trailer.RIGHT),
        ("07-no-trailer", Trailer.MISSING),
        ("08-wrong-trailer", Trailer.WRONG),
    ],
)
def test_the_trailer_is_compared(name: str, trailer: Trailer, tmp_path: Path) -> None:
    assert inspected(tmp_path, golden.damaged(name)).trailer is trailer


def test_the_trailer_is_left_alone_where_nobody_asks(tmp_path: Path) -> None:
    found = inspected(tmp_path, golden.damaged("08-wrong-trailer"), with_trailer=False)
    assert found.trailer is Trailer.NOT_COMPARED


def test_hash_kv_is_not_computed_from_damaged_records(tmp_path: Path) -> None:
    found = inspected(tmp_path, golden.damaged("16-value-not-protobuf"), with_hash_kv=CURRENT_RULE)
    assert found.hash_kv is None
    assert [finding.code for finding in found.record_findings] == ["record-invalid"]


def test_a_flipped_value_changes_hash_kv_and_nothing_else() -> None:
    good, flipped = (
        inspect_database(open_database(golden.damaged(name)[:-32]), with_hash_kv=CURRENT_RULE)
        for name in ("00-good", "06-flip-in-value-right-trailer")
    )
    assert good.hash_kv is not None and flipped.hash_kv is not None
    assert good.hash_kv.hash == golden.expectation("damaged")["good"]["hashkv_current"][0]
    assert flipped.hash_kv.hash != good.hash_kv.hash
    assert flipped.findings == good.findings == ()


def test_progress_covers_the_data(tmp_path: Path) -> None:
    recorder = Recorder()
    found = inspected(tmp_path, golden.snapshot("3.7.3"), with_hash_kv=CURRENT_RULE, progress=recorder)
    assert recorder.phases == [("checking", found.data_size), ("hashing", found.data_size)]
    assert recorder.done > 0


def test_a_database_without_etcds_buckets_is_inspected_all_the_same() -> None:
    found = inspect_database(open_database(build_bytes([(b"other", [(b"k", b"v")])])), with_hash_kv=CURRENT_RULE)
    assert found.buckets == {b"other": 1}
    assert found.records.last_revision == 0
    assert found.current_revision == 1
    assert found.hash_kv is not None and found.hash_kv.hash == EMPTY_HASH


def test_hostile_entries_become_findings_and_are_counted_out() -> None:
    members = [(f"{number:x}".encode(), b"[" * 5000) for number in range(1, 300)]
    meta = [(b"confState", b'{"voters":[' + b"9" * 5000 + b"]}"), (b"term", b"short"), (b"what", b"?")]
    found = inspect_database(open_database(build_bytes([(b"members", sorted(members)), (b"meta", meta)])))
    assert {finding.code for finding in found.contents.findings} == {"entry-invalid"}
    assert len(found.contents.findings) == 100
    assert found.contents.members == []


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (33 << 20) + 7])
def test_the_background_digest_is_sha256(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    with BackgroundDigest(data, size) as digest:
        assert digest.result() == hashlib.sha256(data[:size]).digest()


def test_the_background_digest_is_abandoned_when_nobody_waits() -> None:
    with BackgroundDigest(bytes(64 << 20), 64 << 20):
        pass
