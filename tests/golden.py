"""Golden files of five etcd releases in `tests/data/etcd`, and what etcd itself said about them (see its README.md).

The one place that knows where they lie and how they are packed. Archives and expectations go by their path without the
ending: `3.5.35/killed`, `damaged-dirs/3.5.35-torn-short`, `damaged/00-good`, `foreign-minimal/minimal`.

    golden.snapshot("3.5.35")                                     bytes of the snapshot file
    golden.expectation("3.5.35/snapshot")                         what etcd 3.5.35 answered about it
    golden.damaged("05-flip-in-value")                            bytes of a damaged snapshot
    golden.unpack("3.5.35/killed", tmp_path / "data")             a data directory, the one that holds `member/`
"""

from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent / "data" / "etcd"


def _names(pattern: str, ending: str) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(ROOT).as_posix().removesuffix(ending) for path in ROOT.glob(pattern)))


VERSIONS = ("3.4.23", "3.5.1", "3.5.35", "3.6.16", "3.7.3")
"""The releases; each has a snapshot and a killed directory."""

KILLED = _names("*/killed.tar.xz", ".tar.xz")
"""Data directories left by kill -9: `3.5.35/killed`."""

COMPACTING = _names("*/compacting.tar.xz", ".tar.xz")
"""Data directories killed in the middle of a compaction: `3.5.35/compacting`."""

DAMAGED = tuple(name.removeprefix("damaged/") for name in _names("damaged/*.db.xz", ".db.xz"))
"""Damaged snapshots, `00-good` among them: for `damaged()`, and as `damaged/NAME` for `expectation()`."""

DAMAGED_DIRS = _names("damaged-dirs/*.tar.xz", ".tar.xz")
"""Damaged data directories: `damaged-dirs/3.5.35-torn-short`."""

FOREIGN_MINIMAL = "foreign-minimal/minimal"
"""A directory that no etcd wrote and every etcd starts on."""


def snapshot(version: str) -> bytes:
    """The snapshot that the release `version` saved, trailer included."""
    return lzma.decompress((ROOT / version / "snapshot.db.xz").read_bytes())


def damaged(name: str) -> bytes:
    """The damaged snapshot `name`, one of `DAMAGED`."""
    return lzma.decompress((ROOT / "damaged" / f"{name}.db.xz").read_bytes())


def expectation(name: str) -> dict[str, Any]:
    """What etcd said about the snapshot or directory `name`; `damaged` alone is the whole file of that folder."""
    own = ROOT / f"{name}.expect.json"
    if own.exists():
        found: dict[str, Any] = json.loads(own.read_bytes())
        return found
    folder, _, entry = name.partition("/")
    shared: dict[str, Any] = json.loads((ROOT / folder / "expect.json").read_bytes())
    if not entry or name == FOREIGN_MINIMAL:
        return shared
    # The damaged snapshots share their file with the answers about the undamaged one.
    chosen: dict[str, Any] = shared.get("cases", shared)[entry]
    return chosen


def unpack(archive_name: str, target: Path) -> Path:
    """Unpack the data directory `archive_name` as `target`, with its modes; returns `target`."""
    target.mkdir(mode=0o700, parents=True)
    with tarfile.open(ROOT / f"{archive_name}.tar.xz") as archive:
        archive.extractall(target, filter="tar")
    return target
