"""The names of plain backups: `etcd-backup-YYYYmmdd-HHMMSS.db[.zst][.age|.gpg]`, and `.json` after it for the record.

Pure. The time in a name is UTC. Every other name is somebody else's and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PREFIX = "etcd-backup-"
RECORD_SUFFIX = ".json"
COMPRESSED = ".zst"
AGE, GPG = ".age", ".gpg"

_NAME = re.compile(
    rf"{PREFIX}(?P<stamp>\d{{8}}-\d{{6}})\.db(?P<compressed>{re.escape(COMPRESSED)})?"
    rf"(?P<encrypted>{re.escape(AGE)}|{re.escape(GPG)})?(?P<record>{re.escape(RECORD_SUFFIX)})?",
    re.ASCII,
)
_FORMAT = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class PlainName:
    """A name taken apart. `backup` is the name of the backup, also where this is the name of its record."""

    backup: str
    saved: datetime
    is_record: bool
    compressed: bool
    encrypted: bool

    @property
    def is_bare(self) -> bool:
        """Whether the backup is a snapshot as etcd reads it, neither compressed nor encrypted."""
        return not (self.compressed or self.encrypted)


def parse_name(name: str) -> PlainName | None:
    """What `name` says, or None for a name that is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        saved = datetime.strptime(found["stamp"], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None  # the thirteenth month: nobody's date
    return PlainName(
        backup=name.removesuffix(RECORD_SUFFIX),
        saved=saved,
        is_record=found["record"] is not None,
        compressed=found["compressed"] is not None,
        encrypted=found["encrypted"] is not None,
    )


def make_name(saved: datetime, *, compressed: bool = False, encryption: str = "") -> str:
    """The name of a backup saved at `saved`; `encryption` is empty, `AGE` or `GPG`."""
    return f"{PREFIX}{saved.astimezone(UTC):{_FORMAT}}.db{COMPRESSED if compressed else ''}{encryption}"


def free_time(saved: datetime, taken: Collection[str]) -> datetime:
    """`saved`, or the first second after it for which none of the names in `taken` stands: a clock may have gone back."""
    stamps = {found["stamp"] for name in taken if (found := _NAME.fullmatch(name)) is not None}
    while f"{saved.astimezone(UTC):{_FORMAT}}" in stamps:
        saved += timedelta(seconds=1)
    return saved


def record_name(backup: str) -> str:
    """The name of the record beside `backup`."""
    return backup + RECORD_SUFFIX
