"""Opening data directories: what servers of five releases served after reopening the same files is what we read."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.findings import Severity, worst
from backstay.formats import hashkv, membership, schema, wal
from backstay.formats.mvcc import KeyValue
from backstay.formats.raft import Entry, EntryType
from backstay.formats.ranges import range_at
from backstay.snapshot.opened import OpenedStore, open_directory
from backstay.values import Revision
from tests import golden

DIRECTORIES = golden.KILLED + golden.COMPACTING


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_killed_directory_reads_as_its_server_served_it(name: str, tmp_path: Path) -> None:
    expected = golden.expectation(name)
    with open_directory(golden.unpack(name, tmp_path / "data")) as store:
        assert [finding for finding in store.findings if finding.severity is Severity.ERROR] == []
        assert store.revision == expected["revision"]
        assert store.tail is not None and store.tail.consistent_index == expected["wal_last_index"]
        check_hashes(store, expected, hashkv.rule_of(expected["made_by"]))
        check_ranges(store, expected["ranges"])
        check_leases(store, expected["leases"])
        check_access(store, expected)
        check_members(store, expected)
        assert list(store.bucket_items(schema.ALARM)) == expected["alarms"] == []


def check_hashes(store: OpenedStore, expected: dict[str, Any], rule: hashkv.HashRule) -> None:
    for at, hash_value, compact, *_ in expected["hashkv"]:
        assert store.compact_revision == compact
        assert hashkv.hash_kv(store.pages, at, compact, rule).hash == hash_value, f"at {at}"


def check_ranges(store: OpenedStore, ranges: dict[str, list[list[Any]]]) -> None:
    for at, items in ranges.items():
        assert [as_expected(item) for item in range_at(store.pages(), Revision(int(at)))] == items, f"at {at}"


def as_expected(item: KeyValue) -> list[Any]:
    """`item` as the expectation files write it."""
    value: Any = base64.b64encode(item.value).decode()
    if len(item.value) > 256:
        value = {"len": len(item.value), "sha256": hashlib.sha256(item.value).hexdigest()}
    key = base64.b64encode(item.key).decode()
    return [key, item.create_revision, item.mod_revision, item.version, item.lease, value]


def check_leases(store: OpenedStore, leases: list[dict[str, Any]]) -> None:
    attached: dict[int, list[str]] = {}
    for item in range_at(store.pages(), store.revision):
        attached.setdefault(item.lease, []).append(base64.b64encode(item.key).decode())
    found = [schema.decode_lease(key, value) for key, value in store.bucket_items(schema.LEASE)]
    assert sorted((lease.id, lease.ttl, attached.get(lease.id, [])) for lease in found) == sorted(
        (each["id"], each["granted_ttl"], sorted(each["keys"], key=base64.b64decode)) for each in leases
    )


def check_access(store: OpenedStore, expected: dict[str, Any]) -> None:
    users = [schema.decode_user(value) for _, value in store.bucket_items(schema.AUTH_USERS)]
    roles = [schema.decode_role(value) for _, value in store.bucket_items(schema.AUTH_ROLES)]
    assert {user.name: list(user.roles) for user in users} == expected["users"]
    assert {
        role.name: [
            [each.kind.name, base64.b64encode(each.key).decode(), base64.b64encode(each.range_end).decode()]
            for each in role.permissions
        ]
        for role in roles
    } == expected["roles"] | {name: [] for name in expected["roles"] if name == "root"}  # answered, never stored
    if "auth" not in expected:
        return  # 3.4 has no call that asks for it
    auth = dict(store.bucket_items(schema.AUTH))
    assert (auth.get(schema.AUTH_ENABLED) == b"\1") == expected["auth"]["enabled"]
    assert int.from_bytes(auth[schema.AUTH_REVISION], "big") == expected["auth"]["revision"]


def check_members(store: OpenedStore, expected: dict[str, Any]) -> None:
    members = [membership.decode_member(value) for _, value in store.bucket_items(schema.MEMBERS)]
    found = [[f"{each.id:x}", each.name, list(each.peer_urls), each.is_learner] for each in members]
    assert found == [[each["id"], each["name"], each["peerURLs"], each["isLearner"]] for each in expected["members"]]


@pytest.mark.parametrize(
    "name", [each for each in golden.DAMAGED_DIRS if "wal-gone" not in each and "commit" not in each]
)
def test_a_damaged_directory_reads_as_far_as_servers_read_it(name: str, tmp_path: Path) -> None:
    answers = golden.expectation(name)
    started = [each for each in answers["servers"].values() if "revision" in each]
    with open_directory(golden.unpack(name, tmp_path / "data")) as store:
        severity = worst(store.findings)
        for each in started:
            assert store.revision == each["revision"]
            current = hashkv.hash_kv(store.pages, store.revision, store.compact_revision)
            assert [current.hash, current.compact_revision] == each["hashkv_current"]
        if not started:
            assert severity is not None, "no server starts, and nothing was found"
        elif not all(each["complete"] for each in started):
            assert severity is Severity.WARNING
        if "middle-flip" in name:
            assert severity is Severity.ERROR


@pytest.mark.parametrize("name", ["damaged-dirs/3.5.35-wal-gone", "damaged-dirs/3.5.35-commit-low"])
def test_a_database_newer_than_its_log_opens_alone_only_when_asked_for(name: str, tmp_path: Path) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    with pytest.raises(BackstayError) as caught:
        open_directory(directory)
    assert caught.value.kind is errors.DIRECTORY_INCONSISTENT
    with open_directory(directory, database_alone=True) as store:
        assert store.revision == golden.expectation(name)["servers"]["3.5.35"]["revision"]
        assert store.tail is None
        assert worst(store.findings) is Severity.ERROR


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_without_database_is_rebuilt_from_its_log_and_says_so(name: str, tmp_path: Path) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    with open_directory(directory) as store:
        compact, revision = store.compact_revision, store.revision
        records = [record for record in store.records() if record.revision.main > compact]
        hash_now = hashkv.hash_kv(store.pages, revision, compact)
        buckets = {name: dict(store.bucket_items(name)) for name in schema.BUCKETS if name != schema.KEY}
    (directory / "member/snap/db").unlink()
    with open_directory(directory) as store:
        assert "database-missing" in [finding.code for finding in store.findings]
        assert hashkv.hash_kv(store.pages, revision, store.compact_revision) == hash_now
        assert [record for record in store.records() if record.revision.main > compact] == records
        rebuilt = {name: dict(store.bucket_items(name)) for name in schema.BUCKETS if name != schema.KEY}
    # What only a database says: that a compaction was finished, and the storage version.
    for key in (schema.FINISHED_COMPACT, schema.STORAGE_VERSION):
        buckets[schema.META].pop(key, None)
    if "3.4" in name:
        # 3.4 stores no raft configuration and no term, and its log has passwords that every member hashed for itself.
        rebuilt[schema.META].pop(schema.CONF_STATE)
        for users in (buckets[schema.AUTH_USERS], rebuilt[schema.AUTH_USERS]):
            users.update((key, encode_without_password(value)) for key, value in users.items())
    if "3.5.1" in name:
        # This release publishes client URLs to the old store only.
        buckets[schema.MEMBERS] = {key: without_client_urls(value) for key, value in buckets[schema.MEMBERS].items()}
        rebuilt[schema.MEMBERS] = {key: without_client_urls(value) for key, value in rebuilt[schema.MEMBERS].items()}
    assert rebuilt == buckets


def encode_without_password(value: bytes) -> bytes:
    return schema.encode_user(replace(schema.decode_user(value), password=b""))[1]


def without_client_urls(value: bytes) -> bytes:
    return membership.encode_member(replace(membership.decode_member(value), client_urls=()))[1]


def test_the_minimal_directory_of_a_foreign_writer_opens(tmp_path: Path) -> None:
    expected = golden.expectation(golden.FOREIGN_MINIMAL)["servers"]["3.7.3"]
    with open_directory(golden.unpack(golden.FOREIGN_MINIMAL, tmp_path / "data")) as store:
        assert store.findings == []
        assert store.revision == expected["revision"]
        assert [as_expected(item) for item in range_at(store.pages(), store.revision)] == expected["rows"]
        for at, hash_value in expected["hashkv"]:
            assert hashkv.hash_kv(store.pages, at, store.compact_revision).hash == hash_value


def test_a_directory_with_nothing_in_its_tail_has_none(tmp_path: Path) -> None:
    with open_directory(golden.unpack(golden.FOREIGN_MINIMAL, tmp_path / "data")) as store:
        assert store.tail is None
        assert store.describe().startswith("data directory")


@pytest.mark.parametrize("held", ["member/snap/db", "member/wal/0000000000000000-0000000000000000.wal"])
def test_a_directory_that_a_running_etcd_holds_is_refused(held: str, tmp_path: Path) -> None:
    directory = golden.unpack("3.6.16/killed", tmp_path / "data")
    with (directory / held).open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(BackstayError) as caught:
            open_directory(directory)
        assert caught.value.kind is errors.DIRECTORY_IN_USE


def test_nobody_can_take_the_directory_while_it_is_read(tmp_path: Path) -> None:
    directory = golden.unpack("3.6.16/killed", tmp_path / "data")
    with (directory / "member/snap/db").open("rb") as other:
        with open_directory(directory), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_reading_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    directory = golden.unpack("damaged-dirs/3.5.35-torn-sector", tmp_path / "data")
    before = {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    with open_directory(directory) as store:
        list(store.records())
    assert {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()} == before


def test_a_log_may_live_elsewhere(tmp_path: Path) -> None:
    directory = golden.unpack("3.7.3/killed", tmp_path / "data")
    shutil.move(directory / "member/wal", tmp_path / "log")
    with open_directory(directory, wal_directory=tmp_path / "log") as store:
        assert store.revision == golden.expectation("3.7.3/killed")["revision"]


def test_other_directories_are_named_for_what_they_are(tmp_path: Path) -> None:
    for path, kind in ((tmp_path, errors.SOURCE_UNKNOWN), (tmp_path / "absent", errors.SOURCE_NOT_FOUND)):
        with pytest.raises(BackstayError) as caught:
            open_directory(path)
        assert caught.value.kind is kind


def test_an_entry_that_does_not_decode_ends_the_reading_with_a_finding(tmp_path: Path) -> None:
    directory = golden.unpack(golden.FOREIGN_MINIMAL, tmp_path / "data")
    append_entries(directory, [b"\xff\xff\xff", bytes.fromhex("22060a0161120139a2060308d209")])
    with open_directory(directory) as store:
        assert [finding.code for finding in store.findings] == ["log-entry-unusable"]
        assert store.revision == 4


def test_entries_beyond_the_commit_index_count_in_a_cluster_of_one(tmp_path: Path) -> None:
    directory = golden.unpack(golden.FOREIGN_MINIMAL, tmp_path / "data")
    append_entries(directory, [bytes.fromhex("22060a0161120139a2060308d209")])
    with open_directory(directory) as store:
        assert store.revision == 5
        assert [item.value for item in range_at(store.pages(), Revision(5))] == [b"9", b"2"]
        assert [record.revision.main for record in store.records(Revision(4))] == [4, 5]


def append_entries(directory: Path, data: list[bytes]) -> None:
    """Write entries of term 1 from index 2 on behind the log of the minimal directory; the hard state stays."""
    path = directory / "member/wal/0000000000000000-0000000000000000.wal"
    log = wal.read_log([wal.Segment(path.name, path.read_bytes())])
    assert log.end is not None
    encoder = wal.LogEncoder(log.end.checksum)
    with path.open("ab") as file:
        for index, each in enumerate(data, start=2):
            file.write(encoder.entry(Entry(1, index, EntryType.NORMAL, each)))
