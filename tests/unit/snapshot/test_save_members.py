"""HashKV of a saved file against the members: equal, different, lagging, compacted since, and remembered hashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd.results import HashKV
from backstay.findings import Severity
from backstay.formats.bbolt import open_database
from backstay.snapshot.inspect import inspect_database
from backstay.snapshot.save import HashSource, SaveReport, Verdict, save
from backstay.values import Revision
from tests.saving import OTHER_ID, SteppingClock, answering, content_of, source_of

CONTENT = content_of("3.7.3")
INSPECTION = inspect_database(open_database(CONTENT))
REVISION, COMPACTED = INSPECTION.current_revision, INSPECTION.compact_revision


def saved(
    place: Path, *, own: HashSource | None = None, others: tuple[HashSource, ...] = (), etcd_version: str = "3.7.3"
) -> SaveReport:
    source = source_of(CONTENT, own=own, others=others, etcd_version=etcd_version)
    return save(place / "saved.db", source, clock=SteppingClock())


def test_members_with_the_same_keys_are_named_as_the_same(tmp_path: Path) -> None:
    report = saved(tmp_path, others=(answering(CONTENT, member_id=OTHER_ID),))
    assert [each.verdict for each in report.comparisons] == [Verdict.SAME, Verdict.SAME]
    assert report.hash_kv is not None
    assert report.comparisons[0].hash == report.hash_kv.hash
    assert not [each for each in report.findings if each.severity is Severity.WARNING]


def test_a_member_that_does_not_confirm_its_own_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackstayError) as caught:
        saved(tmp_path, own=answering(CONTENT, offset=1))
    assert caught.value.kind is errors.SNAPSHOT_INVALID
    assert str(REVISION) in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_member_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    odd = answering(CONTENT, member_id=OTHER_ID, offset=1)
    with pytest.raises(BackstayError) as caught:
        saved(tmp_path, others=(odd,))
    assert caught.value.kind is errors.MEMBERS_DISAGREE
    assert odd.endpoint in caught.value.where
    assert "--skip-other-members" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ahead", [1, 2, REVISION - COMPACTED])
def test_a_member_that_has_compacted_since_is_compared_at_its_compact_revision(ahead: int, tmp_path: Path) -> None:
    later = answering(CONTENT, member_id=OTHER_ID, compact_revision=Revision(COMPACTED + ahead))
    report = saved(tmp_path, others=(later,))
    assert report.comparisons[1].verdict is Verdict.SAME
    assert report.comparisons[1].compact_revision == COMPACTED + ahead


def test_a_member_that_has_compacted_beyond_the_file_cannot_be_compared(tmp_path: Path) -> None:
    def compacted(revision: Revision) -> HashKV:
        raise errors.REVISION_COMPACTED.error("compacted", why="mvcc: required revision has been compacted")

    report = saved(tmp_path, own=replace(answering(CONTENT), ask=compacted))
    assert report.comparisons[0].verdict is Verdict.NOT_COMPARED
    assert [each.code for each in report.findings if each.severity is Severity.WARNING] == ["hashkv-not-compared"]


def test_a_member_that_lags_is_waited_for(tmp_path: Path) -> None:
    honest = answering(CONTENT, member_id=OTHER_ID)
    asked = []

    def late(revision: Revision) -> HashKV:
        asked.append(revision)
        if len(asked) < 5:
            raise errors.REVISION_FUTURE.error("future")
        return honest.ask(revision)

    report = saved(tmp_path, others=(replace(honest, ask=late),))
    assert report.comparisons[1].verdict is Verdict.SAME


def test_a_member_that_never_catches_up_is_a_note(tmp_path: Path) -> None:
    def behind(revision: Revision) -> HashKV:
        raise errors.REVISION_FUTURE.error("future", why="mvcc: required revision is a future revision")

    report = saved(tmp_path, others=(replace(answering(CONTENT, member_id=OTHER_ID), ask=behind),))
    assert report.comparisons[1].verdict is Verdict.NOT_COMPARED
    assert "member-not-compared" in [each.code for each in report.findings if each.severity is Severity.NOTE]


def remembering(newest: Revision) -> HashSource:
    """A member that answers from its memory of a compaction, and whose newest revision is `newest`."""
    honest = answering(CONTENT)

    def ask(revision: Revision) -> HashKV:
        if revision:
            return HashKV(12345, Revision(COMPACTED - 1), revision, revision)
        return replace(honest.ask(REVISION), revision=newest)

    return replace(honest, ask=ask)


def test_a_remembered_hash_is_passed_over_for_the_newest(tmp_path: Path) -> None:
    assert saved(tmp_path, own=remembering(REVISION)).comparisons[0].verdict is Verdict.SAME


def test_a_remembered_hash_alone_is_never_called_a_difference(tmp_path: Path) -> None:
    report = saved(tmp_path, own=remembering(Revision(REVISION + 1)))
    assert report.comparisons[0].verdict is Verdict.NOT_COMPARED
    assert str(COMPACTED - 1) in report.comparisons[0].why


@pytest.mark.parametrize(
    ("version", "is_suspect"), [("3.5.0", True), ("3.5.2", True), ("3.5.3", False), ("3.6.0", False)]
)
def test_a_release_that_can_lose_writes_is_warned_of(version: str, is_suspect: bool, tmp_path: Path) -> None:
    report = saved(tmp_path, etcd_version=version)
    warnings = [each.code for each in report.findings if each.severity is Severity.WARNING]
    assert warnings == (["member-release-suspect"] if is_suspect else [])
