"""A store on disk, open for reading: a snapshot file, a bare `db`, or a whole data directory with its log's tail.

Everybody who reads etcd's files from disk comes through here: inspection, restore, the sources of `keys` and `get`.
`files` maps files, `store` is what is handed out, `directory` puts a database and its log together.
"""

from backstay.snapshot.opened.directory import open_directory
from backstay.snapshot.opened.files import MappedFile, refuse_locked, source_error
from backstay.snapshot.opened.store import TRAILER_SIZE, OpenedStore, open_file

__all__ = [
    "TRAILER_SIZE",
    "MappedFile",
    "OpenedStore",
    "open_directory",
    "open_file",
    "refuse_locked",
    "source_error",
]
