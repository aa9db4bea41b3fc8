"""A point rebuilt into a file that has no name, to be served, or restored to a data directory, like any other store.

The file is made without a name (or loses it before the first byte is written), so it is gone when the process is,
however that ends. It lies in the directory that is given: on a disk its blocks hold values in clear until they are used
again, and in a `tmpfs` nothing of it ever reaches a disk. Memory is that of a restore, not that of the store.
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.durable import translated
from backstay.formats.bbolt import open_database
from backstay.jobs.points.rebuild import Rebuilt, rebuild
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy
from backstay.snapshot.canonical import CanonicalFile
from backstay.snapshot.opened import MappedFile, OpenedStore
from backstay.telemetry import Progress

_READ_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class PrivateStore:
    """The store, to be closed, and what it was proven to be. `sha256` is of the file as `snapshot save` would write it."""

    store: OpenedStore
    rebuilt: Rebuilt
    sha256: bytes


def open_private(
    point: PointReader, directory: Path, *, entropy: Entropy, progress: Progress, revision: int | None = None
) -> PrivateStore:
    """The store of `point`, or of a revision of its history, proven as a restore proves it.

    Raises what reading raises, `POINT_UNPROVEN`, `TARGET_FULL`, `TARGET_UNWRITABLE`.
    """
    with translated(directory), tempfile.TemporaryFile(prefix="backstay-", dir=directory, buffering=0) as file:
        file.write(bytes(2 * point.facts.file.page_size))  # the meta pages' place

        def take(pages: list[bytes]) -> None:
            file.write(b"".join(pages))

        rebuilt = rebuild(point, spill=directory, entropy=entropy, progress=progress, sink=take, revision=revision)
        file.seek(0)
        file.write(rebuilt.file.meta_pages)
        sha256 = read_back(file.fileno(), rebuilt.file, str(directory))
        file.seek(0, 2)
        file.write(sha256)
        mapped = MappedFile(_nameless(file.fileno()), refuse_in_use=False)
    try:
        opened = OpenedStore(_nameless(mapped.descriptor), open_database(mapped.buffer), [mapped])
        return PrivateStore(opened, rebuilt, sha256)
    except BaseException:
        mapped.close()
        raise


def read_back(descriptor: int, built: CanonicalFile, where: str) -> bytes:
    """SHA-256 of a file as it reads back. Raises `POINT_UNPROVEN` when its pages are not those that were built."""
    metas = 2 * built.page_size
    with (
        mmap.mmap(descriptor, built.size, access=mmap.ACCESS_READ) as mapping,
        memoryview(mapping) as view,
        view[metas:] as pages,
        view[:metas] as head,
    ):
        digest, whole = hashlib.sha256(), hashlib.sha256(head)
        for start in range(0, len(pages), _READ_BYTES):
            with pages[start : start + _READ_BYTES] as part:
                digest.update(part)
                whole.update(part)
        digest.update(head)
    if digest.hexdigest() != built.pages_sha256:
        raise errors.POINT_UNPROVEN.error(f"`{where}` does not read back as it was written", where=where)
    return whole.digest()


def _nameless(descriptor: int) -> Path:
    """What opens the file of a descriptor of this process once more, as long as that is open."""
    return Path(f"/dev/fd/{descriptor}")
