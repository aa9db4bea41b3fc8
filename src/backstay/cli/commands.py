"""The table of all commands: where each is written, under which heading it is listed, and its one line of help.

`groups.py` builds the command tree from this table and imports a command's module only when that command runs or shows
its own help, so this module must import nothing of backstay. A module named here holds one click command under the name
`command`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Section(Enum):
    """The headings of `backstay --help`, in their order."""

    SNAPSHOTS = "Snapshots"
    RUN = "Run an etcd"
    LOOK_INSIDE = "Look inside"
    LEARN = "Learn and diagnose"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command. `path` is what the user types after `backstay`; all words but the last are groups."""

    path: str
    section: Section
    summary: str
    module: str


GROUPS: dict[str, str] = {
    "pki": "Make and show the certificates of an etcd",
    "snapshot": "Save, check and restore snapshots",
}
"""The summary of every group."""

TABLE: tuple[Entry, ...] = (
    Entry(
        "snapshot save",
        Section.SNAPSHOTS,
        "Save a verified snapshot of a living etcd",
        "backstay.cli.snapshot.save",
    ),
    Entry(
        "snapshot rotate",
        Section.SNAPSHOTS,
        "Keep dated, verified backups as ordinary files",
        "backstay.cli.snapshot.rotate",
    ),
    Entry(
        "keys",
        Section.LOOK_INSIDE,
        "List the keys of a snapshot, a directory or a living etcd",
        "backstay.cli.keys",
    ),
    Entry(
        "get",
        Section.LOOK_INSIDE,
        "Show one key with its value",
        "backstay.cli.get",
    ),
    Entry(
        "snapshot status",
        Section.SNAPSHOTS,
        "Print hash, revision, keys and size, as etcd does",
        "backstay.cli.snapshot.status",
    ),
    Entry(
        "snapshot verify",
        Section.SNAPSHOTS,
        "Say how far a snapshot can be trusted, and why",
        "backstay.cli.snapshot.verify",
    ),
    Entry(
        "hashkv",
        Section.SNAPSHOTS,
        "Print the hash of all keys at a revision, as etcd does",
        "backstay.cli.hashkv",
    ),
    Entry(
        "snapshot restore",
        Section.SNAPSHOTS,
        "Make data directories of a new cluster from a snapshot",
        "backstay.cli.snapshot.restore",
    ),
    Entry(
        "drill",
        Section.SNAPSHOTS,
        "Rehearse the restore of a backup on a real etcd",
        "backstay.cli.drill",
    ),
    Entry(
        "recover",
        Section.SNAPSHOTS,
        "Bring the control plane of this host back from a snapshot",
        "backstay.cli.recover",
    ),
    Entry(
        "pki init",
        Section.RUN,
        "Make an authority and the certificates of an etcd",
        "backstay.cli.pki.init",
    ),
    Entry(
        "pki show",
        Section.RUN,
        "Show certificates, until when they are valid, what is wrong",
        "backstay.cli.pki.show",
    ),
    Entry(
        "doctor",
        Section.LEARN,
        "Name what is wrong with the etcd of this host",
        "backstay.cli.doctor",
    ),
    Entry(
        "explain",
        Section.LEARN,
        "Say what an error or a finding means, and what to do",
        "backstay.cli.learn.explain",
    ),
    Entry(
        "completion",
        Section.LEARN,
        "Print the completion script for a shell",
        "backstay.cli.learn.completion",
    ),
)
