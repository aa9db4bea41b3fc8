"""Lease, Maintenance, Auth, health, Lock and Election through the handler."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from backstay.etcd.pb import election_pb2, lock_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests, schema
from backstay.formats.requests import decode_request
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Peer, StreamId
from backstay.values import LeaseId
from tests.unit.server.served import CONN, MEMBER, Served, grant_everything_to_root


def test_leases_are_granted_kept_alive_listed_and_revoked() -> None:
    served = Served()
    granted = served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=1, ID=7), rpc.LeaseGrantResponse)
    assert (granted.ID, granted.TTL, granted.header.revision) == (7, 2, 1)
    served.put(b"k", lease=7)
    stream = served.open(Op.LEASE_KEEP_ALIVE)
    served.clock.seconds += 1
    served.message(stream, Op.LEASE_KEEP_ALIVE, rpc.LeaseKeepAliveRequest(ID=7))
    served.message(stream, Op.LEASE_KEEP_ALIVE, rpc.LeaseKeepAliveRequest(ID=8))
    kept, gone = served.received(stream, rpc.LeaseKeepAliveResponse)
    assert (kept.ID, kept.TTL) == (7, 2) and (gone.ID, gone.TTL) == (8, 0)
    left = served.ask(Op.LEASE_TIME_TO_LIVE, rpc.LeaseTimeToLiveRequest(ID=7, keys=True), rpc.LeaseTimeToLiveResponse)
    assert (left.TTL, left.grantedTTL, list(left.keys)) == (2, 2, [b"k"])
    unknown = served.ask(Op.LEASE_TIME_TO_LIVE, rpc.LeaseTimeToLiveRequest(ID=9), rpc.LeaseTimeToLiveResponse)
    assert (unknown.TTL, unknown.grantedTTL) == (-1, 0)
    served.handle((Op.HALF_CLOSE, CONN, None, stream, Op.LEASE_KEEP_ALIVE, b""))
    assert served.transport.finished[stream] == (0, "")
    served.tick(seconds=3)
    assert served.range(b"k") == (3, [], False, 0)
    listed = served.ask(Op.LEASE_LEASES, rpc.LeaseLeasesRequest(), rpc.LeaseLeasesResponse)
    assert not listed.leases
    assert isinstance(decode_request(served.journal[-1]).body, requests.LeaseRevoke)


def test_what_an_etcd_noted_as_left_of_a_lease_is_taken_back_in_the_log_when_it_is_kept_alive() -> None:
    served = Served()
    served.engine.state.cluster.version = "3.6.0"
    served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=60, ID=7), rpc.LeaseGrantResponse)
    leases = served.engine.state.leases.granted
    leases[LeaseId(7)] = replace(leases[LeaseId(7)], remaining_ttl=5)
    stream = served.open(Op.LEASE_KEEP_ALIVE)
    served.message(stream, Op.LEASE_KEEP_ALIVE, rpc.LeaseKeepAliveRequest(ID=7))
    body = decode_request(served.journal[-1]).body
    assert body == requests.LeaseCheckpoint((requests.RemainingTime(7, 0),))
    count = len(served.journal)
    served.message(stream, Op.LEASE_KEEP_ALIVE, rpc.LeaseKeepAliveRequest(ID=7))
    assert len(served.journal) == count and len(served.received(stream, rpc.LeaseKeepAliveResponse)) == 2


def test_a_flood_of_hashes_is_refused_before_each_holds_on_to_a_store_of_its_own() -> None:
    served = Served()
    body = rpc.HashKVRequest().SerializeToString()
    calls = [CallId(1_000 + number) for number in range(50)]
    replies = served.handle(*((Op.HASH_KV, CONN, None, body, call) for call in calls))
    assert replies == [None] * 16 + [(2, "etcdserver: too many requests")] * 34
    served.work()
    assert all(isinstance(served.transport.answered[call], bytes) for call in calls[:16])
    assert isinstance(served.call(Op.HASH, rpc.HashRequest()), bytes)


def test_status_says_what_a_single_member_knows() -> None:
    served = Served()
    status = served.ask(Op.STATUS, rpc.StatusRequest(), rpc.StatusResponse)
    assert (status.version, status.leader, status.storageVersion) == ("3.7.3", MEMBER, "3.7.0")
    assert (status.dbSize, status.dbSizeInUse, status.dbSizeQuota) == (40_960, 20_480, 2 << 30)
    assert status.HasField("downgradeInfo") and not status.downgradeInfo.enabled and not status.errors


def test_a_downgrade_is_said_and_taken_back() -> None:
    served = Served()

    def ask(action: int, version: str = "") -> rpc.DowngradeResponse:
        request = rpc.DowngradeRequest(action=action, version=version)  # type: ignore[arg-type]
        return served.ask(Op.DOWNGRADE, request, rpc.DowngradeResponse)

    assert ask(rpc.DowngradeRequest.VALIDATE, "3.6").version == "3.7"
    assert ask(rpc.DowngradeRequest.ENABLE, "3.6.0").version == "3.7"
    status = served.ask(Op.STATUS, rpc.StatusRequest(), rpc.StatusResponse)
    assert (status.downgradeInfo.targetVersion, status.storageVersion) == ("3.6.0", "3.6.0")
    ask(rpc.DowngradeRequest.CANCEL)
    assert not served.ask(Op.STATUS, rpc.StatusRequest(), rpc.StatusResponse).downgradeInfo.enabled


def test_defragmenting_is_answered_when_it_is_done() -> None:
    served = Served()
    assert served.call(Op.DEFRAGMENT, rpc.DefragmentRequest()) is None
    served.host.defragmented[0](None)
    (reply,) = served.transport.answered.values()
    assert reply == b""


def test_a_hash_is_of_the_moment_it_was_asked_for() -> None:
    served = Served()
    served.put(b"a", b"1")
    before = served.ask(Op.HASH_KV, rpc.HashKVRequest(), rpc.HashKVResponse)
    assert (before.hash_revision, before.compact_revision) == (2, -1)
    (later,) = served.handle((Op.HASH_KV, CONN, None, b"", CallId(5)))
    assert later is None
    served.put(b"a", b"2")
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=3), rpc.CompactionResponse)
    served.work()
    reply = served.transport.answered[CallId(5)]
    assert isinstance(reply, bytes) and rpc.HashKVResponse.FromString(reply) == before
    one = served.ask(Op.HASH, rpc.HashRequest(), rpc.HashResponse)
    assert one.hash == served.ask(Op.HASH, rpc.HashRequest(), rpc.HashResponse).hash


def test_a_snapshot_is_sent_in_chunks_with_its_digest_at_the_end() -> None:
    served = Served()
    stream = served.open(Op.SNAPSHOT, rpc.SnapshotRequest())
    parts = [rpc.SnapshotResponse.FromString(body) for body in served.transport.produced[stream]]
    content = b"".join(part.blob for part in parts[:-1])
    assert content == served.host.file and max(len(part.blob) for part in parts) == 32_768
    assert parts[-1].blob == hashlib.sha256(content).digest() and parts[-1].remaining_bytes == 0
    assert parts[0].remaining_bytes == len(content) - 32_768 and parts[0].version == "3.7.0"
    assert not parts[0].HasField("header")


def test_passwords_are_hashed_before_they_are_journalled() -> None:
    served = Served()
    served.ask(Op.USER_ADD, rpc.AuthUserAddRequest(name="eve", password="secret-word"), rpc.AuthUserAddResponse)
    request = rpc.AuthUserChangePasswordRequest(name="eve", password="other-word")
    served.ask(Op.USER_CHANGE_PASSWORD, request, rpc.AuthUserChangePasswordResponse)
    assert len(served.journal) == 2 and not any(b"-word" in entry for entry in served.journal)
    assert served.engine.state.access.users["eve"].password == b"hash of other-word"


def test_a_certificate_names_its_user() -> None:
    served = Served()
    grant_everything_to_root(served)
    conn = Conn(77)
    served.transport.peers[conn] = Peer("127.0.0.1:2", "alice")
    assert isinstance(served.handle((Op.PUT, conn, None, b"a", b"", 0, 0))[0], int)
    assert served.handle((Op.PUT, conn, None, b"b", b"", 0, 0)) == [(7, "etcdserver: permission denied")]


def test_roles_and_users_are_shown() -> None:
    served = Served()
    root = grant_everything_to_root(served)
    role = served.ask(Op.ROLE_GET, rpc.AuthRoleGetRequest(role="few"), rpc.AuthRoleGetResponse, root)
    assert [(each.permType, each.key, each.range_end) for each in role.perm] == [(2, b"a", b"b")]
    users = served.ask(Op.USER_LIST, rpc.AuthUserListRequest(), rpc.AuthUserListResponse, root)
    assert list(users.users) == ["alice", "root"]
    roles = served.ask(Op.USER_GET, rpc.AuthUserGetRequest(name="alice"), rpc.AuthUserGetResponse, root)
    assert list(roles.roles) == ["few"]


def test_a_hash_from_a_client_counts_for_nothing_and_any_kind_of_permission_is_kept() -> None:
    served = Served()
    add = rpc.AuthUserAddRequest(name="eve", password="x", hashedPassword="***")
    served.ask(Op.USER_ADD, add, rpc.AuthUserAddResponse)
    assert served.engine.state.access.users["eve"].password == b"hash of x"
    served.ask(Op.ROLE_ADD, rpc.AuthRoleAddRequest(name="r"), rpc.AuthRoleAddResponse)
    grant = rpc.AuthRoleGrantPermissionRequest(name="r", perm={"permType": 9, "key": b"a"})  # type: ignore[arg-type]
    served.ask(Op.ROLE_GRANT_PERMISSION, grant, rpc.AuthRoleGrantPermissionResponse)
    role = served.ask(Op.ROLE_GET, rpc.AuthRoleGetRequest(role="r"), rpc.AuthRoleGetResponse)
    assert role.perm[0].permType == 9
    name, value = schema.encode_role(served.engine.state.access.roles["r"])
    assert schema.decode_role(value) == served.engine.state.access.roles["r"] and name == b"r"


def test_health_knows_the_whole_only() -> None:
    served = Served()
    assert served.call(Op.HEALTH_CHECK) == b"\x08\x01"
    assert served.call(Op.HEALTH_CHECK, b"\x0a\x01x") == (5, "unknown service")
    stream = served.open(Op.HEALTH_WATCH)
    assert served.transport.sent[stream] == [b"\x08\x01"]


def _lock(served: Served, number: int, lease: int) -> None:
    request = lock_pb2.LockRequest(name=b"l", lease=lease)
    (reply,) = served.handle((Op.LOCK, CONN, None, request.SerializeToString(), CallId(number)))
    if reply is not None:
        served.transport.answer(CallId(number), reply)


def test_a_lock_is_given_in_the_order_of_asking() -> None:
    served = Served()
    for lease in (1, 2, 3):
        served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=60, ID=lease), rpc.LeaseGrantResponse)
        _lock(served, lease, lease)
    answered = served.transport.answered
    assert list(answered) == [1]
    first = answered[CallId(1)]
    assert isinstance(first, bytes) and lock_pb2.LockResponse.FromString(first).key == b"l/1"
    _lock(served, 10, 1)
    assert 10 in answered, "the same lease has it already"
    served.handle((Op.CANCEL, CONN, None, StreamId(2), Op.LOCK, b""))
    assert served.range(b"l/2") == (served.engine.state.revision, [], False, 0)
    served.ask(Op.UNLOCK, lock_pb2.UnlockRequest(key=b"l/1"), lock_pb2.UnlockResponse)
    assert list(answered)[-1] == 3 and 2 not in answered


def test_a_waiting_lock_whose_lease_ends_says_so() -> None:
    served = Served()
    for lease in (1, 2):
        served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=60, ID=lease), rpc.LeaseGrantResponse)
        _lock(served, lease, lease)
    served.ask(Op.LEASE_REVOKE, rpc.LeaseRevokeRequest(ID=2), rpc.LeaseRevokeResponse)
    served.ask(Op.UNLOCK, lock_pb2.UnlockRequest(key=b"l/1"), lock_pb2.UnlockResponse)
    assert served.transport.answered[CallId(2)] == (2, "mutex: session is expired")


def test_an_election_is_observed_proclaimed_and_handed_on() -> None:
    served = Served()
    stream = served.open(Op.OBSERVE, election_pb2.LeaderRequest(name=b"e"))
    leaders = []
    for lease in (1, 2):
        served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=60, ID=lease), rpc.LeaseGrantResponse)
        request = election_pb2.CampaignRequest(name=b"e", lease=lease, value=b"v%d" % lease)
        (reply,) = served.handle((Op.CAMPAIGN, CONN, None, request.SerializeToString(), CallId(lease)))
        leaders.append(reply)
    assert isinstance(leaders[0], bytes) and leaders[1] is None
    leader = election_pb2.CampaignResponse.FromString(leaders[0]).leader
    assert (leader.name, leader.key, leader.rev, leader.lease) == (b"e", b"e/1", 2, 1)
    proclaim = election_pb2.ProclaimRequest(leader=leader, value=b"new")
    served.ask(Op.PROCLAIM, proclaim, election_pb2.ProclaimResponse)
    assert served.ask(Op.LEADER, election_pb2.LeaderRequest(name=b"e"), election_pb2.LeaderResponse).kv.value == b"new"
    wrong = election_pb2.LeaderKey(name=b"e", key=b"e/1", rev=99, lease=1)
    served.ask(Op.RESIGN, election_pb2.ResignRequest(leader=wrong), election_pb2.ResignResponse)
    served.ask(Op.RESIGN, election_pb2.ResignRequest(leader=leader), election_pb2.ResignResponse)
    second = served.transport.answered[CallId(2)]
    assert isinstance(second, bytes) and election_pb2.CampaignResponse.FromString(second).leader.key == b"e/2"
    observed = [each.kv.value for each in served.received(stream, election_pb2.LeaderResponse)]
    assert observed == [b"v1", b"new", b"v2"]
    served.handle((Op.CANCEL, CONN, None, stream, Op.OBSERVE, b""))
    assert served.engine.hub.watcher_count == 0


def test_an_observer_that_reads_nothing_is_ended_rather_than_kept_for() -> None:
    served = Served()
    stream = served.open(Op.OBSERVE, election_pb2.LeaderRequest(name=b"e"))
    served.put(b"e/1", b"first")
    assert stream not in served.transport.finished
    served.transport.backlog = 17 << 20
    served.put(b"e/1", b"second")
    served.put(b"e/1", b"third")
    assert served.transport.finished[stream][0] == 8
    observed = [each.kv.value for each in served.received(stream, election_pb2.LeaderResponse)]
    assert observed == [b"first", b"second"] and served.engine.hub.watcher_count == 0


def test_a_client_with_an_undecodable_request_is_told() -> None:
    served = Served()
    reply = served.call(Op.TXN, b"\xff\xff")
    assert isinstance(reply, tuple) and reply[0] == 13
    stream = served.open(Op.WATCH)
    served.handle((Op.MESSAGE, CONN, None, stream, Op.WATCH, b"\xff"))
    assert served.transport.finished[stream][0] == 13
