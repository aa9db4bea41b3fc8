"""The repository of the page about retention: two points a day for five days, and the host that made them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backstay.blobs.local import LocalStore
from backstay.durable import LocalDisk
from backstay.jobs.backup.state import WriterState
from backstay.repository.continuing import BaseRule
from tests.backing_up import small_history
from tests.retaining import Maintained

POINTS = 10


def two_a_day(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """`/srv/backups`, its operator's key, and the state of the host that backs up."""
    _place(root, marked=False)
    yield


def two_a_day_marked(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same after two points were marked."""
    _place(root, marked=True)
    yield


def _place(root: Path, *, marked: bool) -> None:
    for name in ("srv/backups", "etc/backstay", "var/lib/backstay"):
        (root / name).mkdir(parents=True)
    place = Maintained(spill=root, store=LocalStore(root / "srv/backups"))
    cluster = small_history()
    noon = datetime.now(UTC).replace(hour=0, minute=1, second=0, microsecond=0)
    for number in range(POINTS):
        place.now = noon - timedelta(hours=12) * (POINTS - 1 - number)
        cluster.put(b"number", b"%d" % number)
        place.back_up(cluster, rule=BaseRule(timedelta(days=30)))
    repository = place.repository()
    state = WriterState(root / "var/lib/backstay", repository.id, LocalDisk())
    state.found(place.writer, repository.description.root)
    (root / "etc/backstay/operator.key").write_text(f"{place.operator.secret}\n")
    if marked:
        place.now = datetime.now(UTC)
        place.expire(place.catalogue().points[1:3])
