"""The hosts of the pages that look at Kubernetes objects: the cluster of the course, in two snapshots, and served."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.testing import Etcd
from tests.docs.guide_runner import SERVED

_DATA = Path(__file__).resolve().parents[1] / "data" / "course"
_SNAPSHOTS = {"monday": "before", "tuesday": "after"}


def course(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two backups: of Monday, and of Tuesday, when the namespace `production` had been deleted."""
    _unpack(root)
    patch.chdir(root)
    yield


def course_served(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Monday's backup, and an etcd that answers with what is in it."""
    _unpack(root)
    patch.chdir(root)
    with Etcd(flags={"from": str(root / "backup/monday.db")}) as etcd:
        (root / SERVED).write_text(etcd.address)
        yield


def _unpack(root: Path) -> None:
    (root / "backup").mkdir(parents=True)
    for day, name in _SNAPSHOTS.items():
        (root / f"backup/{day}.db").write_bytes(lzma.decompress((_DATA / f"{name}.db.xz").read_bytes()))
