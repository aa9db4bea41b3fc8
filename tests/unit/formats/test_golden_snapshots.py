"""The snapshots of five releases: what their servers answered is what we read out of the files."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.formats import hashkv, mvcc, schema
from backstay.formats.bbolt import Database, check_structure, open_database
from backstay.formats.hashkv import RecordPage
from backstay.formats.ranges import range_at
from backstay.formats.survey import KeyspaceSurvey
from backstay.values import Revision
from tests import golden


@cache
def database(version: str) -> Database:
    return open_database(golden.snapshot(version)[:-32])


@cache
def expected(version: str) -> dict[str, Any]:
    return golden.expectation(f"{version}/snapshot")


def pages(version: str) -> list[RecordPage]:
    bucket = database(version).bucket(schema.KEY)
    assert bucket is not None
    return [RecordPage(*leaf.load()[:2]) for leaf in bucket.leaves()]


def items(version: str, name: bytes) -> dict[bytes, bytes]:
    bucket = database(version).bucket(name)
    assert bucket is not None
    return dict(bucket.items())


def compact_revision(version: str) -> Revision:
    markers = (items(version, schema.META)[name] for name in (schema.SCHEDULED_COMPACT, schema.FINISHED_COMPACT))
    return Revision(max(mvcc.decode_revision(marker).main for marker in markers))


def shown(value: bytes) -> str | dict[str, object]:
    """A value as the expectations write it."""
    if len(value) > 256:
        return {"len": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    return base64.b64encode(value).decode()


@pytest.mark.parametrize("version", golden.VERSIONS)
class TestGoldenSnapshot:
    def test_nothing_is_wrong_with_it(self, version: str) -> None:
        assert check_structure(database(version)) == []
        survey = KeyspaceSurvey(compact_revision(version))
        for data, spans in pages(version):
            survey.feed(data, spans)
        totals = survey.finish()
        assert survey.findings == []
        assert totals.record_count == expected(version)["records"]

    def test_hash_kv_is_the_servers_at_every_revision(self, version: str) -> None:
        rule, compact = hashkv.rule_of(version), compact_revision(version)
        records = pages(version)
        for revision, wanted, wanted_compact, *_ in expected(version)["hashkv"]:
            at = hashkv.check_revision(revision, Revision(expected(version)["revision"]), compact, rule)
            answer = hashkv.hash_kv(lambda: records, at, compact, rule)
            assert (answer.hash, answer.compact_revision) == (wanted, wanted_compact), revision
        assert [hashkv.hash_kv(lambda: records, at, compact, rule).hash, compact] == expected(version)["hashkv_current"]

    def test_the_compact_revision_is_answered_where_the_release_answers_it(self, version: str) -> None:
        rule, compact = hashkv.rule_of(version), compact_revision(version)
        answered = {each[0] for each in expected(version)["hashkv"]}
        assert (compact in answered) == rule.answers_at_compact_revision
        if compact not in answered:
            with pytest.raises(BackstayError) as caught:
                hashkv.check_revision(compact, Revision(expected(version)["revision"]), compact, rule)
            assert caught.value.kind is errors.REVISION_COMPACTED

    def test_ranges_are_the_servers_at_every_revision(self, version: str) -> None:
        records = pages(version)
        assert expected(version)["ranges"]
        for revision, wanted in expected(version)["ranges"].items():
            found = [
                [
                    base64.b64encode(item.key).decode(),
                    item.create_revision,
                    item.mod_revision,
                    item.version,
                    item.lease,
                    shown(item.value),
                ]
                for item in range_at(records, Revision(int(revision)))
            ]
            assert found == wanted, revision

    def test_leases_and_their_keys_are_the_servers(self, version: str) -> None:
        attached: dict[int, list[str]] = {}
        for item in range_at(pages(version), Revision(expected(version)["revision"])):
            if item.lease:
                attached.setdefault(item.lease, []).append(base64.b64encode(item.key).decode())
        found = [schema.decode_lease(key, value) for key, value in items(version, schema.LEASE).items()]
        by_id = sorted((lease.id, lease.ttl, sorted(attached.get(lease.id, []))) for lease in found)
        wanted = sorted((each["id"], each["granted_ttl"], sorted(each["keys"])) for each in expected(version)["leases"])
        assert by_id == wanted

    def test_users_and_roles_are_the_servers(self, version: str) -> None:
        users = [schema.decode_user(value) for value in items(version, schema.AUTH_USERS).values()]
        assert {user.name: list(user.roles) for user in users} == expected(version)["users"]
        roles = [schema.decode_role(value) for value in items(version, schema.AUTH_ROLES).values()]
        found = {
            role.name: [
                [each.kind.name, base64.b64encode(each.key).decode(), base64.b64encode(each.range_end).decode()]
                for each in role.permissions
            ]
            for role in roles
        }
        wanted = dict(expected(version)["roles"])
        if "root" in found and version >= "3.6":
            # Since 3.6 a server answers with what the role root implies; nothing of it is stored.
            assert wanted["root"] == [["READWRITE", "", "AA=="]]
            wanted["root"] = []
        assert found == wanted

    def test_alarms_are_the_servers(self, version: str) -> None:
        alarms = [schema.decode_alarm(key) for key in items(version, schema.ALARM)]
        assert [[f"{each.member_id:x}", schema.AlarmType(each.kind).name] for each in alarms] == expected(version)[
            "alarms"
        ]

    def test_the_applied_index_and_the_markers_are_the_servers(self, version: str) -> None:
        meta = items(version, schema.META)
        wanted = expected(version)
        assert schema.decode_u64(meta[schema.CONSISTENT_INDEX], "index") == wanted["consistent_index"]
        assert mvcc.decode_revision(meta[schema.SCHEDULED_COMPACT]).main == wanted["scheduled_compact"]
        assert mvcc.decode_revision(meta[schema.FINISHED_COMPACT]).main == wanted["finished_compact"]


def test_a_good_snapshot_answers_every_revision_of_the_damaged_set() -> None:
    good = golden.expectation("damaged")["good"]
    bucket = open_database(golden.damaged("00-good")[:-32]).bucket(schema.KEY)
    assert bucket is not None
    records = [RecordPage(*leaf.load()[:2]) for leaf in bucket.leaves()]
    for revision, wanted, compact, *_ in good["hashkv"]:
        if compact == -1:
            # Remembered by the server from before the compaction; a file cannot know it (etcd-files section 4.2).
            continue
        assert hashkv.hash_kv(lambda: records, Revision(revision), Revision(compact)).hash == wanted, revision


def test_a_range_read_leaves_out_the_record_of_a_bump() -> None:
    key = mvcc.encode_revision(mvcc.RevisionKey(2, 0))
    bumped = mvcc.encode_revision(mvcc.RevisionKey(1_000_000_002, 0))
    value = mvcc.encode_key_value(mvcc.KeyValue(b"a", 2, 2, 1, b"1"))
    data = key + value + bumped
    records = [RecordPage(data, [(0, 0, 17, 17 + len(value)), (0, 17 + len(value), len(data), len(data))])]
    assert range_at(records, Revision(1_000_000_002)) == [mvcc.KeyValue(b"a", 2, 2, 1, b"1")]
    assert range_at(records, Revision(1)) == []


def test_a_line_of_releases_means_its_newest() -> None:
    assert hashkv.rule_of("3.4") == hashkv.rule_of("3.5") == hashkv.rule_of("3.7") == hashkv.CURRENT_RULE
    assert hashkv.rule_of("3.5.0") != hashkv.CURRENT_RULE
