"""One door to anything that holds a cluster's keys: a snapshot file, a data directory, a living etcd.

Called by the commands that look inside, and by jobs. It reads, at any revision from the compact revision on, and never
writes. What the values mean to Kubernetes is not known here.

    with open_source("backup.db") as source:
        for entry in source.keys(Selection.parse("/registry/*/production/*")):
            print(entry.key, entry.mod_revision)
"""

from __future__ import annotations

from backstay.sources.key_text import key_bytes, key_text
from backstay.sources.opening import LIVE, open_source
from backstay.sources.selection import Selection
from backstay.sources.source import Counts, Entry, Source

__all__ = ["LIVE", "Counts", "Entry", "Selection", "Source", "key_bytes", "key_text", "open_source"]
