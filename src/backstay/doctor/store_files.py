"""The store of a member that does not serve, or a snapshot, read without changing anything.

Called by `gather`. The database and the log are looked at apart, so that damage in one does not hide the other.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from backstay import errors
from backstay.doctor.facts import StoredFacts
from backstay.errors import BackstayError
from backstay.findings import Finding
from backstay.formats.wal import Segment, parse_segment_name, read_log
from backstay.snapshot.inspect import inspect
from backstay.snapshot.opened import open_file, source_error
from backstay.snapshot.verify import Level, judge


def of_snapshot(path: Path) -> StoredFacts:
    """A snapshot file, its SHA-256 compared."""
    return _inspected(path, with_trailer=True)


def of_directory(data_dir: Path) -> StoredFacts:
    """A data directory: its database, and what reading its whole log finds."""
    stored = _inspected(data_dir / "member" / "snap" / "db", with_trailer=False)
    try:
        return replace(stored, log_findings=_log_findings(data_dir / "member" / "wal"))
    except BackstayError as problem:
        return replace(stored, problem=stored.problem or problem)


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


def _log_findings(wal: Path) -> tuple[Finding, ...]:
    try:
        names = sorted(each.name for each in wal.iterdir() if parse_segment_name(each.name) is not None)
    except OSError as problem:
        raise source_error(problem, wal) from problem
    if not names:
        raise errors.SOURCE_NOT_FOUND.error(f"`{wal}` holds no log", where=str(wal))
    with contextlib.ExitStack() as stack:
        segments = [Segment(name, stack.enter_context(_mapped(wal / name))) for name in names]
        return tuple(read_log(segments).findings)


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
