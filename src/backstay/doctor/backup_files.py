"""The snapshots that lie on this host: newest first, with a quick check of each and a full SHA-256 of the newest.

Called by `gather`. Looks into the usual directories and those that were named; reads, never writes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from backstay.cluster.host import Host
from backstay.doctor.facts import BackupFacts, BackupFile
from backstay.errors import BackstayError
from backstay.snapshot.opened import open_file

USUAL_DIRECTORIES = (
    "/var/lib/backstay/snapshots",
    "/backup",
    "/backups",
    "/var/backups/etcd",
    "/var/lib/etcd-backup",
    "/opt/etcd-backup",
    "/var/lib/rancher/k3s/server/db/snapshots",
    "/var/lib/rancher/rke2/server/db/snapshots",
)
MOST_FILES = 200
_LOOKS_LIKE_A_SNAPSHOT = re.compile(r".*(etcd|snap|backup).*\.db$|.*\.db$|^etcd-snapshot-[^.]*$")
_SEALED = (".age", ".gpg", ".zst", ".gz")
_CHUNK_BYTES = 1 << 20


def look(host: Host, named: Iterable[Path], data_dir: Path | None) -> tuple[BackupFacts, ...]:
    """The backups in the named and the usual directories; a directory without any is left out unless it was named."""
    named = tuple(named)
    directories = dict.fromkeys([*named, *(host.path(each) for each in USUAL_DIRECTORIES)])
    found = []
    for directory in directories:
        if data_dir is not None and directory.is_relative_to(data_dir):
            continue
        files = _files(directory)
        if files or directory in named:
            found.append(BackupFacts(directory, files, host.disk(directory)))
    return tuple(found)


def _files(directory: Path) -> tuple[BackupFile, ...]:
    try:
        paths = [each for each in directory.iterdir() if _LOOKS_LIKE_A_SNAPSHOT.match(_opened_name(each.name))]
        statuses = sorted(((path.stat(), path) for path in paths if path.is_file()), key=lambda each: -each[0].st_mtime)
    except OSError:
        return ()
    return tuple(
        BackupFile(
            path,
            datetime.fromtimestamp(status.st_mtime, UTC),
            status.st_size,
            problem_of(path, with_digest=number == 0),
        )
        for number, (status, path) in enumerate(statuses[:MOST_FILES])
    )


def problem_of(path: Path, *, with_digest: bool) -> str:
    """What is wrong with a snapshot file, as far as its ends (and with `with_digest` all its bytes) tell; "" when nothing."""
    if path.name.endswith(_SEALED):
        return "" if path.stat().st_size else "the file is empty"
    try:
        with open_file(path) as store:
            if store.database.missing_bytes:
                return f"{store.database.missing_bytes} bytes are missing: the copy was cut short"
            if store.trailer is None:
                return "it has no SHA-256 at its end"
            if with_digest and _digest(path, store.content_size) != store.trailer:
                return "its SHA-256 does not fit: it changed after it was saved"
    except BackstayError as problem:
        return problem.what
    return ""


def _opened_name(name: str) -> str:
    for suffix in (".age", ".gpg"):
        name = name.removesuffix(suffix)
    for suffix in (".zst", ".gz"):
        name = name.removesuffix(suffix)
    return name


def _digest(path: Path, size: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (chunk := file.read(min(size, _CHUNK_BYTES))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.digest()
