"""The names of plain backups: which are ours, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from backstay.jobs.rotate.names import AGE, GPG, free_time, make_name, parse_name, record_name

SAVED = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("encryption", ["", AGE, GPG])
def test_a_name_says_what_it_was_made_of(compressed: bool, encryption: str) -> None:
    name = make_name(SAVED, compressed=compressed, encryption=encryption)
    for text in (name, record_name(name)):
        parsed = parse_name(text)
        assert parsed is not None
        assert (parsed.backup, parsed.saved, parsed.compressed) == (name, SAVED, compressed)
        assert parsed.encrypted == bool(encryption) and parsed.is_record == (text != name)
        assert parsed.is_bare == (not compressed and not encryption)


def test_the_time_in_a_name_is_utc() -> None:
    elsewhere = SAVED.astimezone(timezone(timedelta(hours=5)))
    assert make_name(elsewhere) == "etcd-backup-20261127-183000.db"


@pytest.mark.parametrize(
    "name",
    [
        "etcd-backup-20261327-183000.db",
        "etcd-backup-20261127-183000.db.age.zst",
        "etcd-backup-20261127-183000.db.bak",
        "etcd-backup-20261127-183000.db\n",
        "etcd-backup-\uff12\uff10\uff12\uff161127-183000.db",
        "my-etcd-backup-20261127-183000.db",
        "etcd-backup-20261127-183000.db.json.json",
        "",
    ],
)  # fmt: skip
def test_every_other_name_is_somebody_elses(name: str) -> None:
    assert parse_name(name) is None


def test_a_second_that_is_taken_is_not_used_again() -> None:
    taken = [make_name(SAVED, encryption=AGE), record_name(make_name(SAVED + timedelta(seconds=1)))]
    assert free_time(SAVED, taken) == SAVED + timedelta(seconds=2)
