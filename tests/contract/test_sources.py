"""What every source of keys promises, held against the golden files and what etcd itself answered about them.

The same suite runs over snapshot files and killed directories of five releases, over those snapshots backed up into a
repository, and over the newest etcd here that serves one of the snapshots.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backstay import errors
from backstay.blobs.local import LocalStore
from backstay.etcd import Client, ConnectionOptions, Credentials
from backstay.snapshot.canonical import StoreContents
from backstay.snapshot.opened import open_file
from backstay.sources import Selection, Source, open_source
from backstay.values import Revision
from tests import golden, peers
from tests.backing_up import Place
from tests.conftest import StartEtcd

ALL = Selection.parse("")


@dataclass(frozen=True)
class Case:
    """A source and what etcd said of the same data."""

    source: Source
    expected: dict[str, Any]

    def rows(self, revision: str) -> list[tuple[bytes, int, int, int, int, int, str]]:
        """(key, create, mod, version, lease, size, sha256) of everything at a revision, as etcd answered."""
        rows = []
        for key, create, mod, version, lease, value in self.expected["ranges"][revision]:
            if isinstance(value, dict):
                size, digest = value["len"], value["sha256"]
            else:
                content = base64.b64decode(value)
                size, digest = len(content), hashlib.sha256(content).hexdigest()
            rows.append((base64.b64decode(key), create, mod, version, lease, size, digest))
        return sorted(rows)


def file_case(version: str, tmp_path: Path, start_etcd: StartEtcd) -> Case:
    path = tmp_path / "snapshot.db"
    path.write_bytes(golden.snapshot(version))
    return Case(open_source(str(path)), golden.expectation(f"{version}/snapshot"))


def directory_case(name: str, tmp_path: Path, start_etcd: StartEtcd) -> Case:
    return Case(open_source(str(golden.unpack(name, tmp_path / "data"))), golden.expectation(name))


class SnapshotCluster(StoreContents):
    """A store on disk as something that `tests.backing_up.Place` backs up; its HashKV is not looked at here."""

    def hash_kv(self) -> int:
        return 0


def repository_case(version: str, tmp_path: Path, start_etcd: StartEtcd) -> Case:
    """The same snapshot after it went into a repository."""
    path, repository = tmp_path / "snapshot.db", tmp_path / "repository"
    repository.mkdir()
    place = Place(LocalStore(repository), spill=tmp_path)
    path.write_bytes(golden.snapshot(version))
    with open_file(path) as store:
        place.back_up(SnapshotCluster(store))
    path.unlink()
    return Case(
        open_source(repository.as_uri(), identities=[place.recovery]), golden.expectation(f"{version}/snapshot")
    )


def live_case(version: str, tmp_path: Path, start_etcd: StartEtcd) -> Case:
    peer = peers.newest()
    if peer.etcdutl is None:
        pytest.skip("etcdutl came with 3.5")
    path, data_dir = tmp_path / "snapshot.db", tmp_path / "served"
    path.write_bytes(golden.snapshot(version))
    restore = [str(peer.etcdutl), "snapshot", "restore", str(path), f"--data-dir={data_dir}"]
    subprocess.run(restore, check=True, capture_output=True, timeout=60)
    etcd = start_etcd(peer, data_dir)
    expected = golden.expectation(f"{version}/snapshot")
    credentials = Credentials(user="root", password=expected["passwords"]["root"])
    options = ConnectionOptions.of([etcd.endpoint], credentials)
    return Case(open_source("live", connect=lambda: Client(options)), expected)


MAKERS: dict[str, Callable[[str, Path, StartEtcd], Case]] = {
    "file": file_case,
    "directory": directory_case,
    "repository": repository_case,
    "live": live_case,
}
CASES = [
    *(("file", version) for version in golden.VERSIONS),
    *(("directory", name) for name in (*golden.KILLED, *golden.COMPACTING)),
    *(("repository", version) for version in golden.VERSIONS),
    ("live", "3.7.3"),
]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest, tmp_path: Path, start_etcd: StartEtcd) -> Iterator[Case]:
    kind, version = request.param
    made = MAKERS[kind](version, tmp_path, start_etcd)
    with made.source:
        yield made


def test_a_source_keeps_its_promises(case: Case) -> None:
    """One test for all of them, because the living source takes a second to start."""
    keys_and_values_at_every_revision_are_what_etcd_answered(case)
    revisions_are_told_and_kept_to(case)
    a_selection_gives_what_it_names_in_order_of_keys(case)
    counting_agrees_with_listing(case)
    items_and_history_agree_with_everything_else(case)


def keys_and_values_at_every_revision_are_what_etcd_answered(case: Case) -> None:
    for text in case.expected["ranges"]:
        at, wanted = Revision(int(text)), case.rows(text)
        assert [tuple(entry) for entry in case.source.keys(ALL, at)] == [row[:6] for row in wanted]
        for key, create, mod, version, lease, _, digest in wanted:
            item = case.source.get(key, at)
            assert item is not None
            assert item[:4] + item[5:] == (key, create, mod, version, lease)
            assert hashlib.sha256(item.value).hexdigest() == digest
    newest = max(case.expected["ranges"], key=int)
    gone = {row[0] for text in case.expected["ranges"] for row in case.rows(text)} - {r[0] for r in case.rows(newest)}
    assert gone
    assert all(case.source.get(key) is None for key in [*gone, b"/no/such/key", b""])


def revisions_are_told_and_kept_to(case: Case) -> None:
    source, expected = case.source, case.expected
    compact_revision = expected["hashkv"][0][2]
    assert source.revision == expected["revision"]
    assert source.compact_revision == compact_revision
    for at, kind in (
        (Revision(compact_revision - 1), errors.REVISION_COMPACTED),
        (Revision(expected["revision"] + 1), errors.REVISION_FUTURE),
    ):
        for read in (
            lambda at=at: list(source.keys(ALL, at)),
            lambda at=at: source.get(b"a", at),
            lambda at=at: source.count(ALL, at, sizes=False),
        ):
            with pytest.raises(errors.BackstayError) as caught:
                read()
            assert caught.value.kind is kind
    assert source.describe()


def a_selection_gives_what_it_names_in_order_of_keys(case: Case) -> None:
    for text, row_keys in ((text, [row[0] for row in case.rows(text)]) for text in case.expected["ranges"]):
        at = Revision(int(text))
        for selection, wanted in (
            ("/registry/", [key for key in row_keys if key.startswith(b"/registry/")]),
            ("/registry/*/*", [key for key in row_keys if key.startswith(b"/registry/") and key.count(b"/") == 3]),
            ("/**/default/**", [key for key in row_keys if key[:1] == b"/" and b"/default/" in key[1:]]),
            ("\\x00", [key for key in row_keys if key.startswith(b"\x00")]),
        ):
            assert [entry.key for entry in case.source.keys(Selection.parse(selection), at, sizes=False)] == wanted
            assert [item.key for item in case.source.items(Selection.parse(selection), at)] == wanted


def counting_agrees_with_listing(case: Case) -> None:
    for selection in (ALL, Selection.parse("/registry/"), Selection.parse("/**/default/**")):
        entries = list(case.source.keys(selection))
        assert case.source.count(selection) == (len(entries), sum(entry.size or 0 for entry in entries))
        assert case.source.count(selection, sizes=False) == (len(entries), None)
        assert all(entry.size is None for entry in case.source.keys(selection, sizes=False))


def items_and_history_agree_with_everything_else(case: Case) -> None:
    for text in case.expected["ranges"]:
        at = Revision(int(text))
        rows = [(each.key, *each[1:4], each.lease, len(each.value)) for each in case.source.items(ALL, at)]
        assert rows == [tuple(entry) for entry in case.source.keys(ALL, at)]
    records = list(case.source.records(ALL))
    assert [record.revision.main for record in records] == sorted(record.revision.main for record in records)
    newest = {record.item.key: record for record in records}
    alive = {key: record.item for key, record in newest.items() if not record.revision.tombstone}
    assert alive == {item.key: item for item in case.source.items(ALL)}
    assert any(record.revision.tombstone for record in records)
    for key in list(newest)[:: max(1, len(newest) // 8)]:
        mains = [(each.revision.main, each.revision.tombstone) for each in case.source.history(key)]
        assert mains == [(r.revision.main, r.revision.tombstone) for r in records if r.item.key == key]
    assert list(case.source.history(b"/no/such/key")) == []
    assert list(case.source.history(b"")) == []
    some = Selection.parse("/registry/")
    chosen = [(r.revision.main, r.item) for r in records if r.item.key.startswith(b"/registry/")]
    assert [(each.revision.main, each.item) for each in case.source.records(some)] == chosen
