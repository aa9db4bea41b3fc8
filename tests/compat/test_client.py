"""Every service of the synchronous client, on every release: one server per release, each test with keys of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd import (
    AlarmType,
    Client,
    Compare,
    ConnectionOptions,
    Credentials,
    EventType,
    Operation,
    check_health,
    prefix_end,
)
from backstay.etcd.maintenance import DowngradeAction
from backstay.etcd.operations import SortOrder, SortTarget
from backstay.etcd.results import DeleteResult, Permission, PermissionType, PutResult, RangeResult, TxnResult
from backstay.etcd.watch import WatchCompacted
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess, free_ports
from tests.peers import Peer

Changed = TypeVar("Changed")


@pytest.fixture(scope="module", params=peers.VERSIONS, ids=lambda version: f"etcd-{version}")
def etcd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """A server of each release that all tests of this module share."""
    with EtcdProcess(peers.peer(request.param), tmp_path_factory.mktemp("client") / "etcd") as process:
        yield process


@pytest.fixture
def client(etcd: EtcdProcess) -> Iterator[Client]:
    with Client(ConnectionOptions.of([etcd.endpoint])) as opened:
        yield opened


def test_a_key_is_written_read_overwritten_and_deleted(client: Client) -> None:
    first = client.kv.put(b"kv/a", b"1")
    second = client.kv.put(b"kv/a", b"2", previous=True)
    assert first.previous is None
    assert second.previous is not None
    assert second.previous.value == b"1"
    assert second.header.revision == first.header.revision + 1
    item = client.kv.get(b"kv/a")
    assert item is not None
    assert (item.value, item.version, item.create_revision) == (b"2", 2, first.header.revision)
    old = client.kv.get(b"kv/a", revision=first.header.revision)
    assert old is not None
    assert old.value == b"1"
    kept = client.kv.put(b"kv/a", b"", ignore_value=True)
    assert kept.header.revision == second.header.revision + 1
    deleted = client.kv.delete_range(b"kv/a", previous=True)
    assert (deleted.deleted, [item.value for item in deleted.previous]) == (1, [b"2"])
    assert client.kv.get(b"kv/a") is None
    assert client.kv.delete_range(b"kv/a").deleted == 0


def test_ranges_are_limited_sorted_counted_and_paged(client: Client) -> None:
    for number in range(25):
        client.kv.put(b"range/%02d" % number, b"%d" % (100 - number))
    everything = {"range_end": prefix_end(b"range/")}
    limited = client.kv.range(b"range/", range_end=everything["range_end"], limit=3)
    assert ([item.key for item in limited.items], limited.more, limited.count) == (
        [b"range/00", b"range/01", b"range/02"], True, 25,
    )  # fmt: skip
    by_value = client.kv.range(
        b"range/", range_end=everything["range_end"], limit=1,
        sort_order=SortOrder.DESCEND, sort_target=SortTarget.MOD, serializable=True,
    )  # fmt: skip
    assert by_value.items[0].key == b"range/24"
    assert client.kv.range(b"range/", range_end=everything["range_end"], count_only=True).count == 25
    only_keys = client.kv.range(b"range/", range_end=everything["range_end"], keys_only=True)
    assert {item.value for item in only_keys.items} == {b""}
    newest = only_keys.items[-1].mod_revision
    assert len(client.kv.range(b"range/", range_end=everything["range_end"], min_mod_revision=newest).items) == 1
    pages = list(client.kv.range_pages(b"range/", page_keys=10))
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert [item.key for page in pages for item in page.items] == [b"range/%02d" % number for number in range(25)]


def test_pages_hold_one_revision_while_others_write(client: Client) -> None:
    for number in range(6):
        client.kv.put(b"page/%d" % number, b"before")
    pages = client.kv.range_pages(b"page/", page_keys=2)
    seen = [item.value for item in next(pages).items]
    for number in range(9):
        client.kv.put(b"page/%d" % number, b"after")
    seen += [item.value for page in pages for item in page.items]
    assert seen == [b"before"] * 6
    assert [page.count for page in client.kv.range_pages(b"nobody/")] == [0]


def test_transactions_branch_and_nest(client: Client) -> None:
    client.kv.put(b"txn/a", b"1")
    done = client.kv.txn(
        (Compare.value(b"txn/a", "=", b"1"), Compare.version(b"txn/none", "=", 0)),
        (
            Operation.put(b"txn/b", b"2"),
            Operation.range(b"txn/", range_end=prefix_end(b"txn/")),
            Operation.txn((Compare.create_revision(b"txn/a", "=", 0),), (), (Operation.delete_range(b"txn/a"),)),
        ),
    )
    assert done.succeeded
    put, read, nested = done.responses
    assert isinstance(put, PutResult)
    assert isinstance(read, RangeResult)
    assert [item.key for item in read.items] == [b"txn/a", b"txn/b"]
    assert isinstance(nested, TxnResult)
    assert not nested.succeeded
    assert isinstance(nested.responses[0], DeleteResult)
    assert nested.responses[0].deleted == 1
    other = client.kv.txn(
        (Compare.mod_revision(b"txn/b", "<", 1), Compare.lease(b"txn/b", "=", 0)), (), (Operation.put(b"txn/c", b"3"),)
    )
    assert not other.succeeded
    assert client.kv.get(b"txn/c") is not None


def test_leases_are_granted_renewed_and_revoked(client: Client) -> None:
    granted = client.lease.grant(300, lease_id=0x1234_5678)
    client.kv.put(b"lease/a", b"1", lease=granted.lease_id)
    assert client.lease.keep_alive(granted.lease_id) == 300
    state = client.lease.time_to_live(granted.lease_id, keys=True)
    assert (state.granted_ttl_seconds, state.keys) == (300, (b"lease/a",))
    assert granted.lease_id in client.lease.leases()
    with pytest.raises(BackstayError, match="lease already exists") as refused:
        client.lease.grant(300, lease_id=granted.lease_id)
    assert refused.value.kind is errors.REQUEST_REFUSED
    client.lease.revoke(granted.lease_id)
    assert client.kv.get(b"lease/a") is None
    assert client.lease.keep_alive(granted.lease_id) == 0
    assert client.lease.time_to_live(granted.lease_id).ttl_seconds == -1
    with pytest.raises(BackstayError, match="requested lease not found"):
        client.lease.revoke(granted.lease_id)


def test_a_watch_delivers_history_and_then_what_happens(client: Client) -> None:
    first = client.kv.put(b"watch/a", b"1").header.revision
    client.kv.delete_range(b"watch/a")
    with client.watch(b"watch/", range_end=prefix_end(b"watch/"), start_revision=first, previous=True) as watcher:
        events = []
        while len(events) < 2:
            events += next(watcher).events
        assert [event.type for event in events] == [EventType.PUT, EventType.DELETE]
        assert events[0].is_create
        assert events[1].previous is not None
        assert events[1].previous.value == b"1"
        revision = client.kv.put(b"watch/b", b"2").header.revision
        batch = next(watcher)
        assert [(event.item.key, event.item.mod_revision) for event in batch.events] == [(b"watch/b", revision)]
        watcher.request_progress()
        progress = next(watcher)
        assert progress.is_progress
        assert progress.header.revision >= revision


def test_a_watch_that_waits_ends_when_another_thread_cancels_it(client: Client) -> None:
    watcher = client.watch(b"nobody-writes-this")
    batches = []
    reader = threading.Thread(target=lambda: batches.extend(watcher))
    reader.start()
    watcher.cancel()
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert batches == []


def test_a_watch_below_the_compaction_says_what_is_gone(client: Client) -> None:
    first = client.kv.put(b"compact/a", b"1").header.revision
    newest = client.kv.put(b"compact/a", b"2").header.revision
    client.kv.compact(newest, physical=True)
    with client.watch(b"compact/a", start_revision=first) as watcher, pytest.raises(WatchCompacted) as caught:
        next(watcher)
    assert caught.value.kind is errors.REVISION_COMPACTED
    assert (caught.value.compact_revision, caught.value.wanted) == (newest, first)
    with pytest.raises(BackstayError) as read:
        client.kv.get(b"compact/a", revision=first)
    assert read.value.kind is errors.REVISION_COMPACTED
    with pytest.raises(BackstayError) as future:
        client.kv.get(b"compact/a", revision=newest + 1000)
    assert future.value.kind is errors.REVISION_FUTURE


def test_status_and_hashes_are_those_of_etcdctl(etcd: EtcdProcess, client: Client) -> None:
    status = client.maintenance.status()
    assert status.version == etcd.peer.version
    assert status.is_leader
    assert not status.is_learner
    assert status.database_size_bytes >= status.database_in_use_bytes > 0
    assert bool(status.storage_version) == (etcd.peer.release >= (3, 6))
    client.kv.put(b"maintenance/a", b"0")  # at a compact revision, etcd may answer with a hash it remembers
    answer = client.maintenance.hash_kv()
    listed = etcd.etcdctl("endpoint", "hashkv", "-w", "fields").stdout
    fields = dict(line.split(" : ", 1) for line in listed.splitlines() if " : " in line)
    assert int(fields['"Hash"']) == answer.hash
    assert answer.revision == client.kv.put(b"maintenance/a", b"1").header.revision - 1
    assert client.maintenance.hash_kv(answer.revision).hash == answer.hash
    assert client.maintenance.hash() > 0
    client.maintenance.defragment()


def test_alarms_are_raised_listed_and_cleared(client: Client) -> None:
    member = client.maintenance.status().header.member_id
    raised = client.maintenance.activate_alarm(member, AlarmType.NOSPACE)
    assert [(alarm.member_id, alarm.alarm) for alarm in raised] == [(member, AlarmType.NOSPACE)]
    assert client.maintenance.alarms() == raised
    assert client.maintenance.alarms(AlarmType.CORRUPT) == ()
    with pytest.raises(BackstayError, match="database space exceeded") as refused:
        client.kv.put(b"alarm/a", b"1")
    assert "alarm disarm" in refused.value.next_step
    (health,) = check_health(client.options)
    assert not health.is_healthy
    assert client.maintenance.deactivate_alarm(member, AlarmType.NOSPACE) == raised
    (health,) = check_health(client.options)
    assert health.is_healthy


def test_the_leader_stays_and_a_downgrade_is_only_asked_about(etcd: EtcdProcess, client: Client) -> None:
    client.maintenance.move_leader(client.maintenance.status().header.member_id)
    with pytest.raises(BackstayError) as refused:
        client.maintenance.downgrade(DowngradeAction.VALIDATE, "2.0.0")
    assert refused.value.kind is errors.REQUEST_REFUSED
    if etcd.peer.release < (3, 5):
        assert "unknown method" in refused.value.why


def test_a_snapshot_streams_whole_with_its_hash_last(client: Client) -> None:
    client.kv.put(b"snapshot/a", b"1")
    with client.maintenance.snapshot() as stream:
        chunks = list(stream)
    assert len(chunks[-1].blob) == 32
    assert [chunk.remaining_bytes for chunk in chunks[-2:]] == [0, 0]
    assert sum(len(chunk.blob) for chunk in chunks[:-1]) == chunks[0].remaining_bytes + len(chunks[0].blob)


def patiently(change: Callable[[], Changed]) -> Changed:
    """The outcome of a change of the members. On 3.5.1 one that follows another at once was seen to get no answer now and then
    (raft may drop a change while another is not applied; not proven here), and an answer when asked again.
    """
    for _ in range(5):
        try:
            return change()
        except BackstayError as problem:
            if problem.kind is not errors.DEADLINE_EXCEEDED:
                raise
    return change()


def test_members_are_listed_added_updated_and_removed(etcd: EtcdProcess, client: Client) -> None:
    (own,) = client.cluster.members().members
    assert (own.name, own.client_urls, own.is_learner) == ("default", (etcd.endpoint,), False)
    assert client.cluster.members(linearizable=False).members == (own,)
    first, second = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    added = patiently(lambda: client.cluster.add([first], is_learner=True))
    assert added.member.is_learner
    assert len(added.members) == 2
    updated = patiently(lambda: client.cluster.update(added.member.member_id, [second]))
    # 3.4 and 3.5.1 answer an update as if the learner were a voter, so the id is what tells.
    assert {member.member_id: member.peer_urls for member in updated.members}[added.member.member_id] == (second,)
    with pytest.raises(BackstayError, match="learner"):
        client.cluster.promote(added.member.member_id)
    assert patiently(lambda: client.cluster.remove(added.member.member_id)).members == (own,)


def test_users_roles_and_tokens(etcd: EtcdProcess, client: Client) -> None:
    auth = client.auth
    auth.add_user("root", "first")
    auth.add_role("root")
    auth.grant_role("root", "root")
    auth.change_password("root", "secret")
    auth.add_user("reader", "read")
    auth.add_role("reading")
    permission = Permission(PermissionType.READ, b"auth/", prefix_end(b"auth/"))
    auth.grant_permission("reading", permission)
    auth.grant_permission("reading", Permission(PermissionType.WRITE, b"other"))
    auth.revoke_permission("reading", b"other")
    auth.grant_role("reader", "reading")
    assert auth.users() == ("reader", "root")
    assert auth.user_roles("reader") == ("reading",)
    assert auth.roles() == ("reading", "root")
    assert auth.role_permissions("reading") == (permission,)
    if etcd.peer.release >= (3, 5):
        assert not auth.status().is_enabled
    auth.enable()
    root = ConnectionOptions.of([etcd.endpoint], _user("root", "secret"))
    try:
        with Client(root) as administrator:
            administrator.kv.put(b"auth/a", b"1")
            if etcd.peer.release >= (3, 5):
                assert administrator.auth.status().is_enabled
            with Client(ConnectionOptions.of([etcd.endpoint], _user("reader", "read"))) as reader:
                assert reader.kv.get(b"auth/a") is not None
                with pytest.raises(BackstayError) as refused:
                    reader.kv.put(b"auth/a", b"2")
                assert refused.value.kind is errors.PERMISSION_DENIED
                assert all(health.is_healthy for health in check_health(reader.options))
                # The password's change ends the reader's token; the client gets a new one only with the new password.
                administrator.auth.change_password("reader", "again")
                with pytest.raises(BackstayError) as ended:
                    reader.kv.get(b"auth/a")
                assert ended.value.kind is errors.AUTHENTICATION_FAILED
            with pytest.raises(BackstayError) as anonymous:
                client.kv.get(b"auth/a")
            assert "--user" in anonymous.value.next_step
            with Client(ConnectionOptions.of([etcd.endpoint], _user("root", "wrong"))) as wrong:
                with pytest.raises(BackstayError) as failed:
                    wrong.kv.get(b"auth/a")
                assert failed.value.kind is errors.AUTHENTICATION_FAILED
    finally:
        with Client(root) as administrator:
            administrator.auth.disable()
    auth.revoke_role("reader", "reading")
    auth.delete_user("reader")
    auth.delete_role("reading")
    assert auth.users() == ("root",)
    with Client(root) as needless:
        assert needless.kv.get(b"auth/a") is not None, "credentials that are not needed do no harm"


def test_a_watch_survives_a_restart_without_a_gap(newest_peer: Peer, start_etcd: StartEtcd) -> None:
    etcd = start_etcd(newest_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        start = client.kv.put(b"a", b"1").header.revision
        with client.watch(b"a", start_revision=start) as watcher:
            assert [event.item.value for event in next(watcher).events] == [b"1"]
            etcd.kill()
            etcd.start()
            client.kv.put(b"a", b"2")
            client.kv.put(b"a", b"3")
            seen: list[bytes] = []
            while len(seen) < 2:
                seen += [event.item.value for event in next(watcher).events]
            assert seen == [b"2", b"3"]


def test_reads_go_to_the_next_endpoint_and_writes_are_sent_once(newest_peer: Peer, start_etcd: StartEtcd) -> None:
    etcd = start_etcd(newest_peer)
    (nobody,) = free_ports(1)
    with Client(ConnectionOptions.of([f"127.0.0.1:{nobody}", etcd.endpoint])) as client:
        # Nothing was sent to the first endpoint, so even a write may go on.
        revision = client.kv.put(b"a", b"1").header.revision
        assert client.kv.get(b"a") is not None
        etcd.kill()
        etcd.start()
        assert client.kv.put(b"a", b"2").header.revision == revision + 1
        etcd.kill()
        with pytest.raises(BackstayError) as caught:
            client.kv.get(b"a")
        assert caught.value.kind in (errors.ENDPOINT_UNREACHABLE, errors.NO_HEALTHY_ENDPOINT)
        assert f"127.0.0.1:{nobody}" in str(caught.value)


def _user(name: str, password: str) -> Credentials:
    return Credentials(user=name, password=password)
