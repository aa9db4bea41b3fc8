"""The services v3lock and v3election: the same answers and refusals as a real etcd, waiting included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from backstay.etcd.pb import election_pb2 as election
from backstay.etcd.pb import lock_pb2 as lock
from backstay.etcd.pb import rpc_pb2 as rpc
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.model import wire
from tests.peers import Peer

LEASES = (201, 202, 203)
SECONDS = 20.0


class Caller:
    """Calls by name; what came of each is what is compared."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.answers: list[object] = []

    def begin(self, path: str, request: Any, kind: type[Any]) -> Any:
        method = self._channel.unary_unary(
            path, request_serializer=type(request).SerializeToString, response_deserializer=kind.FromString
        )
        return method.future(request, timeout=SECONDS)

    def end(self, call: Any) -> Any:
        """Wait for it and note what it says, the header without the ids of cluster and member."""
        try:
            response = call.result()
        except grpc.RpcError as problem:
            self.answers.append(wire.refusal_of(problem))
            return None
        self.answers.append((response.header.revision, [str(value) for field, value in response.ListFields()[1:]]))
        return response

    def ask(self, path: str, request: Any, kind: type[Any]) -> Any:
        return self.end(self.begin(path, request, kind))

    def put(self, key: bytes) -> None:
        self.ask("/etcdserverpb.KV/Put", rpc.PutRequest(key=key), rpc.PutResponse)

    def contents(self) -> None:
        everything = rpc.RangeRequest(key=b"\0", range_end=b"\0")
        response = self.ask("/etcdserverpb.KV/Range", everything, rpc.RangeResponse)
        self.answers.append([wire.pair(each) for each in response.kvs])

    def grant(self) -> None:
        for lease in LEASES:
            request = rpc.LeaseGrantRequest(ID=lease, TTL=600)
            self.ask("/etcdserverpb.Lease/LeaseGrant", request, rpc.LeaseGrantResponse)

    def revoke(self, lease: int) -> None:
        self.ask("/etcdserverpb.Lease/LeaseRevoke", rpc.LeaseRevokeRequest(ID=lease), rpc.LeaseRevokeResponse)

    def wait_for_key(self, key: bytes, *, there: bool = True) -> None:
        """Until somebody waits under this key, or has given up: then the order of those who wait is known."""
        request = rpc.RangeRequest(key=key)
        for _ in range(10_000):
            if bool(wire.ask_raw(self._channel, "KV/Range", request, rpc.RangeResponse).kvs) is there:
                return
        raise AssertionError(f"{key!r} does not change")

    def observe(self, name: bytes) -> Iterator[Any]:
        method = self._channel.unary_stream(
            "/v3electionpb.Election/Observe",
            request_serializer=election.LeaderRequest.SerializeToString,
            response_deserializer=election.LeaderResponse.FromString,
        )
        call: Iterator[Any] = method(election.LeaderRequest(name=name), timeout=SECONDS)
        return call


def locks(caller: Caller) -> None:
    """One holds, two wait, one of them gives up; the lease of a holder ends; what is wrong is refused."""

    def begin(lease: int, name: bytes = b"door") -> Any:
        return caller.begin("/v3lockpb.Lock/Lock", lock.LockRequest(name=name, lease=lease), lock.LockResponse)

    def unlock(key: bytes) -> None:
        caller.ask("/v3lockpb.Lock/Unlock", lock.UnlockRequest(key=key), lock.UnlockResponse)

    caller.grant()
    first = caller.end(begin(201))
    caller.end(begin(201))  # the same lease again: it holds already
    second = begin(202)
    caller.wait_for_key(b"door/ca")
    third = begin(203)
    caller.wait_for_key(b"door/cb")
    caller.contents()
    second.cancel()
    caller.wait_for_key(b"door/ca", there=False)
    unlock(first.key)
    caller.end(third)
    caller.contents()
    waiting = begin(201)
    caller.wait_for_key(b"door/c9")
    caller.revoke(203)
    caller.end(waiting)
    unlock(b"door/none")
    unlock(b"")
    caller.end(begin(999))
    caller.end(begin(201, b""))
    caller.contents()


def elections(caller: Caller) -> None:
    """Who leads, says so, is observed, resigns and is followed; and every refusal."""

    def begin(lease: int, value: bytes) -> Any:
        request = election.CampaignRequest(name=b"house", lease=lease, value=value)
        return caller.begin("/v3electionpb.Election/Campaign", request, election.CampaignResponse)

    def proclaim(leader: election.LeaderKey | None, value: bytes) -> None:
        request = election.ProclaimRequest(leader=leader, value=value)
        caller.ask("/v3electionpb.Election/Proclaim", request, election.ProclaimResponse)

    def resign(leader: election.LeaderKey | None) -> None:
        request = election.ResignRequest(leader=leader)
        caller.ask("/v3electionpb.Election/Resign", request, election.ResignResponse)

    def leader() -> None:
        request = election.LeaderRequest(name=b"house")
        caller.ask("/v3electionpb.Election/Leader", request, election.LeaderResponse)

    caller.grant()
    leader()
    observed = caller.observe(b"house")
    first = caller.end(begin(201, b"one")).leader
    seen = [next(observed).kv]
    caller.end(begin(201, b"one again"))
    seen.append(next(observed).kv)
    proclaim(first, b"still one")
    seen.append(next(observed).kv)
    leader()
    second = begin(202, b"two")
    caller.wait_for_key(b"house/ca")
    resign(first)
    followed = caller.end(second).leader
    seen.append(next(observed).kv)
    caller.answers.append([wire.pair(each) for each in seen])
    observed.cancel()  # type: ignore[attr-defined]
    proclaim(first, b"gone")
    resign(first)
    proclaim(None, b"")
    resign(None)
    resign(election.LeaderKey(name=b"house", key=b"house/none", rev=1, lease=1))
    caller.end(begin(999, b"nobody"))
    caller.contents()
    resign(followed)
    leader()


@pytest.mark.parametrize("script", [locks, elections])
def test_both_services_answer_as_etcds(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd, script: Callable[[Caller], None]
) -> None:
    def run(server: EtcdProcess) -> list[object]:
        with grpc.insecure_channel(server.address) as channel:
            caller = Caller(channel)
            script(caller)
        return caller.answers

    ours, real = run(start_backstay(newest_peer)), run(start_etcd(newest_peer))
    assert ours == real
