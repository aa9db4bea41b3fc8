"""The time of a backup out of its file's name, in the spellings that scripts use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from backstay.jobs.importing.names import TimeSource, dated

CHANGED = datetime(2024, 12, 10, 18, 5, 59, tzinfo=UTC)
MOMENT = datetime(2024, 12, 10, 14, 30, 22, tzinfo=UTC)
MINUTE = MOMENT.replace(second=0)
OTHER = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("etcd-backup-20241210-143022.db", MOMENT),
        ("etcd-backup-20241210-143022.db.zst.age", MOMENT),
        ("snapshot_2024-12-10T14:30:22Z.db", MOMENT),
        ("2024-12-10T14:30:22Z_etcd.zip", MOMENT),
        ("etcd-snapshot-2024-12-10_14-30-22.db.gz", MOMENT),
        ("etcd-snapshot-2024-12-10_14:30:22_UTC.db", MOMENT),
        ("etcd_20241210143022.db", MOMENT),
        ("etcd.2024.12.10.14.30.22.snap", MOMENT),
        ("backup 2024-12-10 at 14.30.22.db", MOMENT),
        ("2024-12-10-14h30m22.db", MOMENT),
        ("backup-202412101430.db", MINUTE),
        ("backup-2024-12-10-1430", MINUTE),
        ("node7-20241210T143022+0200.db", MOMENT - timedelta(hours=2)),
        ("node7-2024-12-10T14:30:22.123456-05:30.db", MOMENT + timedelta(hours=5, minutes=30)),
        ("etcd-snapshot-node1-1733841022", MOMENT),
        ("on-demand-node1-1733841022.zip", MOMENT),
        ("etcd-1733841022000.db", MOMENT),
        ("v3.5.17-etcd-20241210-143022.db", MOMENT),
    ],
)
def test_date_and_time_are_read(name: str, time: datetime) -> None:
    assert dated(name, CHANGED) == (time, TimeSource.NAME)


def test_a_zone_holds_for_names_that_say_none() -> None:
    assert dated("etcd-20241210-143022.db", CHANGED, OTHER).time == MOMENT - timedelta(hours=2)
    assert dated("etcd-20241210-143022Z.db", CHANGED, OTHER).time == MOMENT
    assert dated("etcd-1733841022.db", CHANGED, OTHER).time == MOMENT


def test_a_date_alone_is_that_of_the_file_where_they_agree() -> None:
    assert dated("etcd-2024-12-10.db", CHANGED) == (CHANGED, TimeSource.DATE)
    assert dated("etcd-20241209.db", CHANGED) == (datetime(2024, 12, 9, tzinfo=UTC), TimeSource.DATE)


@pytest.mark.parametrize(
    "name",
    [
        "snapshot.db",
        "db",
        "etcd-3.5.17.db",
        "etcd-20241399.db",
        "20241310-999999.db",
        "123456789012345678901234.db",
        "",
    ],
)
def test_a_name_that_says_nothing_leaves_the_time_of_the_file(name: str) -> None:
    assert dated(name, CHANGED) == (CHANGED, TimeSource.FILE)
