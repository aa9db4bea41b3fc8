"""Opening a data directory as etcd would: the database, and from the log what the database does not have yet.

A killed server's database lacks the last 100 ms, and more if a commit was prevented; the log has them (etcd-files section
12). All entries above the database's consistent_index are applied in memory: in a cluster of one every entry counts as
committed, else only those that the hard state covers. The files stay as they are, and a directory that a running etcd
holds is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backstay import errors, findings
from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import bbolt, schema, wal
from backstay.formats.bbolt import Database
from backstay.formats.raft import Entry, EntryType
from backstay.formats.requests import Message, decode_request
from backstay.formats.wal import Log, Segment
from backstay.snapshot.opened.files import MappedFile, source_error
from backstay.snapshot.opened.store import OpenedStore
from backstay.store import refusals
from backstay.store.apply import apply_entry
from backstay.store.interest import Interest
from backstay.store.state import StoreState, load_state

DATABASE_MISSING = findings.declare(
    "database-missing",
    Severity.WARNING,
    "The directory has no database. Its log begins with the first entry, so everything was rebuilt from the log; etcd "
    "does the same unless it has taken a raft snapshot since, and then refuses to start.",
    "find out who removed `member/snap/db`, and restore the directory into a new one with `backstay snapshot restore`",
)
LOG_ENTRY_UNUSABLE = findings.declare(
    "log-entry-unusable",
    Severity.ERROR,
    "An entry of the log cannot be applied: it does not decode, asks for something unknown, or needs a record that the "
    "database lost. etcd panics on such an entry; what follows it was not read.",
    "keep the directory as evidence and restore the newest snapshot that verifies",
)
PASSWORD_LOST = findings.declare(
    "password-lost",
    Severity.WARNING,
    "A user's password is only in the log of etcd 3.4, in clear text; the hash that a server would have stored cannot be "
    "found out. The user exists and cannot log in.",
    "set the password again with `etcdctl user passwd`",
)


def open_directory(path: Path, *, wal_directory: Path | None = None, database_alone: bool = False) -> OpenedStore:
    """Open the data directory that holds `member/`; its log may live elsewhere (`wal_directory`).

    What the log's reading found is in `findings`; entries after damage are not used. Raises what `open_file` raises,
    `DIRECTORY_IN_USE`, `SOURCE_UNKNOWN` for a directory of another kind, and `DIRECTORY_INCONSISTENT` where database and
    log do not fit together; with `database_alone` the database then opens without its log.
    """
    member = _member_directory(path)
    with contextlib.ExitStack() as opened:
        file = _map(opened, member / "snap" / "db", missing_ok=True)
        database = _open_database(file) if file is not None else _empty_database()
        store = OpenedStore(path, database, [file] if file is not None else [])
        consistent_index = _consistent_index(store)
        segments = list(_map_segments(opened, wal_directory or member / "wal"))
        log = wal.read_log([Segment(each.path.name, each.buffer) for each in segments], from_index=consistent_index)
        found = list(log.findings)
        tail = None
        mismatch = _mismatch(log, consistent_index, has_database=file is not None)
        if mismatch is None:
            tail = _apply(database, log, found)
        elif file is None or not database_alone:
            raise errors.DIRECTORY_INCONSISTENT.error(
                f"database and log of `{path}` do not fit together", where=str(path), why=mismatch
            )
        if file is None:
            found.append(DATABASE_MISSING.at("member/snap/db", f"rebuilt from {len(log.entries)} entries of the log"))
        for each in (file, *segments):
            if each is not None:
                each.release()
        store = OpenedStore(
            path, database, [file, *segments] if file is not None else segments, tail=tail, findings=found
        )
        opened.pop_all()
        return store


def _member_directory(path: Path) -> Path:
    try:
        names = {each.name for each in path.iterdir()}
    except OSError as problem:
        raise source_error(problem, path) from problem
    if "member" in names:
        return path / "member"
    if {"snap", "wal"} <= names:
        return path
    raise errors.SOURCE_UNKNOWN.error(f"`{path}` is not etcd's data directory", where=str(path))


def _map(opened: contextlib.ExitStack, path: Path, *, missing_ok: bool = False) -> MappedFile | None:
    if missing_ok and not path.exists():
        return None
    file = MappedFile(path, refuse_in_use=True)
    opened.callback(file.close)
    return file


def _map_segments(opened: contextlib.ExitStack, directory: Path) -> Iterator[MappedFile]:
    try:
        names = sorted(each.name for each in directory.iterdir() if wal.parse_segment_name(each.name) is not None)
    except FileNotFoundError:
        return  # the log's reading reports that there is no segment
    except OSError as problem:
        raise source_error(problem, directory) from problem
    for name in names:
        if (file := _map(opened, directory / name)) is not None:
            yield file


def _open_database(file: MappedFile) -> Database:
    try:
        return bbolt.open_database(file.buffer)
    except FormatError as problem:
        raise FormatError(problem.what, offset=problem.offset, where=str(file.path), why=problem.why) from problem


def _empty_database() -> Database:
    pages: list[bytes] = []
    built = bbolt.build(((name, ()) for name in schema.BUCKETS), pages.extend)
    return bbolt.open_database(built.meta_pages + b"".join(pages))


def _consistent_index(store: OpenedStore) -> int:
    value = store.item(schema.META, schema.CONSISTENT_INDEX)
    return schema.decode_u64(value, "consistent_index") if value is not None else 0


def _mismatch(log: Log, consistent_index: int, *, has_database: bool) -> str | None:
    """Why the log cannot continue the database, None when it can."""
    if log.last_index < consistent_index:
        return f"the database has entries up to {consistent_index}, the log ends at {log.last_index}"
    if log.entries and log.entries[0].index != consistent_index + 1:
        return f"the database has entries up to {consistent_index}, the log begins with {log.entries[0].index}"
    if not has_database and not log.entries:
        return "there is no database, and nothing in the log to rebuild it from"
    return None


def _apply(database: Database, log: Log, found: list[Finding]) -> StoreState | None:
    """The state with the log's entries applied, None when there is none to apply. Adds to `found`."""
    if not log.entries:
        return None
    state = load_state(database, Interest(_bodies(log.entries)))
    commit = log.hard_state.commit if log.hard_state is not None else 0
    for entry in log.entries:
        if entry.index > commit and not _counts_without_commit(state, entry):
            break
        try:
            applied = apply_entry(state, entry)
        except FormatError as problem:
            found.append(LOG_ENTRY_UNUSABLE.at(f"entry {entry.index}", str(problem)))
            break
        if applied.refused is refusals.UNKNOWN_REQUEST:
            found.append(
                LOG_ENTRY_UNUSABLE.at(f"entry {entry.index}", "it asks for something this release does not know")
            )
            break
    found.extend(PASSWORD_LOST.at(f"user {name}", "the log holds it in clear text") for name in _lost(state))
    return state


def _counts_without_commit(state: StoreState, entry: Entry) -> bool:
    """Whether an entry above the commit index is as good as committed.

    In a cluster of one it is: 3.6 and 3.7 regularly leave the commit index one below the last acknowledged entry. Before
    the first member is known, entries can only be those that found the cluster.
    """
    return state.cluster.is_single or (not state.cluster.is_founded and entry.kind is EntryType.CONF_CHANGE)


def _bodies(entries: Sequence[Entry]) -> Iterator[Message]:
    for entry in entries:
        if entry.kind is EntryType.NORMAL and entry.data:
            with contextlib.suppress(FormatError):  # found again, and reported, when the entry's turn comes
                body = decode_request(entry.data).body
                if body is not None:
                    yield body


def _lost(state: StoreState) -> Iterable[str]:
    users = state.access.users
    return (name for name in dict.fromkeys(state.access.unhashed) if name in users and not users[name].password)
