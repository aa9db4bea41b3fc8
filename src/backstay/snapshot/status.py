"""The numbers of `snapshot status`, in the dialect of each release of etcd (etcd-files section 3.3).

Pure: an `Inspection` in, numbers out; the command line writes them. The dialects differ in what TOTAL KEYS counts (every
element of every bucket up to 3.5, user keys that exist from 3.6 on) and in the VERSION, which 3.6 added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstay.findings import Finding, Severity
from backstay.snapshot.coherence import check_schema
from backstay.snapshot.inspect import Inspection, Trailer
from backstay.snapshot.verify import TRAILER_MISSING, TRAILER_WRONG
from backstay.values import size_text

# What etcd's version parser takes: three numbers without leading signs, then pre-release and build.
_SEMANTIC_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a release of etcd prints the status of a snapshot."""

    release: str
    counts_elements: bool
    shows_version: bool


DIALECTS: dict[str, Dialect] = {
    release: Dialect(release, counts_elements=old, shows_version=not old)
    for release, old in (("3.4", True), ("3.5", True), ("3.6", False), ("3.7", False))
}
NEWEST = DIALECTS["3.7"]


@dataclass(frozen=True, slots=True)
class Status:
    """What etcd calls the status of a snapshot. `version` is None in dialects that do not know it."""

    hash: int
    revision: int
    total_key: int
    total_size: int
    version: str | None

    def as_json(self) -> dict[str, object]:
        """The fields of etcd's JSON, in its order."""
        fields: dict[str, object] = {
            "hash": self.hash,
            "revision": self.revision,
            "totalKey": self.total_key,
            "totalSize": self.total_size,
        }
        return fields if self.version is None else {**fields, "version": self.version}

    def as_row(self) -> list[str]:
        """The cells of etcd's table and of its simple line."""
        cells = [f"{self.hash:x}", str(self.revision), str(self.total_key), size_text(self.total_size)]
        return cells if self.version is None else [*cells, self.version]

    def as_fields(self) -> list[tuple[str, object]]:
        """The labelled values of etcd's fields."""
        values: list[tuple[str, object]] = [
            ("Hash", self.hash),
            ("Revision", self.revision),
            ("Keys", self.total_key),
            ("Size", self.total_size),
        ]
        return values if self.version is None else [*values, ("Version", self.version)]


def status_of(inspection: Inspection, dialect: Dialect = NEWEST) -> Status:
    """The numbers that etcd's tool of this dialect prints for the same file."""
    version = inspection.contents.storage_version
    return Status(
        hash=inspection.hash,
        revision=inspection.records.last_revision,
        total_key=inspection.element_count if dialect.counts_elements else inspection.records.live_key_count,
        total_size=inspection.data_size,
        version=(version if _SEMANTIC_VERSION.fullmatch(version) else "") if dialect.shows_version else None,
    )


def damage_of(inspection: Inspection) -> list[Finding]:
    """What makes the numbers worthless: every error of structure and records, and a SHA-256 that does not fit."""
    damage = [each for each in inspection.findings if each.severity is Severity.ERROR]
    damage += [each for each in check_schema(inspection) if each.severity is Severity.ERROR]
    if inspection.trailer is Trailer.WRONG:
        damage.append(TRAILER_WRONG.at("file", "SHA-256 differs", offset=inspection.content_size))
    return damage


def doubts_about(inspection: Inspection) -> list[Finding]:
    """What the reader of the numbers should know although they are right."""
    doubts = [each for each in inspection.findings if each.severity is Severity.WARNING]
    if inspection.trailer is Trailer.MISSING:
        doubts.append(TRAILER_MISSING.at("file", f"{inspection.file_size} bytes, no SHA-256 at the end"))
    return doubts
