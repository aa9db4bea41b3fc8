"""Random histories of concurrent clients, asked of our server and of a real etcd: the same answers, events and HashKV.

What is sent at once to ours may take effect in any order; its answers say which one it was (a write has its own revision,
a read the revision it saw). The real etcd is then asked the same in that order, one after the other, and must say the same.
Requests whose order no answer tells are sent alone.

All histories of a run share one store on each side; a part of them has access control on, with users, roles and tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import grpc

from backstay.etcd.pb import auth_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.requests import Message, Operation
from backstay.formats.requests.codec import encode
from tests.etcd_process import EtcdProcess
from tests.model import wire
from tests.model.random_requests import ENDS, KEYS, random_delete, random_put, random_range, random_request, random_txn
from tests.model.watching import Watching

STEPS = 25
AT_ONCE = 8
CHANNELS = 4
WATCHERS = 3
WITH_ACCESS_CONTROL = 5
"""One history in so many."""
USERS = {"root": "root", "alice": "writer", "bob": "reader"}
PASSWORD = "secret"
ARGUMENTS = ("--bcrypt-cost=4",)
"""What both servers are started with: a dear hash of passwords proves nothing here."""
OUR_ARGUMENTS = (*ARGUMENTS, "--snapshot-count=200")
"""Many checkpoints, between them kills: what ours answers must not depend on where its records are."""
HISTORIES_A_LIFE = 8
"""So many between two kills of ours."""


class Side:
    """One of the two servers, its connections, and what clients hold of it."""

    def __init__(self, server: EtcdProcess, stack: ExitStack) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self.channels = [stack.enter_context(grpc.insecure_channel(server.address, own)) for _ in range(CHANNELS)]
        self.tokens: dict[str, str] = {}
        self.watchers: list[Watching | None] = [None] * WATCHERS

    def metadata(self, user: str) -> wire.Metadata:
        """How a user is told from others; nothing where there are none."""
        return (("token", self.tokens[user]),) if user in self.tokens else ()

    def ask(self, body: Message, user: str) -> wire.Answered | str:
        """One of the requests that stand in a log, or a read."""
        return wire.ask(self.channels[0], body, self.metadata(user))

    def call(self, method: str, request: Any, kind: type[Any], user: str) -> object:
        """Any other call; its response without what the two need not share, or the refusal."""
        try:
            response = wire.ask_raw(self.channels[0], method, request, kind, self.metadata(user))
        except grpc.RpcError as problem:
            return wire.refusal_of(problem)
        revision = response.header.revision
        response.ClearField("header")
        return revision, response


class History:
    """One history, named by its seed."""

    def __init__(self, seed: int, ours: Side, real: Side) -> None:
        self.where = f"seed {seed}"
        self._sides = (ours, real)
        self._ours, self._real = ours, real
        self._chosen = random.Random(seed)
        self._users = list(USERS) if seed % WITH_ACCESS_CONTROL == 0 else []
        self._revision = 0
        self._watched: list[tuple[rpc.WatchCreateRequest, str] | None] = [None] * WATCHERS

    def run(self) -> None:
        """Take all steps and compare; raise `AssertionError` at the first difference."""
        self._revision = self._newest()
        if self._users:
            self._switch_access_control_on()
        for step in range(STEPS):
            self.where = f"{self.where.partition(',')[0]}, step {step}"
            self._step(self._chosen.random())
        for number in range(WATCHERS):
            self._close_watcher(number)
        if self._users:
            self._switch_access_control_off()
        self._compare_hashes()

    def _step(self, kind: float) -> None:
        if kind < 0.55:
            body = random_request(self._chosen, self._revision)
            if isinstance(body, requests.Compaction):
                self._catch_up()  # what a watcher is told of the past depends on when it was compacted
            self._same_answer(body, self._user())
        elif kind < 0.75:
            self._at_once()
        elif kind < 0.78:
            self._range_stream()
        elif kind < 0.85:
            self._lease_question()
        elif kind < 0.95 or not self._users:
            self._watcher_step(self._chosen.randrange(WATCHERS))
        else:
            self._access_step()

    def _user(self) -> str:
        """Who asks: mostly somebody who may."""
        return self._chosen.choice(("root", "root", "alice", "bob", "nobody")) if self._users else "root"

    def _newest(self) -> int:
        seen = [side.ask(requests.Range(b"\0", count_only=True), "root") for side in self._sides]
        assert seen[0] == seen[1], f"{self.where}: before it began {seen[0]} is not {seen[1]}"
        return int(seen[0][0])

    def _same_answer(self, body: Message, user: str) -> None:
        answered, expected = (side.ask(body, user) for side in self._sides)
        assert answered == expected, f"{self.where}: {answered} is not {expected}: {user} {body}"
        if isinstance(expected, tuple):
            self._revision = max(self._revision, expected[0])

    def _same(self, method: str, request: Any, kind: type[Any], user: str) -> Any:
        answered, expected = (side.call(method, request, kind, user) for side in self._sides)
        assert _comparable(answered) == _comparable(expected), (
            f"{self.where}: {answered} is not {expected}: {user} {method} {request}"
        )
        return expected

    # Many at once.

    def _at_once(self) -> None:
        asked = [(self._orderly_request(), self._user()) for _ in range(self._chosen.randint(2, AT_ONCE))]
        calls = [
            wire.begin(self._ours.channels[number % CHANNELS], body, self._ours.metadata(user))
            for number, (body, user) in enumerate(asked)
        ]
        answers = [wire.end(call) for call in calls]
        order = sorted(range(len(asked)), key=lambda number: _place(asked[number][0], answers[number]))
        for number in order:
            body, user = asked[number]
            expected = self._real.ask(body, user)
            assert answers[number] == expected, (
                f"{self.where}: {answers[number]} is not {expected}, as number {order.index(number)} of: "
                + "".join(f"\n  {asked[each][1]} {asked[each][0]} -> {answers[each]}" for each in order)
            )
            if isinstance(expected, tuple):
                self._revision = max(self._revision, expected[0])

    def _orderly_request(self) -> Message:
        """A request whose place among others its answer tells: refused, if at all, whatever comes before it."""
        while True:
            kind = self._chosen.random()
            if kind < 0.4:
                body: Message = random_put(self._chosen)
            elif kind < 0.5:
                body = random_delete(self._chosen)
            elif kind < 0.7:
                body = random_range(self._chosen, self._revision)
            else:
                body = random_txn(self._chosen, self._revision)
            if _is_orderly(body, self._revision):
                return body

    # Ranges in pieces.

    def _range_stream(self) -> None:
        """The same pieces, or the same refusal."""
        body, user = random_range(self._chosen, self._revision), self._user()
        ours, real = (_pieces(side, body, user) for side in self._sides)
        assert ours == real, f"{self.where}: {ours} is not {real}: {user} in pieces: {body}"

    # Leases.

    def _lease_question(self) -> None:
        lease, kind, user = self._chosen.randint(1, 5), self._chosen.random(), self._user()
        if kind < 0.5:
            keys = self._chosen.random() < 0.7
            self._same(
                "Lease/LeaseTimeToLive",
                rpc.LeaseTimeToLiveRequest(ID=lease, keys=keys),
                rpc.LeaseTimeToLiveResponse,
                user,
            )
        elif kind < 0.7:
            self._same("Lease/LeaseLeases", rpc.LeaseLeasesRequest(), rpc.LeaseLeasesResponse, user)
        else:
            renewed = [self._keep_alive(side, lease, user) for side in self._sides]
            assert renewed[0] == renewed[1], f"{self.where}: {renewed[0]} is not {renewed[1]}: {user} renews {lease}"

    def _keep_alive(self, side: Side, lease: int, user: str) -> object:
        method = side.channels[1].stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            request_serializer=rpc.LeaseKeepAliveRequest.SerializeToString,
            response_deserializer=rpc.LeaseKeepAliveResponse.FromString,
        )
        request = rpc.LeaseKeepAliveRequest(ID=lease)
        call = method(iter((request, request)), metadata=side.metadata(user), timeout=wire.SECONDS)
        try:
            return [(response.ID, response.TTL) for response in call]
        except grpc.RpcError as problem:
            return wire.refusal_of(problem)

    # Watchers.

    def _watcher_step(self, number: int) -> None:
        """Begin to watch, or break off; a watcher that broke off comes back behind what it has seen."""
        if self._ours.watchers[number] is None:
            create, user = self._watched[number] or (self._creation(), self._user())
            for side in self._sides:
                side.watchers[number] = Watching(side.channels[2], create, side.metadata(user))
            self._watched[number] = (create, user)
            self._compare_watcher(number, "created")
            return
        seen = self._compare_watcher(number, "events")
        self._close_watcher(number)
        create, user = self._watched[number] or (self._creation(), "")
        resumed = rpc.WatchCreateRequest()
        resumed.CopyFrom(create)
        resumed.start_revision = self._revision + 1 if seen.end is None else 0
        self._watched[number] = (resumed, user) if self._chosen.random() < 0.7 else None

    def _creation(self) -> rpc.WatchCreateRequest:
        newest, chosen = self._revision, self._chosen
        start = chosen.choice((0, 0, chosen.randint(max(1, newest - 30), newest), chosen.randint(-1, newest)))
        return rpc.WatchCreateRequest(
            key=chosen.choice((b"", *KEYS)),
            range_end=chosen.choice((b"", b"\0", *ENDS)),
            start_revision=start,
            prev_kv=chosen.random() < 0.6,
            fragment=chosen.random() < 0.2,
            filters=chosen.sample((0, 1), chosen.choice((0, 0, 0, 1, 1, 2))),
            watch_id=chosen.choice((0, 0, 7, -3)),
            progress_notify=chosen.random() < 0.2,
        )

    def _compare_watcher(self, number: int, what: str) -> Watching:
        ours, real = (side.watchers[number] for side in self._sides)
        assert ours is not None and real is not None
        create = self._watched[number]
        if create is None or create[0].start_revision <= self._revision:  # before, etcd says nothing of progress
            for each in (ours, real):
                each.catch_up(self._revision)
        for name in ("created", "events", "end"):
            answered, expected = getattr(ours, name), getattr(real, name)
            assert answered == expected, f"{self.where}: {what}: {answered} is not {expected}: {create}"
        return real

    def _catch_up(self) -> None:
        for number in range(WATCHERS):
            if self._ours.watchers[number] is not None:
                self._compare_watcher(number, "events")

    def _close_watcher(self, number: int) -> None:
        if self._ours.watchers[number] is None:
            return
        self._compare_watcher(number, "events")
        for side in self._sides:
            watcher = side.watchers[number]
            assert watcher is not None
            watcher.close()
            side.watchers[number] = None

    # Access control.

    def _switch_access_control_on(self) -> None:
        ask = self._same
        for role, (kind, key, end) in {"writer": (2, b"a", b"c"), "reader": (0, b"b", b"")}.items():
            ask("Auth/RoleAdd", rpc.AuthRoleAddRequest(name=role), rpc.AuthRoleAddResponse, "")
            permission = auth_pb2.Permission(permType=kind, key=key, range_end=end)
            request = rpc.AuthRoleGrantPermissionRequest(name=role, perm=permission)
            ask("Auth/RoleGrantPermission", request, rpc.AuthRoleGrantPermissionResponse, "")
        for user, role in USERS.items():
            ask("Auth/UserAdd", rpc.AuthUserAddRequest(name=user, password=PASSWORD), rpc.AuthUserAddResponse, "")
            grant = rpc.AuthUserGrantRoleRequest(user=user, role=role)
            ask("Auth/UserGrantRole", grant, rpc.AuthUserGrantRoleResponse, "")
        ask("Auth/AuthEnable", rpc.AuthEnableRequest(), rpc.AuthEnableResponse, "")
        for user in USERS:
            for side in self._sides:
                request = rpc.AuthenticateRequest(name=user, password=PASSWORD)
                response = wire.ask_raw(side.channels[0], "Auth/Authenticate", request, rpc.AuthenticateResponse)
                side.tokens[user] = response.token

    def _access_step(self) -> None:
        """Look at users and roles, change what a role may, try a password: by whoever it is."""
        chosen, user = self._chosen, self._user()
        name = chosen.choice((*USERS, "carol"))
        role = chosen.choice((*USERS.values(), "painter"))
        key, end = chosen.choice(KEYS), chosen.choice(ENDS)
        permission = auth_pb2.Permission(permType=chosen.randint(0, 2), key=key, range_end=end)
        grant = rpc.AuthRoleGrantPermissionRequest(name=role, perm=permission)
        revoke = rpc.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=end)
        give, take = rpc.AuthUserGrantRoleRequest, rpc.AuthUserRevokeRoleRequest
        login = rpc.AuthenticateRequest(name=name, password="wrong")
        method, request, kind = chosen.choice(
            (
                ("UserGet", rpc.AuthUserGetRequest(name=name), rpc.AuthUserGetResponse),
                ("UserList", rpc.AuthUserListRequest(), rpc.AuthUserListResponse),
                ("RoleGet", rpc.AuthRoleGetRequest(role=role), rpc.AuthRoleGetResponse),
                ("RoleList", rpc.AuthRoleListRequest(), rpc.AuthRoleListResponse),
                ("AuthStatus", rpc.AuthStatusRequest(), rpc.AuthStatusResponse),
                ("Authenticate", login, rpc.AuthenticateResponse),
                ("RoleGrantPermission", grant, rpc.AuthRoleGrantPermissionResponse),
                ("RoleRevokePermission", revoke, rpc.AuthRoleRevokePermissionResponse),
                ("UserGrantRole", give(user="bob", role=role), rpc.AuthUserGrantRoleResponse),
                ("UserRevokeRole", take(name="bob", role=role), rpc.AuthUserRevokeRoleResponse),
                ("RoleAdd", rpc.AuthRoleAddRequest(name="reader"), rpc.AuthRoleAddResponse),
                ("UserDelete", rpc.AuthUserDeleteRequest(name="root"), rpc.AuthUserDeleteResponse),
            )
        )
        self._same(f"Auth/{method}", request, kind, user)

    def _switch_access_control_off(self) -> None:
        self._same("Auth/AuthDisable", rpc.AuthDisableRequest(), rpc.AuthDisableResponse, "root")
        for side in self._sides:
            side.tokens.clear()
        for user in USERS:
            self._same("Auth/UserDelete", rpc.AuthUserDeleteRequest(name=user), rpc.AuthUserDeleteResponse, "")
        for role in USERS.values():
            self._same("Auth/RoleDelete", rpc.AuthRoleDeleteRequest(role=role), rpc.AuthRoleDeleteResponse, "")

    # The whole store.

    def _compare_hashes(self) -> None:
        """At the newest revision, and at one of the past that is not compacted: of the last revisions that it compacted at,
        etcd remembers the hash of before, and answers with that.
        """
        _, newest = self._same("Maintenance/HashKV", rpc.HashKVRequest(), rpc.HashKVResponse, "")
        at = self._chosen.randint(max(1, self._revision - 10), self._revision)
        if at > newest.compact_revision:
            self._same("Maintenance/HashKV", rpc.HashKVRequest(revision=at), rpc.HashKVResponse, "")


def _pieces(side: Side, body: Message, user: str) -> object:
    method = side.channels[3].unary_stream(
        "/etcdserverpb.KV/RangeStream", response_deserializer=rpc.RangeStreamResponse.FromString
    )
    try:
        found = method(encode(body), metadata=side.metadata(user), timeout=wire.SECONDS)
        return [wire.answered(each.range_response) for each in found]
    except grpc.RpcError as problem:
        return wire.refusal_of(problem)


def compare_servers(ours: EtcdProcess, real: EtcdProcess, seeds: Iterable[int]) -> None:
    """Run one history for each seed; raise `AssertionError` at the first difference, which names the seed.

    Now and then ours is killed and started again: everything must be as it was.
    """
    with ExitStack() as stack:
        there = Side(real, stack)
        for group in _groups(list(seeds)):
            if not ours.running:
                ours.start()
            with ExitStack() as connections:
                here = Side(ours, connections)
                for seed in group:
                    History(seed, here, there).run()
            ours.kill()


def _groups(seeds: list[int]) -> Iterator[list[int]]:
    return (seeds[start : start + HISTORIES_A_LIFE] for start in range(0, len(seeds), HISTORIES_A_LIFE))


def _place(body: Message, answer: wire.Answered | str) -> tuple[int, bool]:
    """Where an answered request stood among others: behind the write that made its revision, unless it is that write."""
    return (0, False) if isinstance(answer, str) else (answer[0], not _writes(body, answer[1]))


def _comparable(answer: object) -> object:
    if not isinstance(answer, tuple):
        return answer
    revision, response = answer
    if isinstance(response, rpc.LeaseTimeToLiveResponse):
        return revision, response.ID, response.grantedTTL, response.TTL == -1, sorted(response.keys)
    if isinstance(response, rpc.LeaseLeasesResponse):
        return revision, sorted(each.ID for each in response.leases)
    return revision, response


def _is_orderly(body: Message, newest: int) -> bool:
    if isinstance(body, requests.Put):
        return not (body.lease or body.ignore_value or body.ignore_lease)
    if isinstance(body, requests.Range):
        return body.revision <= newest
    if isinstance(body, requests.Txn):
        operations = (*body.success, *body.failure)
        # A branch that is refused for a revision is taken or not, and what was written before decides it.
        return not any(each.range and each.range.revision for each in operations) and all(
            part is None or _is_orderly(part, newest)
            for each in operations
            for part in (each.put or each.delete_range or each.txn,)
        )
    return True


def _writes(body: Message, answer: object) -> bool:
    """Whether an answered request changed the store."""
    if isinstance(body, requests.Txn):
        succeeded, parts = answer  # type: ignore[misc]
        operations: Sequence[Operation] = body.success if succeeded else body.failure
        return any(
            _writes(each.range or each.put or each.delete_range or each.txn, part)  # type: ignore[arg-type]
            for each, (_, part) in zip(operations, parts, strict=True)
        )
    return isinstance(body, requests.Put) or (isinstance(body, requests.DeleteRange) and bool(answer[0]))  # type: ignore[index]
