"""The handler refuses in etcd's words: code and text of every row that a store of one member can say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from backstay.etcd.pb import election_pb2, lock_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.requests import Alarm, AlarmAction
from backstay.formats.schema import AlarmType
from backstay.server.methods import Op
from backstay.server.transport import IGNORE_LEASE, IGNORE_VALUE, Status
from backstay.store.membership_entry import MembershipEntry
from tests.unit.server.served import MEMBER, Served, grant_everything_to_root, log_in

INVALID, DENIED, PRECONDITION, RANGE = 3, 7, 9, 11


def put_op(key: bytes, value: bytes = b"", lease: int = 0) -> rpc.RequestOp:
    return rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value, lease=lease))


def delete_op(key: bytes, end: bytes = b"") -> rpc.RequestOp:
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key, range_end=end))


def txn(*success: rpc.RequestOp) -> rpc.TxnRequest:
    return rpc.TxnRequest(success=success)


TABLE: list[tuple[str, Op, Message, Status]] = [
    ("no key", Op.DELETE_RANGE, rpc.DeleteRangeRequest(), (INVALID, "etcdserver: key is not provided")),
    (
        "no key to compare",
        Op.TXN,
        rpc.TxnRequest(compare=[rpc.Compare()]),
        (INVALID, "etcdserver: key is not provided"),
    ),
    ("empty operation", Op.TXN, txn(rpc.RequestOp()), (INVALID, "etcdserver: key not found")),
    (
        "duplicate key",
        Op.TXN,
        txn(put_op(b"k"), put_op(b"k")),
        (INVALID, "etcdserver: duplicate key given in txn request"),
    ),
    (
        "put and delete of one key",
        Op.TXN,
        txn(put_op(b"k"), delete_op(b"a", b"z")),
        (INVALID, "etcdserver: duplicate key given in txn request"),
    ),
    (
        "too many operations",
        Op.TXN,
        txn(*(put_op(b"%d" % number) for number in range(129))),
        (INVALID, "etcdserver: too many operations in txn request"),
    ),
    (
        "a lease that does not exist",
        Op.TXN,
        txn(put_op(b"k", lease=5)),
        (5, "etcdserver: requested lease not found"),
    ),
    (
        "too large",
        Op.TXN,
        txn(put_op(b"k", b"v" * 1_572_864)),
        (INVALID, "etcdserver: request is too large"),
    ),
    (
        "unknown order",
        Op.RANGE,
        rpc.RangeRequest(key=b"k", sort_order=9),  # type: ignore[arg-type]
        (INVALID, "etcdserver: invalid sort option"),
    ),
    (
        "future",
        Op.COMPACT,
        rpc.CompactionRequest(revision=99),
        (RANGE, "etcdserver: mvcc: required revision is a future revision"),
    ),
    (
        "compacted",
        Op.COMPACT,
        rpc.CompactionRequest(revision=-5),
        (RANGE, "etcdserver: mvcc: required revision has been compacted"),
    ),
    (
        "hash of the future",
        Op.HASH_KV,
        rpc.HashKVRequest(revision=99),
        (RANGE, "etcdserver: mvcc: required revision is a future revision"),
    ),
    ("unknown lease", Op.LEASE_REVOKE, rpc.LeaseRevokeRequest(ID=7), (5, "etcdserver: requested lease not found")),
    (
        "too long",
        Op.LEASE_GRANT,
        rpc.LeaseGrantRequest(TTL=9_000_000_001),
        (RANGE, "etcdserver: too large lease TTL"),
    ),
    (
        "no URLs",
        Op.MEMBER_ADD,
        rpc.MemberAddRequest(),
        (INVALID, "etcdserver: given member URLs are invalid"),
    ),
    (
        "no port",
        Op.MEMBER_ADD,
        rpc.MemberAddRequest(peerURLs=["http://localhost"]),
        (INVALID, "etcdserver: given member URLs are invalid"),
    ),
    (
        "a URL in use",
        Op.MEMBER_ADD,
        rpc.MemberAddRequest(peerURLs=["http://localhost:2380"]),
        (PRECONDITION, "etcdserver: Peer URLs already exists"),
    ),
    ("unknown member", Op.MEMBER_REMOVE, rpc.MemberRemoveRequest(ID=1), (5, "etcdserver: member not found")),
    (
        "the only member",
        Op.MEMBER_REMOVE,
        rpc.MemberRemoveRequest(ID=MEMBER),
        (2, "etcdserver: re-configuration failed due to not enough started members"),
    ),
    (
        "no learner",
        Op.MEMBER_PROMOTE,
        rpc.MemberPromoteRequest(ID=MEMBER),
        (PRECONDITION, "etcdserver: can only promote a learner member"),
    ),
    (
        "no such member to lead",
        Op.MOVE_LEADER,
        rpc.MoveLeaderRequest(targetID=1),
        (PRECONDITION, "etcdserver: bad leader transferee"),
    ),
    (
        "no version",
        Op.DOWNGRADE,
        rpc.DowngradeRequest(),
        (INVALID, "etcdserver: wrong downgrade target version format"),
    ),
    (
        "two minors down",
        Op.DOWNGRADE,
        rpc.DowngradeRequest(version="3.5"),
        (INVALID, "etcdserver: invalid downgrade target version"),
    ),
    ("without root", Op.AUTH_ENABLE, rpc.AuthEnableRequest(), (PRECONDITION, "etcdserver: root user does not exist")),
    (
        "while off",
        Op.AUTHENTICATE,
        rpc.AuthenticateRequest(),
        (PRECONDITION, "etcdserver: authentication is not enabled"),
    ),
    ("no name", Op.USER_ADD, rpc.AuthUserAddRequest(password="x"), (INVALID, "etcdserver: user name is empty")),
    ("no user", Op.USER_GET, rpc.AuthUserGetRequest(name="x"), (PRECONDITION, "etcdserver: user name not found")),
    (
        "no user to change",
        Op.USER_CHANGE_PASSWORD,
        rpc.AuthUserChangePasswordRequest(name="x", password="y"),
        (PRECONDITION, "etcdserver: user name not found"),
    ),
    ("no role name", Op.ROLE_ADD, rpc.AuthRoleAddRequest(), (INVALID, "etcdserver: role name is empty")),
    ("no role", Op.ROLE_GET, rpc.AuthRoleGetRequest(role="x"), (PRECONDITION, "etcdserver: role name not found")),
    (
        "no permission",
        Op.ROLE_GRANT_PERMISSION,
        rpc.AuthRoleGrantPermissionRequest(name="x"),
        (INVALID, "etcdserver: permission not given"),
    ),
    (
        "a lock with an unknown lease",
        Op.LOCK,
        lock_pb2.LockRequest(name=b"l", lease=5),
        (2, "etcdserver: requested lease not found"),
    ),
    ("nobody leads", Op.LEADER, election_pb2.LeaderRequest(name=b"e"), (2, "election: no leader")),
    ("no leader given", Op.PROCLAIM, election_pb2.ProclaimRequest(), (2, '"leader" field must be provided')),
    (
        "not the leader",
        Op.PROCLAIM,
        election_pb2.ProclaimRequest(leader=election_pb2.LeaderKey(key=b"e/1", rev=9)),
        (2, "election: not leader"),
    ),
]


@pytest.mark.parametrize(("op", "request_message", "status"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_refusal_has_etcds_code_and_text(op: Op, request_message: Message, status: Status) -> None:
    assert Served().refused(op, request_message) == status


HOT: list[tuple[str, Callable[[Served], object], Status]] = [
    ("put: no key", lambda served: served.put(b""), (INVALID, "etcdserver: key is not provided")),
    ("range: no key", lambda served: served.range(b"", b"\0"), (INVALID, "etcdserver: key is not provided")),
    ("put: no lease", lambda served: served.put(b"k", lease=3), (5, "etcdserver: requested lease not found")),
    (
        "put: value provided",
        lambda served: served.put(b"k", b"v", bits=IGNORE_VALUE),
        (INVALID, "etcdserver: value is provided"),
    ),
    (
        "put: lease provided",
        lambda served: served.put(b"k", b"v", lease=1, bits=IGNORE_LEASE),
        (INVALID, "etcdserver: lease is provided"),
    ),
    ("put: key not found", lambda served: served.put(b"k", bits=IGNORE_VALUE), (INVALID, "etcdserver: key not found")),
    (
        "put: too large",
        lambda served: served.put(b"k", b"v" * 1_572_864),
        (INVALID, "etcdserver: request is too large"),
    ),
    (
        "range: future",
        lambda served: served.range(b"k", revision=50),
        (RANGE, "etcdserver: mvcc: required revision is a future revision"),
    ),
]


@pytest.mark.parametrize(("ask", "status"), [row[1:] for row in HOT], ids=[row[0] for row in HOT])
def test_tuples_are_refused_with_the_same_words(ask: Callable[[Served], object], status: Status) -> None:
    served = Served()
    assert ask(served) == status and not served.journal


def test_a_read_below_the_compaction_is_refused() -> None:
    served = Served()
    served.put(b"k"), served.put(b"k")
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=3), rpc.CompactionResponse)
    assert served.range(b"k", revision=2) == (RANGE, "etcdserver: mvcc: required revision has been compacted")


def test_a_full_store_refuses_what_takes_space_and_raises_the_alarm_once() -> None:
    served = Served(quota_bytes=10_000)
    served.engine.size = 9_900
    full = (8, "etcdserver: mvcc: database space exceeded")
    assert served.put(b"k", b"v") == full
    (alarm,) = served.journal
    assert served.put(b"k", b"v") == full and served.journal == [alarm]
    assert served.refused(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=5)) == full
    assert served.refused(Op.TXN, rpc.TxnRequest(failure=[put_op(b"k")])) == full
    assert served.range(b"k") == (1, [], False, 0)
    listed = served.ask(Op.ALARM, rpc.AlarmRequest(), rpc.AlarmResponse)
    assert [(each.memberID, each.alarm) for each in listed.alarms] == [(MEMBER, rpc.NOSPACE)]
    status = served.ask(Op.STATUS, rpc.StatusRequest(), rpc.StatusResponse)
    assert list(status.errors) == [f"memberID:{MEMBER} alarm:NOSPACE"]


def test_a_corrupt_store_is_read_only() -> None:
    served = Served()
    served.engine.execute(Alarm(AlarmAction.ACTIVATE, MEMBER, AlarmType.CORRUPT))
    corrupt = (15, "etcdserver: corrupt cluster")
    assert served.put(b"k") == corrupt
    assert served.refused(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"k")) == corrupt
    assert served.refused(Op.COMPACT, rpc.CompactionRequest(revision=1)) == corrupt
    assert served.range(b"k") == (1, [], False, 0)


def test_rights_decide_with_access_control_on() -> None:
    served = Served()
    root = grant_everything_to_root(served)
    alice = log_in(served, "alice", "a")
    denied, nobody = (DENIED, "etcdserver: permission denied"), (INVALID, "etcdserver: user name is empty")
    assert served.put(b"ab", token=alice) == served.engine.state.revision
    assert served.put(b"b", token=alice) == denied
    assert served.range(b"a", b"c", token=alice) == denied
    assert served.put(b"ab") == nobody and served.range(b"ab") == nobody
    assert served.put(b"ab", token=b"nonsense") == (16, "etcdserver: invalid auth token")
    assert isinstance(served.put(b"zz", token=b"Bearer " + root), int)
    for op, request in (
        (Op.COMPACT, rpc.CompactionRequest(revision=1)),
        (Op.DEFRAGMENT, rpc.DefragmentRequest()),
        (Op.HASH_KV, rpc.HashKVRequest()),
        (Op.USER_LIST, rpc.AuthUserListRequest()),
        (Op.MEMBER_REMOVE, rpc.MemberRemoveRequest(ID=1)),
    ):
        assert served.refused(op, request, alice) == denied
        assert served.refused(op, request) == nobody
    assert served.ask(Op.STATUS, rpc.StatusRequest(), rpc.StatusResponse, alice).version
    assert served.refused(Op.STATUS, rpc.StatusRequest()) == nobody
    assert served.ask(Op.AUTH_STATUS, rpc.AuthStatusRequest(), rpc.AuthStatusResponse).enabled


def test_a_wrong_password_is_refused() -> None:
    served = Served()
    grant_everything_to_root(served)
    wrong = (INVALID, "etcdserver: authentication failed, invalid user ID or password")
    assert served.refused(Op.AUTHENTICATE, rpc.AuthenticateRequest(name="root", password="x")) == wrong
    assert served.refused(Op.AUTHENTICATE, rpc.AuthenticateRequest(name="nobody", password="x")) == wrong


def test_a_learner_on_paper_is_added_changed_and_removed() -> None:
    served = Served()
    added = served.ask(
        Op.MEMBER_ADD,
        rpc.MemberAddRequest(peerURLs=["http://10.0.0.2:2380"], isLearner=True),
        rpc.MemberAddResponse,
    )
    learner = added.member.ID
    assert added.member.isLearner and len(added.members) == 2
    assert served.refused(Op.MEMBER_PROMOTE, rpc.MemberPromoteRequest(ID=learner))[1].endswith("in sync with leader")
    second = rpc.MemberAddRequest(peerURLs=["http://10.0.0.3:2380"], isLearner=True)
    assert served.refused(Op.MEMBER_ADD, second) == (PRECONDITION, "etcdserver: too many learner members in cluster")
    changed = rpc.MemberUpdateRequest(ID=learner, peerURLs=["http://10.0.0.4:2380"])
    listed = served.ask(Op.MEMBER_UPDATE, changed, rpc.MemberUpdateResponse).members
    assert [each.peerURLs[0] for each in listed if learner == each.ID] == ["http://10.0.0.4:2380"]
    left = served.ask(Op.MEMBER_REMOVE, rpc.MemberRemoveRequest(ID=learner), rpc.MemberRemoveResponse).members
    assert [each.name for each in left] == ["one"]
    assert [type(entry) for entry in served.journal] == [MembershipEntry] * 3


def test_a_second_vote_on_paper_is_the_last() -> None:
    served = Served()
    served.ask(Op.MEMBER_ADD, rpc.MemberAddRequest(peerURLs=["http://10.0.0.2:2380"]), rpc.MemberAddResponse)
    assert served.engine.state.cluster.version == "3.5.0"  # or nobody could join
    code, text = served.refused(Op.MEMBER_ADD, rpc.MemberAddRequest(peerURLs=["http://10.0.0.3:2380"]))
    assert (code, text) == (2, "etcdserver: re-configuration failed due to not enough started members")
    served.put(b"key", b"still served")


def test_a_view_of_a_backup_refuses_every_write() -> None:
    served = Served(read_only=True)
    read_only = (
        PRECONDITION,
        "backstay: this is a read-only view of a backup: restore it to write, then serve the result",
    )
    assert served.put(b"k") == read_only
    for op, request in (
        (Op.TXN, txn(put_op(b"k"))),
        (Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"k")),
        (Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=5)),
        (Op.COMPACT, rpc.CompactionRequest(revision=1)),
        (Op.USER_ADD, rpc.AuthUserAddRequest(name="x", password="y")),
        (Op.ALARM, rpc.AlarmRequest(action=rpc.AlarmRequest.ACTIVATE, alarm=rpc.NOSPACE)),
    ):
        assert served.refused(op, request) == read_only
    assert served.range(b"k") == (1, [], False, 0)
    assert served.ask(Op.ALARM, rpc.AlarmRequest(), rpc.AlarmResponse).alarms == []
