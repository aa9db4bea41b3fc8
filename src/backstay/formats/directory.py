"""The names inside a data directory: what belongs there, what is left over, what is missing (etcd-files section 7).

Pure: whoever opens a directory lists it and hands the listings in. What the files hold is for other modules to judge.

    DATA/           0700    member/ and nothing else (proxy/ came from etcd 2 and earlier)
      member/       0700    snap/, wal/; wal.tmp and wal.broken.* are left over from a creation that was interrupted
        snap/       0700    db, TERM-INDEX.snap, INDEX.snap.db (a database received from the leader);
                            tmp*, db.tmp*, *.snap.broken are left over
        wal/        0700    SEQUENCE-INDEX.wal; 0.tmp and 1.tmp are spare segments; *.wal.broken are copies made by a
                            repair. The directory may lie elsewhere (--wal-dir)

    0000000000000000-0000000000000000.wal    0000000000000003-00000000000000cd.snap    00000000000000cd.snap.db
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from backstay import findings
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats.raft_snapshot import RaftSnapshotName
from backstay.formats.raft_snapshot import parse_name as parse_raft_snapshot_name
from backstay.formats.wal.layout import SegmentName, parse_segment_name

MEMBER = "member"
SNAP = "snap"
WAL = "wal"
DATABASE = "db"
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
FIRST_SEGMENT = str(SegmentName(0, 0))

DIRECTORY_NO_MEMBER = findings.declare(
    "directory-no-member",
    Severity.ERROR,
    "There is no `member` directory: this is not the data directory of an etcd, or it was never started.",
    "name the directory that holds `member`",
)
DIRECTORY_NO_LOG = findings.declare(
    "directory-no-log",
    Severity.ERROR,
    "The write-ahead log is gone. etcd would start as a new member on the old database and lose writes, or never become "
    "ready; entries that were only in the log are lost.",
    "do not start etcd on it; restore the database alone with `backstay snapshot restore DIR/member/snap/db`",
)
DIRECTORY_NO_DATABASE = findings.declare(
    "directory-no-database",
    Severity.WARNING,
    "The database is gone, but the log begins with its first entry and no raft snapshot was taken: all can be rebuilt "
    "from the log, and etcd does so at its next start.",
    "nothing to do, unless the database should be there",
)
DIRECTORY_DATABASE_LOST = findings.declare(
    "directory-database-lost",
    Severity.ERROR,
    "The database is gone and the log alone is not enough; etcd refuses to start.",
    "restore the newest snapshot that verifies",
)
DIRECTORY_PROXY = findings.declare(
    "directory-proxy",
    Severity.ERROR,
    "There is both a `member` and a `proxy` directory; etcd refuses to start.",
    "find out which one is right and move the other out of the directory",
)
DIRECTORY_MODE_WRONG = findings.declare(
    "directory-mode",
    Severity.WARNING,
    "Others than the owner may enter the directory. It holds every secret of the cluster; 3.4.10 to 3.4.12 refuse to start.",
    "chmod 0700 DIRECTORY",
)
DIRECTORY_RECEIVED_DATABASE = findings.declare(
    "directory-received-database",
    Severity.WARNING,
    "A database received from the leader has not taken the place of `db` yet: the member was stopped while it caught up.",
    "use the directory of another member; or start etcd once, it finishes what it began",
)
DIRECTORY_REPAIRED = findings.declare(
    "directory-repaired",
    Severity.NOTE,
    "etcd found a damaged file here at some start, and kept a copy of it or set it aside.",
    "nothing to do; look into the log of etcd when it happens again",
)
DIRECTORY_LEFTOVER = findings.declare(
    "directory-leftover",
    Severity.NOTE,
    "Temporary files of something that was interrupted; etcd removes or ignores them.",
    "nothing to do",
)
DIRECTORY_UNKNOWN_NAME = findings.declare(
    "directory-unknown-name",
    Severity.NOTE,
    "Names that do not belong into a data directory; etcd ignores them.",
    "move them elsewhere",
)

_NAMES_SHOWN = 5
_RECEIVED = re.compile(r"([0-9a-f]{16})\.snap\.db", re.ASCII)


class Place(Enum):
    """The four directories that are listed."""

    DATA = "."
    MEMBER = "member"
    SNAP = "member/snap"
    WAL = "member/wal"


class NameKind(Enum):
    """What a name says about its file."""

    DIRECTORY = "a directory of etcd"
    PROXY = "the directory of a proxy"
    DATABASE = "the database"
    RECEIVED_DATABASE = "a database received from the leader"
    RAFT_SNAPSHOT = "a raft snapshot"
    SEGMENT = "a segment of the log"
    SPARE = "a spare segment"
    LEFTOVER = "left over"
    BROKEN = "set aside by etcd"
    UNKNOWN = "unknown"


class ListedName(NamedTuple):
    """One name in a listing. `mode` holds the permission bits, None where they are not known."""

    name: str
    size: int = 0
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Listings:
    """What the four directories hold; None for a directory that does not exist. `data_mode` is that of DATA itself."""

    data: Sequence[ListedName]
    member: Sequence[ListedName] | None = None
    snap: Sequence[ListedName] | None = None
    wal: Sequence[ListedName] | None = None
    data_mode: int | None = None


@dataclass(slots=True)
class DirectoryContents:
    """The files of a data directory by what they are, segments and raft snapshots in ascending order."""

    database: ListedName | None = None
    segments: list[tuple[SegmentName, ListedName]] = field(default_factory=list)
    raft_snapshots: list[tuple[RaftSnapshotName, ListedName]] = field(default_factory=list)
    received_databases: list[tuple[int, ListedName]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def received_database_name(index: int) -> str:
    """The name under which a database received from the leader waits; `index` is that of its raft snapshot."""
    return f"{index:016x}.snap.db"


def parse_received_database_name(name: str) -> int | None:
    """The raft index in such a name, or None."""
    found = _RECEIVED.fullmatch(name)
    return int(found[1], 16) if found else None


def classify(place: Place, name: str) -> NameKind:
    """What the file `name` in `place` is."""
    if place is Place.DATA:
        return _classify_data(name)
    if place is Place.MEMBER:
        if name in (SNAP, WAL):
            return NameKind.DIRECTORY
        return NameKind.LEFTOVER if name == "wal.tmp" or name.startswith("wal.broken.") else NameKind.UNKNOWN
    if place is Place.SNAP:
        return _classify_snap(name)
    if parse_segment_name(name):
        return NameKind.SEGMENT
    if name in ("0.tmp", "1.tmp"):
        return NameKind.SPARE
    return NameKind.BROKEN if name.endswith(".wal.broken") else _touched(name)


def check_directory(listings: Listings) -> DirectoryContents:
    """Sort what was listed, and say what is wrong with it."""
    contents = DirectoryContents()
    odd: dict[tuple[Place, NameKind], list[str]] = {}
    places = {
        Place.DATA: listings.data,
        Place.MEMBER: listings.member,
        Place.SNAP: listings.snap,
        Place.WAL: listings.wal,
    }
    for place, listed in places.items():
        for entry in listed or ():
            kind = classify(place, entry.name)
            if kind in _REPORTED:
                odd.setdefault((place, kind), []).append(entry.name)
            else:
                _sort_in(contents, kind, entry)
            if kind is NameKind.DIRECTORY:
                _check_mode(contents, entry.name if place is Place.DATA else f"{MEMBER}/{entry.name}", entry.mode)
    contents.segments.sort()
    contents.raft_snapshots.sort(key=lambda pair: (pair[0].index, pair[0].term))
    contents.received_databases.sort()
    _check_mode(contents, Place.DATA.value, listings.data_mode)
    for (place, kind), names in odd.items():
        contents.findings.append(_REPORTED[kind].at(place.value, _name_some(names)))
    _check_completeness(contents, listings)
    return contents


def _check_completeness(contents: DirectoryContents, listings: Listings) -> None:
    report = contents.findings.append
    if listings.member is None:
        report(DIRECTORY_NO_MEMBER.at(Place.DATA.value, "`member` is not there"))
        return
    if any(entry.name == "proxy" for entry in listings.data):
        report(DIRECTORY_PROXY.at(Place.DATA.value, "`member` and `proxy` are both there"))
    if not contents.segments:
        report(DIRECTORY_NO_LOG.at(Place.WAL.value, "there is no segment"))
    if contents.database is None:
        where = f"{Place.SNAP.value}/{DATABASE}"
        first = str(contents.segments[0][0]) if contents.segments else "gone"
        if first == FIRST_SEGMENT and not contents.raft_snapshots:
            report(DIRECTORY_NO_DATABASE.at(where, "the file is not there; the log begins with entry 1"))
        else:
            taken = f"{len(contents.raft_snapshots)} raft snapshots were taken"
            report(DIRECTORY_DATABASE_LOST.at(where, f"the file is not there; {taken}, the first segment is {first}"))
    for index, entry in contents.received_databases:
        evidence = f"received at raft index {index}, {entry.size} bytes"
        report(DIRECTORY_RECEIVED_DATABASE.at(f"{Place.SNAP.value}/{entry.name}", evidence))


def _sort_in(contents: DirectoryContents, kind: NameKind, entry: ListedName) -> None:
    if kind is NameKind.DATABASE:
        contents.database = entry
    elif segment := parse_segment_name(entry.name):
        contents.segments.append((segment, entry))
    elif raft_snapshot := parse_raft_snapshot_name(entry.name):
        contents.raft_snapshots.append((raft_snapshot, entry))
    elif (index := parse_received_database_name(entry.name)) is not None:
        contents.received_databases.append((index, entry))


def _check_mode(contents: DirectoryContents, where: str, mode: int | None) -> None:
    if mode is not None and mode & 0o777 != DIRECTORY_MODE:
        contents.findings.append(DIRECTORY_MODE_WRONG.at(where, f"the mode is {mode & 0o777:04o}, not 0700"))


def _classify_data(name: str) -> NameKind:
    if name == MEMBER:
        return NameKind.DIRECTORY
    return NameKind.PROXY if name == "proxy" else _touched(name)


def _classify_snap(name: str) -> NameKind:
    if name == DATABASE:
        return NameKind.DATABASE
    if parse_raft_snapshot_name(name):
        return NameKind.RAFT_SNAPSHOT
    if parse_received_database_name(name) is not None:
        return NameKind.RECEIVED_DATABASE
    if name.startswith(("tmp", "db.tmp")):
        return NameKind.LEFTOVER
    return NameKind.BROKEN if name.endswith(".snap.broken") else _touched(name)


def _touched(name: str) -> NameKind:
    """`.touch` is written and removed to see whether the directory is writable."""
    return NameKind.LEFTOVER if name == ".touch" else NameKind.UNKNOWN


def _name_some(names: list[str]) -> str:
    shown = ", ".join(name[:80] for name in sorted(names)[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


_REPORTED: dict[NameKind, FindingKind] = {
    NameKind.LEFTOVER: DIRECTORY_LEFTOVER,
    NameKind.BROKEN: DIRECTORY_REPAIRED,
    NameKind.UNKNOWN: DIRECTORY_UNKNOWN_NAME,
}
