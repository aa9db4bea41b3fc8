"""A point rebuilt into a file that has no name, to be served or read like any other store.

The file is made without a name (or loses it before the first byte is written), so it is gone when the process is,
however that ends. It lies in the directory that is given: on a disk its blocks hold values in clear until they are used
again, and in a `tmpfs` nothing of it ever reaches a disk. Memory is that of a restore, not that of the store.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backstay.durable import translated
from backstay.formats.bbolt import open_database
from backstay.jobs.points.rebuild import rebuild
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy
from backstay.snapshot.opened import MappedFile, OpenedStore
from backstay.telemetry import Progress


def open_private(point: PointReader, directory: Path, *, entropy: Entropy, progress: Progress) -> OpenedStore:
    """The store of `point`, proven as a restore proves it. Close it.

    Raises what reading raises, `POINT_UNPROVEN`, `TARGET_FULL`, `TARGET_UNWRITABLE`.
    """
    with translated(directory), tempfile.TemporaryFile(prefix="backstay-", dir=directory, buffering=0) as file:
        file.write(bytes(2 * point.facts.file.page_size))  # the meta pages' place

        def take(pages: list[bytes]) -> None:
            file.write(b"".join(pages))

        rebuilt = rebuild(point, spill=directory, entropy=entropy, progress=progress, sink=take)
        file.seek(0)
        file.write(rebuilt.file.meta_pages)
        mapped = MappedFile(_nameless(file.fileno()), refuse_in_use=False)
    try:
        return OpenedStore(_nameless(mapped.descriptor), open_database(mapped.buffer), [mapped])
    except BaseException:
        mapped.close()
        raise


def _nameless(descriptor: int) -> Path:
    """What opens the file of a descriptor of this process once more, as long as that is open."""
    return Path(f"/dev/fd/{descriptor}")
