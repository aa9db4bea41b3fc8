"""A restore keeps every record, makes the database its new cluster's, and says beforehand what it will do."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError, ErrorKind
from backstay.formats import bbolt, hashkv, mvcc, schema, wal
from backstay.formats.raft_snapshot import decode_file, decode_v2_store
from backstay.formats.wal import Segment, SnapshotRecord, read_log
from backstay.snapshot.opened import OpenedStore, open_directory, open_file
from backstay.snapshot.restore import Changes, LeaseTreatment, new_cluster
from backstay.snapshot.restore.examine import find_kubernetes_prefix
from backstay.snapshot.restore.write import LOG_NAME, new_log
from backstay.values import NO_COMPACTION, Revision
from tests import golden
from tests.restoring import WITHOUT_BUMP, golden_snapshot, restore_all, restore_one

THREE = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"

# `etcd-files` section 11.2: the whole log of one member with etcd's defaults.
MINIMAL_LOG = """
04000000000000840804100000000000 20000000000000000801 10bb81c7fc05 1a1608cdd2918bd2b881cf8e0110b298eaf1948386fccd01
0e0000000000008208051094bbc7ed0e1a04080010000000 74000000000000840802 10c2ee92950b 1a6a080110011801226208001000
18cdd2918bd2b881cf8e0122517b226964223a31303237363635373734333933323937353433372c227065657255524c73223a5b22687474703a2f2f
6c6f63616c686f73743a32333830225d2c226e616d65223a2264656661756c74227d00000000
19000000000000870803109b98d6c3081a0f080110cdd2918bd2b881cf8e01180100000000000000
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return golden_snapshot("3.6.16", tmp_path)


def opened(directory: Path) -> OpenedStore:
    return open_file(directory / "member" / "snap" / "db")


def hash_at_every_revision(store: OpenedStore) -> Iterator[tuple[int, int, int]]:
    for revision in range(max(store.compact_revision, 1), store.revision + 1):
        answer = hashkv.hash_kv(store.pages, Revision(revision), store.compact_revision)
        yield answer.revision, answer.hash, answer.compact_revision


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_a_restored_database_answers_every_hash_that_the_server_answered(version: str, tmp_path: Path) -> None:
    restored = restore_one(golden_snapshot(version, tmp_path), tmp_path / "data")
    expectation = golden.expectation(f"{version}/snapshot")
    assert [restored.result.hash, restored.result.compact_revision] == expectation["hashkv_current"]
    with opened(tmp_path / "data") as store:
        answers = {each[:3] for each in hash_at_every_revision(store)}
    assert {tuple(each[:3]) for each in expectation["hashkv"]} <= answers


@pytest.mark.parametrize("name", golden.KILLED + golden.COMPACTING)
def test_a_directory_is_restored_with_the_writes_that_only_its_log_has(name: str, tmp_path: Path) -> None:
    directory = golden.unpack(name, tmp_path / "killed")
    restored = restore_one(directory, tmp_path / "data")
    expectation = golden.expectation(name)
    assert restored.plan.revision_before == restored.plan.revision_after == expectation["revision"]
    assert [restored.result.hash, restored.result.compact_revision] == expectation["hashkv_current"]


def test_the_same_content_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    restore_one(source, tmp_path / "first")
    restore_one(tmp_path / "first", tmp_path / "second")
    first, second = (tmp_path / name / "member" for name in ("first", "second"))
    assert (first / "snap" / "db").read_bytes() == (second / "snap" / "db").read_bytes()
    assert (first / "wal" / LOG_NAME).read_bytes() == (second / "wal" / LOG_NAME).read_bytes()


def test_the_log_of_the_default_member_is_the_one_every_release_was_seen_to_take() -> None:
    cluster = new_cluster()
    written, minimal = new_log(cluster.members[0], cluster), bytes.fromhex("".join(MINIMAL_LOG.split()))
    assert written.startswith(minimal)
    (*_, last) = read_log([Segment(LOG_NAME, written)]).snapshots
    assert last == SnapshotRecord(1, 1, cluster.conf_state), "so that who joins later is sent the database"


def test_the_raft_snapshot_belongs_to_the_log(source: Path, tmp_path: Path) -> None:
    restore_all(source, tmp_path / "all", THREE)
    for name in "abc":
        snap = tmp_path / "all" / f"{name}.etcd" / "member" / "snap"
        content = decode_file((snap / "0000000000000001-0000000000000003.snap").read_bytes())
        assert (content.term, content.index, len(content.conf_state.voters)) == (1, 3, 3)
        assert {each.name for each in decode_v2_store(content.data).members} <= {"a", "b", "c", ""}


def test_the_database_belongs_to_the_new_members_only(source: Path, tmp_path: Path) -> None:
    restored = restore_all(source, tmp_path / "all", THREE)
    ids = sorted(int(member.id, 16) for member in restored.plan.members)
    databases = set()
    for name in "abc":
        directory = tmp_path / "all" / f"{name}.etcd"
        databases.add((directory / "member/snap/db").read_bytes())
        with opened(directory) as store:
            assert store.bucket_names() == sorted(schema.BUCKETS)
            members = [json.loads(value) for _, value in store.bucket_items(schema.MEMBERS)]
            assert {each["name"]: each["peerURLs"] for each in members} == {
                "a": ["http://127.0.0.1:1"],
                "b": ["http://127.0.0.1:2"],
                "c": ["http://127.0.0.1:3"],
            }
            assert sorted(each["id"] for each in members) == ids
            assert list(store.bucket_items(schema.MEMBERS_REMOVED)) == []
            assert store.version == store.cluster_version == ""
            assert store.item(schema.META, schema.CONSISTENT_INDEX) == schema.encode_u64(3)
            assert store.item(schema.META, schema.TERM) == schema.encode_u64(1)
            assert json.loads(store.item(schema.META, schema.CONF_STATE) or b"") == {"voters": ids, "auto_leave": False}
        log = wal.read_log([wal.Segment(LOG_NAME, (directory / "member/wal" / LOG_NAME).read_bytes())])
        assert not log.findings
        assert log.metadata is not None and log.hard_state is not None
        own = {member.name: int(member.id, 16) for member in restored.plan.members}
        assert log.metadata.node_id == own[name]
        assert (log.hard_state.commit, log.hard_state.vote, len(log.entries)) == (3, ids[0], 3)
    assert len(databases) == 1


def test_directories_and_files_are_for_their_owner_only(source: Path, tmp_path: Path) -> None:
    restore_one(source, tmp_path / "data")
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_bump_adds_one_empty_record_and_marks_everything_before_compacted(source: Path, tmp_path: Path) -> None:
    restored = restore_one(source, tmp_path / "data", Changes(bump=1000))
    bumped = mvcc.encode_revision(mvcc.RevisionKey(1242, 0))
    with opened(tmp_path / "data") as store, open_file(source) as before:
        assert store.revision == store.compact_revision == restored.plan.revision_after == 1242
        assert store.item(schema.KEY, bumped) == b""
        assert store.item(schema.META, schema.SCHEDULED_COMPACT) == bumped
        finished = before.item(schema.META, schema.FINISHED_COMPACT)
        assert store.item(schema.META, schema.FINISHED_COMPACT) == finished
        assert list(store.records())[:-1] == list(before.records())


def test_a_bump_counts_from_a_compaction_above_the_newest_record(tmp_path: Path) -> None:
    marker = mvcc.encode_revision(mvcc.RevisionKey(70, 0))
    record = mvcc.encode_record(mvcc.Record(mvcc.RevisionKey(9, 0), mvcc.KeyValue(b"a", 9, 9, 1, b"1")))
    items = {
        schema.KEY: [record],
        schema.META: [
            (schema.CONSISTENT_INDEX, schema.encode_u64(5)),
            (schema.FINISHED_COMPACT, marker),
            (schema.SCHEDULED_COMPACT, marker),
        ],
    }
    pages: list[bytes] = []
    built = bbolt.build(((name, sorted(items.get(name, []))) for name in schema.BUCKETS), pages.extend)
    (tmp_path / "db").write_bytes(built.meta_pages + b"".join(pages))
    restored = restore_one(tmp_path / "db", tmp_path / "data", Changes(bump=1000), skip_hash_check=True)
    assert (restored.plan.revision_before, restored.plan.revision_after) == (70, 1070)


def test_kubernetes_keys_are_bumped_unless_refused(source: Path, tmp_path: Path) -> None:
    assert restore_one(source, tmp_path / "one", Changes()).plan.bump == 1_000_000_000
    assert restore_one(source, tmp_path / "two", Changes(keep_revision=True)).plan.bump == 0
    assert restore_one(source, tmp_path / "three", Changes(bump=7)).plan.bump == 7


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        (b"/registry/pods/default/web", "/registry/"),
        (b"/kubernetes.io/pods/default/web", "/kubernetes.io/"),
        (b"registry/pods", ""),
        (b"/other/registry/pods", ""),
    ],
)
def test_only_keys_that_begin_like_kubernetes_look_like_it(key: bytes, prefix: str) -> None:
    value = mvcc.encode_key_value(mvcc.KeyValue(key, 2, 2, 1, b"/registry/ in a value"))
    page = hashkv.RecordPage(bytes(17) + value, [(0, 0, 17, 17 + len(value))])
    assert find_kubernetes_prefix([page]) == prefix


def test_a_bump_beyond_the_highest_revision_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BackstayError) as caught:
        restore_one(source, tmp_path / "data", Changes(bump=(1 << 63) - 1))
    assert caught.value.kind is errors.USAGE
    assert not (tmp_path / "data").exists()


def test_dropped_leases_are_gone_and_no_key_refers_to_one(source: Path, tmp_path: Path) -> None:
    restore_one(source, tmp_path / "data", Changes(keep_revision=True, leases=LeaseTreatment.DROP))
    with opened(tmp_path / "data") as store, open_file(source) as before:
        assert list(store.bucket_items(schema.LEASE)) == []
        original = list(before.records())
        assert any(record.item.lease for record in original)
        expected = [record._replace(item=record.item._replace(lease=0)) for record in original]
        assert list(store.records()) == expected


def test_alarms_are_carried_or_cleared_and_named_in_the_plan(source: Path, tmp_path: Path) -> None:
    carried = restore_one(source, tmp_path / "carried").plan
    assert any("NOSPACE" in notice and "--clear-alarms" in notice for notice in carried.notices)
    cleared = restore_one(source, tmp_path / "cleared", Changes(clear_alarms=True)).plan
    assert "alarms cleared: NOSPACE" in cleared.changes
    with opened(tmp_path / "carried") as store:
        assert len(list(store.bucket_items(schema.ALARM))) == 1
    with opened(tmp_path / "cleared") as store:
        assert list(store.bucket_items(schema.ALARM)) == []


def test_the_plan_says_that_the_password_of_root_is_still_needed(tmp_path: Path) -> None:
    plan = restore_one(golden_snapshot("3.7.3", tmp_path), tmp_path / "data").plan
    assert any("root's password is still needed" in notice for notice in plan.notices)


def test_buckets_and_entries_of_nobody_are_carried_along(tmp_path: Path) -> None:
    pages: list[bytes] = []
    extra = {b"own": [(b"a", b"b")], schema.META: [(b"own", b"kept")]}
    names = sorted((*schema.BUCKETS, b"own"))
    built = bbolt.build(((name, extra.get(name, [])) for name in names), pages.extend)
    (tmp_path / "db").write_bytes(built.meta_pages + b"".join(pages))
    restored = restore_one(tmp_path / "db", tmp_path / "data", skip_hash_check=True)
    assert (restored.plan.revision_before, restored.plan.compact_revision_before) == (1, NO_COMPACTION)
    assert restored.result.hash == hashkv.EMPTY_HASH
    with opened(tmp_path / "data") as store:
        assert store.item(b"own", b"a") == b"b"
        assert store.item(schema.META, b"own") == b"kept"


def test_the_log_can_live_elsewhere(source: Path, tmp_path: Path) -> None:
    restore_one(source, tmp_path / "data", wal_directory=tmp_path / "log")
    assert [path.name for path in (tmp_path / "log").iterdir()] == [LOG_NAME]
    assert not (tmp_path / "data" / "member" / "wal").exists()
    restore_one(source, tmp_path / "inside", wal_directory=tmp_path / "inside" / "logs" / "wal")
    assert (tmp_path / "inside" / "logs" / "wal" / LOG_NAME).exists()
    with open_directory(tmp_path / "inside", wal_directory=tmp_path / "inside" / "logs" / "wal") as store:
        assert not store.findings


DAMAGED = {
    "01-truncated-at-page": errors.TRAILER_MISSING,
    "02-truncated-with-odd-length": errors.TRAILER_MISSING,
    "05-flip-in-value": errors.TRAILER_MISMATCH,
    "07-no-trailer": errors.TRAILER_MISSING,
    "08-wrong-trailer": errors.TRAILER_MISMATCH,
    "10-both-metas-invalid": errors.FORMAT_INVALID,
    "14b-hot-copy-plausible": errors.TRAILER_MISSING,
    "15-revision-gap": errors.SNAPSHOT_INVALID,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_snapshots_are_refused_and_leave_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(golden.damaged(name))
    refused(DAMAGED[name], tmp_path / "damaged.db", tmp_path)


@pytest.mark.parametrize("name", ["03-flip-in-leaf-element", "09-swapped-keys", "14-hot-copy-torn", "15-revision-gap"])
def test_skipping_the_hash_check_does_not_skip_the_others(name: str, tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(golden.damaged(name))
    problem = refused(errors.SNAPSHOT_INVALID, tmp_path / "damaged.db", tmp_path, skip_hash_check=True)
    assert "snapshot verify" in problem.next_step


def test_a_plausible_hot_copy_is_refused_even_without_the_hash(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(golden.damaged("14b-hot-copy-plausible"))
    refused(errors.SNAPSHOT_INVALID, tmp_path / "damaged.db", tmp_path, skip_hash_check=True)


def test_a_file_without_the_hash_is_restored_when_its_owner_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.db").write_bytes(golden.damaged("07-no-trailer"))
    plan = restore_one(tmp_path / "bare.db", tmp_path / "data", skip_hash_check=True).plan
    assert any("no SHA-256" in notice for notice in plan.notices)


def test_the_database_of_a_data_directory_is_recognised(tmp_path: Path) -> None:
    directory = golden.unpack("3.5.35/killed", tmp_path / "killed")
    problem = refused(errors.TRAILER_MISSING, directory / "member" / "snap" / "db", tmp_path)
    assert f"backstay snapshot restore {directory}" in problem.next_step


def test_what_exists_is_never_touched(source: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_bytes(b"1")
    refused(errors.TARGET_EXISTS, source, tmp_path)
    assert (tmp_path / "data" / "precious").read_bytes() == b"1"
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "precious").write_bytes(b"1")
    with pytest.raises(BackstayError) as caught:
        restore_one(source, tmp_path / "data", wal_directory=tmp_path / "log")
    assert caught.value.what == f'wal-dir "{tmp_path / "log"}" exists'
    assert not (tmp_path / "data").exists()
    with pytest.raises(BackstayError):
        restore_all(source, tmp_path / "log", THREE)


def test_an_empty_directory_may_be_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    restore_one(source, tmp_path / "data", WITHOUT_BUMP)
    assert (tmp_path / "data" / "member").is_dir()


def refused(kind: ErrorKind, source: Path, tmp_path: Path, *, skip_hash_check: bool = False) -> BackstayError:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BackstayError) as caught:
        restore_one(source, tmp_path / "data", skip_hash_check=skip_hash_check)
    assert caught.value.kind is kind
    assert sorted(tmp_path.rglob("*")) == before
    return caught.value
