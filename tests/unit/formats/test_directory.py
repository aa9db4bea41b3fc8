"""The names in a data directory: what etcd's own directories hold, and what is missing, odd or left over."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.findings import Severity, worst
from backstay.formats import directory
from backstay.formats.directory import (
    DirectoryContents,
    ListedName,
    Listings,
    NameKind,
    Place,
    check_directory,
    classify,
)
from tests import golden

SEGMENT = "0000000000000000-0000000000000000.wal"
SOUND = Listings(
    data=[ListedName("member", mode=0o700)],
    member=[ListedName("snap", mode=0o700), ListedName("wal", mode=0o700)],
    snap=[ListedName("db", 12288, 0o600)],
    wal=[ListedName(SEGMENT, 248, 0o600)],
    data_mode=0o700,
)


def listing(path: Path) -> list[ListedName] | None:
    if not path.is_dir():
        return None
    found = ((each.name, each.stat()) for each in path.iterdir())
    return [ListedName(name, status.st_size, status.st_mode & 0o7777) for name, status in found]


def listings(data_dir: Path) -> Listings:
    return Listings(
        listing(data_dir) or [],
        listing(data_dir / "member"),
        listing(data_dir / "member" / "snap"),
        listing(data_dir / "member" / "wal"),
        data_dir.stat().st_mode & 0o7777,
    )


def codes(contents: DirectoryContents) -> list[str]:
    return [finding.code for finding in contents.findings]


@pytest.mark.parametrize("name", [*golden.KILLED, *golden.COMPACTING, golden.FOREIGN_MINIMAL])
def test_nothing_is_odd_about_directories_that_servers_start_on(name: str, tmp_path: Path) -> None:
    contents = check_directory(listings(golden.unpack(name, tmp_path / "data")))
    assert contents.findings == []
    assert contents.database is not None
    assert [str(segment) for segment, _ in contents.segments] == [SEGMENT]
    expected = golden.expectation(name)
    assert [str(found) for found, _ in contents.raft_snapshots] == expected.get("snap_files", [])
    for path, size in expected.get("files", {}).items():
        listed = [contents.database, *(each for _, each in contents.segments + contents.raft_snapshots)]  # type: ignore[operator]
        assert (Path(path).name, size) in [each[:2] for each in listed]


@pytest.mark.parametrize("name", golden.DAMAGED_DIRS)
def test_a_missing_log_or_database_is_found(name: str, tmp_path: Path) -> None:
    contents = check_directory(listings(golden.unpack(name, tmp_path / "data")))
    expected = {
        "damaged-dirs/3.5.35-wal-gone": ["directory-no-log"],
        "damaged-dirs/3.5.35-db-gone": ["directory-no-database"],
    }
    assert codes(contents) == expected.get(name, [])


def test_a_missing_log_is_an_error_and_a_database_that_can_be_rebuilt_a_warning() -> None:
    assert worst(check_directory(dataclasses.replace(SOUND, wal=[])).findings) is Severity.ERROR
    assert worst(check_directory(dataclasses.replace(SOUND, snap=[])).findings) is Severity.WARNING


def test_without_its_database_a_log_that_was_shortened_is_not_enough() -> None:
    taken = [ListedName("0000000000000003-00000000000000cd.snap", 7119)]
    assert codes(check_directory(dataclasses.replace(SOUND, snap=taken))) == ["directory-database-lost"]
    later = [ListedName("0000000000000003-0000000000000384.wal", 1000)]
    assert codes(check_directory(dataclasses.replace(SOUND, snap=[], wal=later))) == ["directory-database-lost"]
    both = check_directory(dataclasses.replace(SOUND, snap=[], wal=[]))
    assert codes(both) == ["directory-no-log", "directory-database-lost"]


def test_a_directory_without_member_is_not_a_data_directory() -> None:
    contents = check_directory(Listings([ListedName("etc"), ListedName("home")]))
    assert codes(contents) == ["directory-unknown-name", "directory-no-member"]
    assert contents.findings[0].evidence == "etc, home"


def test_member_and_proxy_exclude_each_other() -> None:
    both = dataclasses.replace(SOUND, data=[*SOUND.data, ListedName("proxy", mode=0o700)])
    assert codes(check_directory(both)) == ["directory-proxy"]


def test_directories_that_others_may_enter_are_named() -> None:
    opened = dataclasses.replace(
        SOUND,
        data=[ListedName("member", mode=0o750)],
        member=[ListedName("snap", mode=0o40755), ListedName("wal", mode=0o700)],
        data_mode=0o755,
    )
    contents = check_directory(opened)
    assert set(codes(contents)) == {"directory-mode"}
    assert {finding.subject: finding.evidence for finding in contents.findings} == {
        ".": "the mode is 0755, not 0700",
        "member": "the mode is 0750, not 0700",
        "member/snap": "the mode is 0755, not 0700",
    }


def test_unknown_modes_are_not_judged() -> None:
    unknown = dataclasses.replace(
        SOUND, data=[ListedName("member")], member=[ListedName("snap"), ListedName("wal")], data_mode=None
    )
    assert check_directory(unknown).findings == []


@pytest.mark.parametrize(
    ("place", "name", "kind"),
    [
        (Place.DATA, "member", NameKind.DIRECTORY),
        (Place.DATA, "proxy", NameKind.PROXY),
        (Place.DATA, ".touch", NameKind.LEFTOVER),
        (Place.DATA, "lost+found", NameKind.UNKNOWN),
        (Place.MEMBER, "snap", NameKind.DIRECTORY),
        (Place.MEMBER, "wal", NameKind.DIRECTORY),
        (Place.MEMBER, "wal.tmp", NameKind.LEFTOVER),
        (Place.MEMBER, "wal.broken.20260101.120000.000000", NameKind.LEFTOVER),
        (Place.MEMBER, "db", NameKind.UNKNOWN),
        (Place.SNAP, "db", NameKind.DATABASE),
        (Place.SNAP, "0000000000000003-00000000000000cd.snap", NameKind.RAFT_SNAPSHOT),
        (Place.SNAP, "00000000000000cd.snap.db", NameKind.RECEIVED_DATABASE),
        (Place.SNAP, "tmp123456", NameKind.LEFTOVER),
        (Place.SNAP, "db.tmp.123456", NameKind.LEFTOVER),
        (Place.SNAP, "0000000000000003-00000000000000cd.snap.broken", NameKind.BROKEN),
        (Place.SNAP, "db.old", NameKind.UNKNOWN),
        (Place.WAL, SEGMENT, NameKind.SEGMENT),
        (Place.WAL, "0.tmp", NameKind.SPARE),
        (Place.WAL, "1.tmp", NameKind.SPARE),
        (Place.WAL, "2.tmp", NameKind.UNKNOWN),
        (Place.WAL, f"{SEGMENT}.broken", NameKind.BROKEN),
        (Place.WAL, "db", NameKind.UNKNOWN),
    ],
)
def test_what_a_name_says(place: Place, name: str, kind: NameKind) -> None:
    assert classify(place, name) is kind


def test_odd_names_are_collected_and_a_received_database_is_a_warning() -> None:
    odd = dataclasses.replace(
        SOUND,
        snap=[*SOUND.snap, ListedName("00000000000000cd.snap.db", 4096), ListedName("db.tmp.1"), ListedName("tmp2")],
        wal=[*SOUND.wal, ListedName("0.tmp", 64_000_000), ListedName(f"{SEGMENT}.broken", 5), ListedName("notes.txt")],
    )
    contents = check_directory(odd)
    assert [(finding.code, finding.subject) for finding in contents.findings] == [
        ("directory-leftover", "member/snap"),
        ("directory-repaired", "member/wal"),
        ("directory-unknown-name", "member/wal"),
        ("directory-received-database", "member/snap/00000000000000cd.snap.db"),
    ]
    assert contents.received_databases == [(0xCD, ListedName("00000000000000cd.snap.db", 4096))]
    assert directory.received_database_name(0xCD) == "00000000000000cd.snap.db"
    assert worst(contents.findings) is Severity.WARNING


def test_segments_and_snapshots_come_in_order_whatever_the_listing_says() -> None:
    names = ["0000000000000002-0000000000000064.wal", SEGMENT, "0000000000000001-0000000000000032.wal"]
    snaps = ["0000000000000003-0000000000000040.snap", "0000000000000002-0000000000000020.snap", "db"]
    contents = check_directory(
        dataclasses.replace(SOUND, wal=[ListedName(name) for name in names], snap=[ListedName(name) for name in snaps])
    )
    assert [segment.sequence for segment, _ in contents.segments] == [0, 1, 2]
    assert [snapshot.index for snapshot, _ in contents.raft_snapshots] == [0x20, 0x40]


def test_a_million_odd_names_give_one_short_finding() -> None:
    many = dataclasses.replace(SOUND, wal=[*SOUND.wal, *(ListedName(f"{number:0200}") for number in range(10_000))])
    (finding,) = check_directory(many).findings
    assert finding.evidence.endswith("and 9995 more")
    assert len(finding.evidence) < 1000


NAMES = st.lists(st.builds(ListedName, st.text(max_size=45), st.integers(0), st.integers(0, 0o7777)), max_size=4)


@given(st.builds(Listings, NAMES, NAMES | st.none(), NAMES | st.none(), NAMES | st.none(), st.integers(0, 0o7777)))
def test_any_listing_gives_findings_and_no_crash(found: Listings) -> None:
    assert check_directory(found).findings
