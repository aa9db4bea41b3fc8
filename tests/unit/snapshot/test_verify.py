"""How far a snapshot can be trusted: every damaged golden file named, every pitfall found, every level reached or not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from backstay.findings import Severity, worst
from backstay.formats import membership, mvcc, schema
from backstay.formats.membership import ConfState, Member
from backstay.formats.schema import Alarm, AlarmType
from backstay.snapshot.opened import open_file
from backstay.snapshot.verify import Level, Verification, verify
from backstay.values import LeaseId, MemberId
from tests import golden
from tests.corrupt.small_snapshot import with_trailer
from tests.unit.formats.databases import build_bytes

FIRST = MemberId(0x8E9E05C52164694D)
SECOND = MemberId(0x91BC3C398FB3C146)

DAMAGE: dict[str, tuple[set[str], Level]] = {
    "00-good": (set(), Level.REBUILT),
    "01-truncated-at-page": (
        {"bbolt-truncated", "bbolt-page-damaged", "revision-gap", "snapshot-trailer-missing", "hot-copy-suspected"},
        Level.LISTED,
    ),
    "02-truncated-with-odd-length": (
        {"bbolt-truncated", "bbolt-page-damaged", "snapshot-trailer-missing", "hot-copy-suspected"},
        Level.LISTED,
    ),
    "03-flip-in-leaf-element": ({"bbolt-key-order", "revision-key-invalid", "snapshot-trailer-wrong"}, Level.LISTED),
    "04-flip-in-page-id": ({"bbolt-page-damaged", "revision-gap", "snapshot-trailer-wrong"}, Level.LISTED),
    "05-flip-in-value": ({"snapshot-trailer-wrong"}, Level.INTACT),
    # Well-formed, with a trailer that fits: only another copy's HashKV can show it (tests/unit/snapshot/test_inspect).
    "06-flip-in-value-right-trailer": (set(), Level.REBUILT),
    "07-no-trailer": ({"snapshot-trailer-missing"}, Level.INTACT),
    "08-wrong-trailer": ({"snapshot-trailer-wrong"}, Level.INTACT),
    "09-swapped-keys": ({"bbolt-key-order", "record-inconsistent", "revision-gap"}, Level.LISTED),
    "11-first-meta-invalid": ({"bbolt-meta-invalid", "snapshot-trailer-wrong"}, Level.INTACT),
    "12-freelist-lists-used-page": ({"bbolt-page-shared"}, Level.LISTED),
    "13-freelist-pointer-to-leaf": ({"bbolt-freelist-damaged"}, Level.LISTED),
    "14-hot-copy-torn": (
        {"root-stray", "not-an-etcd-store", "hot-copy-suspected", "snapshot-trailer-missing"},
        Level.INTACT,
    ),
    "14b-hot-copy-plausible": ({"revision-gap", "hot-copy-suspected", "snapshot-trailer-missing"}, Level.INTACT),
    "15-revision-gap": ({"revision-gap", "record-inconsistent"}, Level.AUTHENTIC),
    "16-value-not-protobuf": ({"record-invalid"}, Level.AUTHENTIC),
    "17-page-referenced-twice": ({"bbolt-page-shared"}, Level.LISTED),
}
"""The errors (and the missing trailer) of each damaged file, and how far it gets; 10 does not open at all."""


def verified(tmp_path: Path, data: bytes, level: Level = Level.REBUILT, *, etcd_version: str = "") -> Verification:
    file = tmp_path / "backup.db"
    file.write_bytes(data)
    with open_file(file) as store:
        return verify(store, level, etcd_version=etcd_version)


def test_every_damaged_file_but_the_one_without_a_meta_page_is_in_the_table() -> None:
    assert set(golden.DAMAGED) - set(DAMAGE) == {"10-both-metas-invalid"}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    wanted, level = DAMAGE[name]
    verification = verified(tmp_path, golden.damaged(name))
    serious = {each.code for each in verification.findings if each.severity is Severity.ERROR}
    assert wanted <= {each.code for each in verification.findings}
    assert serious <= wanted
    assert verification.reached is level
    assert all(each.subject and each.evidence and each.remedy for each in verification.findings)


@pytest.mark.parametrize("name", ["14b-hot-copy-plausible", "15-revision-gap"])
def test_missing_revisions_are_named(name: str, tmp_path: Path) -> None:
    missing = golden.expectation("damaged")["cases"][name]["missing_revisions"]
    gaps = [each for each in verified(tmp_path, golden.damaged(name)).findings if each.code == "revision-gap"]
    assert [each.evidence for each in gaps] == [
        f"revision {missing[0]} to {missing[-1]} missing before {missing[-1] + 1}"
    ]


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_a_golden_snapshot_is_rebuilt(version: str, tmp_path: Path) -> None:
    verification = verified(tmp_path, golden.snapshot(version))
    assert verification.reached is Level.REBUILT
    expected = golden.expectation(f"{version}/snapshot")
    codes = {each.code for each in verification.findings}
    wanted = {"alarm-inside"} if expected["alarms"] else set()
    if version in ("3.5.35", "3.7.3"):
        wanted.add("auth-enabled")
    if version == "3.5.1":
        wanted.add("release-suspect")
    assert codes == wanted


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.NONE])
def test_checks_stop_at_the_level_asked_for(level: Level, tmp_path: Path) -> None:
    verification = verified(tmp_path, golden.snapshot("3.7.3"), level)
    assert verification.reached is level
    assert max(check.level for check in verification.checks) is level


def meta(**others: bytes) -> list[tuple[bytes, bytes]]:
    entries = {schema.CONSISTENT_INDEX: schema.encode_u64(9), schema.TERM: schema.encode_u64(2)}
    return sorted({**entries, **{name.encode(): value for name, value in others.items()}}.items())


def store_with(**buckets: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A sound snapshot whose buckets are empty but for those given, and three records."""
    records = [
        mvcc.Record(mvcc.RevisionKey(main, 0), mvcc.KeyValue(b"k%d" % main, main, main, 1)) for main in (2, 3, 4)
    ]
    content: dict[bytes, Iterable[tuple[bytes, bytes]]] = dict.fromkeys(schema.BUCKETS, ())
    content[schema.KEY] = [mvcc.encode_record(record) for record in records]
    content[schema.META] = meta()
    content.update({name.encode(): items for name, items in buckets.items()})
    return with_trailer(build_bytes(sorted(content.items())))


def marker(main: int) -> bytes:
    return mvcc.encode_revision(mvcc.RevisionKey(main, 0))


def member(identifier: MemberId, **fields: bool) -> tuple[bytes, bytes]:
    return membership.encode_member(Member(identifier, ("http://a:2380",), "a", ("http://a:2379",), **fields))


def conf_state(*voters: MemberId) -> bytes:
    return membership.encode_conf_state(ConfState(voters))


LEASED = mvcc.encode_record(mvcc.Record(mvcc.RevisionKey(2, 0), mvcc.KeyValue(b"k", 2, 2, 1, b"", LeaseId(7))))

PITFALLS = {
    "alarm-inside": store_with(alarm=[schema.encode_alarm(Alarm(FIRST, AlarmType.NOSPACE))]),
    "bucket-unknown": store_with(zoo=[(b"a", b"b")]),
    "compaction-ahead": store_with(meta=meta(scheduledCompactRev=marker(9), finishedCompactRev=marker(9))),
    "compaction-markers-inverted": store_with(meta=meta(scheduledCompactRev=marker(2), finishedCompactRev=marker(3))),
    "compaction-unfinished": store_with(meta=meta(scheduledCompactRev=marker(3))),
    "conf-state-stale": store_with(members=[member(FIRST)], meta=meta(confState=conf_state(SECOND))),
    "consistent-index-missing": store_with(meta=[(schema.TERM, schema.encode_u64(2))]),
    "downgrade-under-way": store_with(
        cluster=[(schema.DOWNGRADE, b'{"target-version":"3.5.0","enabled":true}')]
    ),
    "entry-invalid": store_with(lease=[(b"short", b"")]),
    "entry-unknown": store_with(meta=meta(weather=b"fine")),
    "lease-missing": store_with(key=[LEASED]),
    "learner-stale": store_with(
        members=[member(FIRST, is_learner=True)], meta=meta(confState=conf_state(FIRST))
    ),
    "member-zombie": store_with(members=[member(FIRST)], members_removed=[(b"8e9e05c52164694d", schema.REMOVED)]),
    "bucket-missing": with_trailer(build_bytes([(schema.KEY, []), (schema.META, meta())])),
    "not-an-etcd-store": with_trailer(build_bytes([(schema.ALARM, [])])),
}  # fmt: skip


@pytest.mark.parametrize("code", PITFALLS)
def test_a_pitfall_is_found_and_nothing_else(code: str, tmp_path: Path) -> None:
    codes = {each.code for each in verified(tmp_path, PITFALLS[code]).findings}
    assert codes - {"bucket-missing"} == {code} - {"bucket-missing"}
    assert code in codes


def test_a_sound_store_has_no_findings(tmp_path: Path) -> None:
    verification = verified(tmp_path, store_with(members=[member(FIRST)], meta=meta(confState=conf_state(FIRST))))
    assert verification.findings == ()
    assert verification.reached is Level.REBUILT


@pytest.mark.parametrize(
    ("release", "suspect"),
    [("3.5.0", True), ("3.5.2", True), ("v3.5.1", True), ("3.5.3", False), ("3.4.23", False), ("nonsense", False)],
)
def test_a_release_that_loses_writes_is_suspected(release: str, suspect: bool, tmp_path: Path) -> None:
    found = verified(tmp_path, store_with(), etcd_version=release).findings
    assert [each.code for each in found] == (["release-suspect"] if suspect else [])
    assert worst(found) in (Severity.NOTE, None)


def test_a_file_with_few_reachable_pages_and_no_trailer_is_suspicious(tmp_path: Path) -> None:
    deleted = golden.snapshot("3.7.3")
    assert "reachable-few" not in {each.code for each in verified(tmp_path, deleted).findings}
    assert "reachable-few" in {each.code for each in verified(tmp_path, deleted[:-32]).findings}


def test_bytes_between_the_pages_and_the_trailer_are_odd(tmp_path: Path) -> None:
    padded = with_trailer(golden.snapshot("3.7.3")[:-32] + bytes(512))
    assert "snapshot-size-odd" in {each.code for each in verified(tmp_path, padded).findings}
