"""Retention of plain backups: whatever lies there and whatever the clock says, the newest good backup stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backstay.policy.plain_retention import BackupFile, Reason, Retention, decide

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def file(days_old: float, *, good: bool = True, revision: int | None = None) -> BackupFile:
    return BackupFile(f"{days_old}-{good}", NOW - days_old * DAY, good, revision)


FILES = st.lists(
    st.builds(
        lambda days, good, revision: file(days, good=good, revision=revision),
        st.integers(-50, 400),
        st.booleans(),
        st.none() | st.integers(1, 1000),
    ),
    unique_by=lambda each: each.name,
)
RETENTIONS = st.builds(lambda days, last: Retention(days * DAY, last), st.integers(0, 60), st.integers(1, 5))


@given(FILES, RETENTIONS)
def test_the_newest_good_one_is_never_removed_by_time_or_by_revision(
    files: list[BackupFile], retention: Retention
) -> None:
    decision = decide(files, NOW, retention)
    assert sorted([*decision.keep, *decision.remove]) == sorted(each.name for each in files)
    good = [each for each in files if each.good and each.saved <= NOW]
    removed = [each for each in files if each.name in decision.remove]
    for each in removed:
        assert NOW - each.saved > retention.keep
        assert any(other.saved > each.saved and other.name in decision.keep for other in good)
    if good:
        assert max(good, key=lambda each: each.saved).name in decision.keep
        assert max(each.revision or 0 for each in good) == max(
            each.revision or 0 for each in good if each.name in decision.keep
        )
    assert not {each.name for each in files if each.saved > NOW} & set(decision.remove)


def test_bad_files_never_stand_in_for_good_ones() -> None:
    decision = decide([file(1, good=False), file(2, good=False), file(90)], NOW, Retention(30 * DAY, 1))
    assert decision.remove == ()


def test_a_file_from_the_future_makes_nothing_old() -> None:
    decision = decide([file(-400), file(90)], NOW, Retention(30 * DAY, 1))
    assert decision.remove == ()
    assert decision.why["-400-True"] is Reason.FUTURE


def test_old_ones_go_when_newer_good_ones_stay() -> None:
    files = [file(0, revision=9), file(10, revision=8), file(40, revision=7), file(50, good=False)]
    decision = decide(files, NOW, Retention(30 * DAY, 2))
    assert decision.remove == ("40-True", "50-False")
