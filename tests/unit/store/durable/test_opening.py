"""A store opens what it, an older run of it, or a real etcd has left; and refuses what is damaged, naming file and offset."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.store.durable import Founder, StoreOptions, open_store
from tests import golden
from tests.restoring import golden_snapshot, restore_all
from tests.storing import SMALL, keys_of, put

SINGLE = golden.KILLED + golden.COMPACTING
REPAIRED = [
    name
    for name in golden.DAMAGED_DIRS
    if name.endswith(("torn-short", "torn-sector", "state-gone"))  # torn-zero is what etcd refuses too
]


def test_a_fresh_directory_is_founded_and_opens_again(tmp_path: Path) -> None:
    options = StoreOptions(Founder("me", ("http://127.0.0.1:1",), "token"))
    store = open_store(tmp_path / "data", options=options)
    put(store, "a", "1")
    store.close()
    again = open_store(tmp_path / "data")
    assert (again.metadata, again.state.revision, keys_of(again)) == (store.metadata, 2, {"a": "1"})
    assert again.findings == []
    again.close()


def test_a_mounted_empty_directory_is_founded_in_place(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    inode = place.stat().st_ino
    open_store(place).close()
    assert place.stat().st_ino == inode


def test_the_log_goes_on_over_several_segments(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data", options=SMALL)
    for number in range(100):
        put(store, f"key-{number:03}", "value" * 20)
    assert len(store.journal.segments()) > 2
    store.close()
    again = open_store(tmp_path / "data", options=SMALL)
    assert len(keys_of(again)) == 100
    assert again.state.consistent_index == again.journal.last_index == 101
    again.close()


@pytest.mark.parametrize("name", SINGLE)
def test_a_killed_etcds_directory_is_taken_over(name: str, tmp_path: Path) -> None:
    data = golden.unpack(name, tmp_path / "data")
    expectation = golden.expectation(name)
    store = open_store(data)
    assert store.state.revision == expectation["revision"]
    put(store, "taken", "over")
    store.close()
    again = open_store(data)
    assert again.state.revision == expectation["revision"] + 1
    assert keys_of(again)["taken"] == "over"
    again.close()


def test_a_second_store_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    with pytest.raises(BackstayError) as refused:
        open_store(tmp_path / "data")
    assert refused.value.kind.code == "directory-in-use"
    store.close()
    open_store(tmp_path / "data").close()


@pytest.mark.parametrize("name", REPAIRED)
def test_what_a_crash_explains_is_repaired_and_reported_once(name: str, tmp_path: Path) -> None:
    data = golden.unpack(name, tmp_path / "data")
    store = open_store(data)
    assert {each.code for each in store.findings} & {"log-torn-tail", "log-state-missing"}
    put(store, "after", "repair")
    store.close()
    again = open_store(data)
    assert again.findings == []
    assert keys_of(again)["after"] == "repair"
    again.close()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("3.5.35-middle-flip", "log-invalid"),
        ("3.5.35-wal-gone", "log-invalid"),
        ("3.5.35-torn-zero", "log-invalid"),
    ],
)
def test_damage_is_refused_with_file_and_remedy_and_nothing_changes(name: str, code: str, tmp_path: Path) -> None:
    data = golden.unpack(f"damaged-dirs/{name}", tmp_path / "data")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with pytest.raises(BackstayError) as refused:
        open_store(data)
    assert refused.value.kind.code == code
    assert "member/wal" in refused.value.where and refused.value.next_step
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_a_member_of_a_bigger_cluster_is_refused_with_an_explanation(tmp_path: Path) -> None:
    parent = tmp_path / "three"
    three = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"
    restore_all(golden_snapshot("3.5.35", tmp_path), parent, three)
    with pytest.raises(BackstayError) as refused:
        open_store(parent / "a.etcd")
    assert refused.value.kind.code == "directory-several-members"
    assert "a, b, c" in refused.value.why or "3" in refused.value.what


def test_a_lost_database_is_rebuilt_from_a_whole_log(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    put(store, "a", "1")
    store.close()
    (tmp_path / "data/member/snap/db").unlink()
    again = open_store(tmp_path / "data")
    assert keys_of(again) == {"a": "1"}
    again.close()


@pytest.mark.parametrize("why", ["there is no segment at all", "there is no such directory"])
def test_a_lost_log_is_named_as_what_it_is(why: str, tmp_path: Path) -> None:
    open_store(tmp_path / "data").close()
    log = tmp_path / "data/member/wal"
    for each in log.iterdir():
        each.unlink()
    if why.endswith("directory"):
        log.rmdir()
    with pytest.raises(BackstayError) as refused:
        open_store(tmp_path / "data")
    assert (refused.value.kind.code, refused.value.where, refused.value.why) == ("log-invalid", str(log), why)


def test_a_database_cut_short_is_named_with_the_offset(tmp_path: Path) -> None:
    open_store(tmp_path / "data").close()
    database = tmp_path / "data/member/snap/db"
    database.write_bytes(database.read_bytes()[: 2 * 4096 + 100])
    with pytest.raises(BackstayError) as refused:
        open_store(tmp_path / "data")
    assert refused.value.kind.code == "format-invalid"
    assert refused.value.where.startswith(f"{database}, offset ")
