"""What a data directory says before it grows: whose it is, and the HashKV that every member must answer afterwards.

Nothing is changed. A directory of several members is refused (one of them cannot speak for the others), and so is one that a
server holds, that is damaged, or whose cluster is of a newer release than the etcd that shall start on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.cluster.etcd_program import EtcdProgram, version_numbers
from backstay.errors import FormatError
from backstay.findings import Severity
from backstay.formats import membership, schema
from backstay.formats.directory import MEMBER, WAL
from backstay.formats.hashkv import rule_of
from backstay.formats.requests import V2Request
from backstay.snapshot.hash import hash_kv_of
from backstay.snapshot.opened import open_directory
from backstay.store.durable.replay import bodies, read_segments
from backstay.values import Revision

DEFAULT_NAME = "default"
FIRST_WITHOUT_OLD_REQUESTS = (3, 7)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a started server must answer: its HashKV at a revision."""

    revision: Revision
    hash: int


@dataclass(frozen=True, slots=True)
class GrownDirectory:
    """A directory of one member. `has_users` tells that changes of the members need a user with the role root."""

    name: str
    peer_urls: tuple[str, ...]
    has_users: bool
    promise: Promise


def look_at(directory: Path, program: EtcdProgram) -> GrownDirectory:
    """Read `directory`. Raises as `open_directory` does, `DIRECTORY_SEVERAL_MEMBERS`, `SNAPSHOT_INVALID`, `ETCD_PROGRAM_OLD`
    and `ETCD_PROGRAM_NEW`.
    """
    try:
        with open_directory(directory) as store:
            damage = [str(each) for each in store.findings if each.severity is Severity.ERROR]
            if damage:
                raise _damaged(directory, "\n".join(damage[:5]))
            members = [membership.decode_member(value) for _, value in store.bucket_items(schema.MEMBERS)]
            _refuse_newer(directory, store.cluster_version or store.version, program)
            if len(members) != 1:
                names = ", ".join(each.name or f"{each.id:x}" for each in members) or "nobody"
                raise errors.DIRECTORY_SEVERAL_MEMBERS.error(
                    f"`{directory}` belongs to a cluster of {len(members)} and cannot grow by itself",
                    where=str(directory),
                    why=f"its members are {names}; what one of them holds need not be what the cluster agreed on",
                    next_step="save a snapshot of the cluster and give the file with --from; where only this member is left, "
                    f"`backstay snapshot restore {directory} --data-dir NEW` makes a directory of one member",
                )
            _refuse_old_requests(directory, program)
            hashed = hash_kv_of(store, Revision(0), rule_of(program.version))
            return GrownDirectory(
                members[0].name or DEFAULT_NAME,
                members[0].peer_urls,
                store.item(schema.AUTH, schema.AUTH_ENABLED) == b"\1",
                Promise(hashed.revision, hashed.hash),
            )
    except FormatError as problem:
        raise _damaged(directory, str(problem)) from problem


def promise_of(directory: Path, program: EtcdProgram) -> Promise:
    """What `program` must answer once it serves `directory`."""
    with open_directory(directory) as store:
        hashed = hash_kv_of(store, Revision(0), rule_of(program.version))
    return Promise(hashed.revision, hashed.hash)


def _refuse_newer(directory: Path, version: str, program: EtcdProgram) -> None:
    if version and version_numbers(version)[:2] > version_numbers(program.version)[:2]:
        raise errors.ETCD_PROGRAM_OLD.error(
            f"`{directory}` was written by a cluster of {version}, and {program.path} is {program.version}",
            where=str(directory),
            next_step=f"name an etcd of {version.rpartition('.')[0]} or newer with --etcd",
        )


def _refuse_old_requests(directory: Path, program: EtcdProgram) -> None:
    """3.7 panics on requests that 3.4 and 3.5 write at every start, unless a raft snapshot was taken since (etcd-files 5.6)."""
    if version_numbers(program.version)[:2] < FIRST_WITHOUT_OLD_REQUESTS:
        return
    log_directory = directory / MEMBER / WAL
    snapshots = read_segments(log_directory, from_index=0).usable_snapshots
    log = read_segments(log_directory, from_index=snapshots[-1].index if snapshots else 0)
    if any(isinstance(body, V2Request) for body in bodies(log.entries)):
        raise errors.ETCD_PROGRAM_NEW.error(
            f"etcd {program.version} does not start on `{directory}`",
            where=str(log_directory),
            why="its log holds requests of etcd 3.5 or older",
            next_step=f"name an etcd of 3.6 with --etcd; or `backstay snapshot restore {directory} --data-dir NEW`, "
            "which writes a new log, and give NEW",
        )


def _damaged(directory: Path, why: str) -> errors.BackstayError:
    return errors.SNAPSHOT_INVALID.error(
        f"`{directory}` is damaged and does not grow",
        where=str(directory),
        why=why,
        next_step=f"`backstay snapshot verify {directory}` lists everything",
    )
