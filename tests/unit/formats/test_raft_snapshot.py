"""Raft snapshots: the files of five releases, the v2 store, and what is wrong with damaged and missing ones."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import raft_snapshot
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft_snapshot import RaftSnapshot, RaftSnapshotName, V2Store
from backstay.formats.wal import SnapshotRecord, read_log
from backstay.values import MemberId
from tests import golden
from tests.unit.formats import logs
from tests.unit.formats.test_membership import CONF_STATES, MEMBERS, TEXT

U64 = st.integers(0, (1 << 64) - 1)
STORES = st.builds(
    V2Store,
    # A name appears in the v2 store together with the client URLs, once the member has started.
    st.lists(MEMBERS, max_size=3, unique_by=lambda member: member.id).map(
        lambda members: tuple(
            sorted(
                (
                    member if member.client_urls else Member(member.id, member.peer_urls, is_learner=member.is_learner)
                    for member in members
                ),
                key=lambda member: member.id,
            )
        )
    ),
    st.lists(U64.map(MemberId), max_size=3, unique=True).map(lambda ids: tuple(sorted(ids))),
    TEXT,
)
MEMBER = Member(MemberId(0xAB), ("http://a:2380",))
SOUND = RaftSnapshot(1, 1, ConfState((MEMBER.id,)), raft_snapshot.encode_v2_store(V2Store((MEMBER,))))


def files_of(data_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data_dir / "member" / "snap").glob("*.snap")}


@pytest.mark.parametrize("name", golden.KILLED)
def test_the_files_of_every_release_decode_and_encode_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    expected = golden.expectation(name)
    data_dir = golden.unpack(name, tmp_path / "data")
    files = files_of(data_dir)
    log = read_log(logs.segments_of(data_dir))
    assert sorted(files) == sorted(expected["snap_files"])
    whole, reported = raft_snapshot.check_files(files, log.usable_snapshots)
    assert reported == []
    assert len(whole) == len(files)
    for snapshot in whole:
        content = files[str(RaftSnapshotName(snapshot.term, snapshot.index))]
        assert raft_snapshot.encode_file(snapshot) == content
        assert SnapshotRecord(snapshot.index, snapshot.term) in [
            record._replace(conf_state=None) for record in log.snapshots
        ]
        store = raft_snapshot.decode_v2_store(snapshot.data)
        (member,), (said,) = store.members, expected["members"]
        assert member == Member(
            MemberId(int(said["id"], 16)), tuple(said["peerURLs"]), said["name"], tuple(said["clientURLs"])
        )
        assert snapshot.conf_state.voters == (member.id,)
        assert store.cluster_version == ".".join(name.split(".")[:2]) + ".0"
        # Ours is the same tree with other counters, without what no release needs.
        ours, theirs = json.loads(raft_snapshot.encode_v2_store(store)), json.loads(snapshot.data)
        assert values(ours["Root"]) == values(theirs["Root"])
        assert set(theirs) - set(ours) == {"WatcherHub", "Stats"}


def values(node: dict[str, object]) -> dict[str, object]:
    """Path -> value (None for a directory) of a whole tree."""
    children = node["Children"]
    found = {str(node["Path"]): node["Value"] if children is None else None}
    if isinstance(children, dict):
        for child in children.values():
            found |= values(child)
    return found


def test_names() -> None:
    name = RaftSnapshotName(3, 0xCD)
    assert str(name) == "0000000000000003-00000000000000cd.snap"
    assert raft_snapshot.parse_name(str(name)) == name
    for other in ("db", "00000000000000cd.snap.db", str(name) + ".broken", "3-cd.snap", str(name) + "\n"):
        assert raft_snapshot.parse_name(other) is None


@given(st.builds(RaftSnapshot, U64, U64, CONF_STATES, st.binary(max_size=50)))
def test_files_come_back_as_they_were(snapshot: RaftSnapshot) -> None:
    assert raft_snapshot.decode_file(raft_snapshot.encode_file(snapshot)) == snapshot


@given(STORES)
def test_stores_come_back_as_they_were(store: V2Store) -> None:
    assert raft_snapshot.decode_v2_store(raft_snapshot.encode_v2_store(store)) == store


def test_members_that_left_are_kept() -> None:
    store = V2Store((), (MemberId(3), MemberId(0xFF)), "3.5.0")
    assert values(json.loads(raft_snapshot.encode_v2_store(store))["Root"]) == {
        "/": None,
        "/0": None,
        "/0/members": None,
        "/0/removed_members": None,
        "/0/removed_members/3": "removed",
        "/0/removed_members/ff": "removed",
        "/0/version": "3.5.0",
        "/1": None,
    }


def test_every_changed_bit_of_a_file_is_reported() -> None:
    content = raft_snapshot.encode_file(SOUND)
    name = str(RaftSnapshotName(1, 1))
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            whole, reported = raft_snapshot.check_files({name: bytes(changed)}, [])
            assert not whole, (position, bit)
            assert [finding.code for finding in reported] == ["raft-snapshot-damaged"]


def test_a_file_cut_at_any_length_is_reported() -> None:
    content = raft_snapshot.encode_file(SOUND)
    for size in range(len(content)):
        with pytest.raises(FormatError):
            raft_snapshot.decode_file(content[:size])


def test_a_file_under_another_name_is_not_used() -> None:
    content = raft_snapshot.encode_file(SOUND)
    for name in (str(RaftSnapshotName(1, 2)), "copy.snap"):
        whole, reported = raft_snapshot.check_files({name: content}, [])
        assert whole == []
        assert [finding.code for finding in reported] == ["raft-snapshot-damaged"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3.5.1-snap-gone", ["raft-snapshot-missing"]),
        ("3.7.3-snap-gone", ["raft-snapshot-missing"]),
        ("3.5.1-snap-flip", ["raft-snapshot-damaged"]),
        ("3.7.3-snap-flip", ["raft-snapshot-damaged"]),
        ("3.5.35-torn-short", []),
    ],
)
def test_damaged_and_missing_files_are_warnings_as_servers_start_without_them(
    name: str, expected: list[str], tmp_path: Path
) -> None:
    data_dir = golden.unpack(f"damaged-dirs/{name}", tmp_path / "data")
    usable = read_log(logs.segments_of(data_dir)).usable_snapshots
    whole, reported = raft_snapshot.check_files(files_of(data_dir), usable)
    assert [finding.code for finding in reported] == expected
    assert all(finding.severity is Severity.WARNING for finding in reported)
    assert all(answer["starts"] for answer in golden.expectation(f"damaged-dirs/{name}")["servers"].values())
    assert [snapshot.index for snapshot in whole] == ([164, 123, 82, 41] if name.endswith("flip") else [])
    if name.endswith("flip"):
        assert reported[0].subject == "0000000000000003-00000000000000cd.snap"


@given(st.binary(max_size=100), st.text(max_size=30))
def test_random_bytes_never_crash_the_readers(data: bytes, name: str) -> None:
    with contextlib.suppress(FormatError):
        raft_snapshot.decode_file(data)
    with contextlib.suppress(FormatError):
        raft_snapshot.decode_v2_store(data)
    reported: list[Finding] = raft_snapshot.check_files({name: data}, [SnapshotRecord(1, 1)])[1]
    assert len(reported) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Root", "Children", "0", "members", "1f", "raftAttributes", "Value", "removed_members"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_never_crashes_the_reader_of_the_store(tree: object) -> None:
    with contextlib.suppress(FormatError):
        raft_snapshot.decode_v2_store(json.dumps({"Root": tree}).encode())
