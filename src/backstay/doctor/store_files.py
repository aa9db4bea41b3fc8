"""The store of a member that does not serve, or a snapshot, read without changing anything.

Called by `gather`. The database and the log are looked at apart, so that damage in one does not hide the other.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from backstay.doctor.facts import StoredFacts
from backstay.errors import BackstayError
from backstay.findings import Finding
from backstay.formats.directory import DIRECTORY_MODE_WRONG, ListedName, Listings, check_directory
from backstay.formats.raft_snapshot import check_files
from backstay.formats.wal import Segment, parse_segment_name, read_log
from backstay.snapshot.inspect import inspect
from backstay.snapshot.opened import open_file, source_error
from backstay.snapshot.verify import Level, judge

RAFT_SNAPSHOT_LIMIT = 64 << 20
"""Bytes; etcd 3 keeps only the membership in them."""


def of_snapshot(path: Path) -> StoredFacts:
    """A snapshot file, its SHA-256 compared."""
    return _inspected(path, with_trailer=True)


def of_directory(data_dir: Path) -> StoredFacts:
    """A data directory: its names, its database, and what reading its whole log and its raft snapshots finds."""
    contents = check_directory(_listings(data_dir))
    # The modes have a check of their own, which knows more paths.
    around = [each for each in contents.findings if each.code != DIRECTORY_MODE_WRONG.code]
    stored = _inspected(data_dir / "member" / "snap" / "db", with_trailer=False)
    try:
        around += _log_findings(data_dir / "member")
    except BackstayError as problem:
        stored = replace(stored, problem=stored.problem or problem)
    return replace(stored, log_findings=tuple(around))


def _listings(data_dir: Path) -> Listings:
    member = data_dir / "member"
    return Listings(_names(data_dir) or (), _names(member), _names(member / "snap"), _names(member / "wal"))


def _names(directory: Path) -> list[ListedName] | None:
    """What a directory holds; None where there is none, or this user may not look."""
    try:
        with os.scandir(directory) as entries:
            return [ListedName(each.name, each.stat(follow_symlinks=False).st_size) for each in entries]
    except OSError:
        return None


def _inspected(path: Path, *, with_trailer: bool) -> StoredFacts:
    try:
        with open_file(path) as store:
            inspection = inspect(store, with_trailer=with_trailer)
    except BackstayError as problem:
        return StoredFacts(path, None, problem=problem)
    checks = judge(inspection, Level.COHERENT)
    # The database of a member has no SHA-256 at its end, and need not.
    judged = [check for check in checks if with_trailer or check.level is not Level.AUTHENTIC]
    return StoredFacts(path, inspection, tuple(finding for check in judged for finding in check.findings))


def _log_findings(member: Path) -> list[Finding]:
    """What the log and the raft snapshots beside the database show; nothing where there is no log at all."""
    wal, snap = member / "wal", member / "snap"
    names = sorted(each.name for each in _names(wal) or () if parse_segment_name(each.name) is not None)
    if not names:
        return []
    with contextlib.ExitStack() as stack:
        segments = [Segment(name, stack.enter_context(_mapped(wal / name))) for name in names]
        log = read_log(segments)
    raft = [each.name for each in _names(snap) or () if each.name.endswith(".snap") and each.size < RAFT_SNAPSHOT_LIMIT]
    files = {name: _content(snap / name) for name in raft}
    return [*log.findings, *check_files(files, log.usable_snapshots)[1]]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise source_error(problem, path) from problem


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
                yield buffer
    except OSError as problem:
        raise source_error(problem, path) from problem
