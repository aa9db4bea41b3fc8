"""Requests of HTTP, one after the other, that a real etcd and backstay must answer alike; and what may differ in an answer."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass, field
from typing import NamedTuple

SECONDS = 20.0

_OWN_NUMBERS = re.compile(
    r'"(cluster_id|member_id|raft_term|leader|raftIndex|raftTerm|raftAppliedIndex|dbSize|dbSizeInUse|token|remaining_bytes)":'
    r'("[^"]*"|\d+)'
)
_HASH = re.compile(r'"hash":\d+(?=}$)')
_MEMBER = re.compile(r'"ID":"(\d{10,})"')
_LEASE_KEY = re.compile(r'"(peerURLs|clientURLs)":\["[^"]*"\]')
HEADERS = (
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "allow",
    "content-type",
    "grpc-metadata-content-type",
    "x-content-type-options",
)


class Answer(NamedTuple):
    """What is compared: the status, the headers that mean something, the body without ids, sizes and times."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `lines` stops reading an answer that does not end; `any_order` compares the lines of the body as a set."""

    method: str
    path: str
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    any_order: bool = False
    only_status: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path} {(self.body or '')[:60]}".strip()


def post(path: str, body: str, **more: object) -> Ask:
    """A request to the gateway."""
    return Ask("POST", f"/v3/{path}", body, **more)  # type: ignore[arg-type]


def get(path: str, **more: object) -> Ask:
    """A look."""
    return Ask("GET", path, **more)  # type: ignore[arg-type]


def ask(port: int, request: Ask) -> Answer:
    """Ask whoever listens on `port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    body = request.body.encode("utf-8", "surrogateescape") if request.body is not None else None
    try:
        connection.request(request.method, request.path, body=body, headers=request.headers)
        response = connection.getresponse()
        read = [response.readline() for _ in range(request.lines)] if request.lines else [response.read()]
        answer = b"".join(read).decode()
        headers = tuple((name, response.headers[name]) for name in HEADERS if name in response.headers)
        return Answer(response.status, response.reason, headers, _without_own(request, answer))
    finally:
        connection.close()


def _without_own(request: Ask, body: str) -> str:
    if request.only_status:
        return ""
    body = _OWN_NUMBERS.sub(r'"\1":#', body)
    body = _MEMBER.sub('"ID":#', body)
    body = _LEASE_KEY.sub(r'"\1":#', body)
    if request.path.endswith("/hash"):
        body = _HASH.sub('"hash":#', body)
    return "\n".join(sorted(body.split("\n"))) if request.any_order else body


A, B, VALUE = "YQ==", "Yg==", "dmFsdWU="

PLAIN = (
    get("/health"),
    get("/health?serializable=true"),
    get("/health?exclude=NOSPACE"),
    Ask("POST", "/health", "{}"),
    Ask("HEAD", "/health"),
    get("/livez"),
    get("/livez?verbose"),
    get("/livez?exclude=serializable_read&verbose"),
    get("/livez/serializable_read"),
    get("/livez/serializable_read?verbose"),
    get("/livez/data_corruption"),
    get("/livez/"),
    Ask("POST", "/livez", "{}"),
    get("/readyz"),
    get("/readyz?verbose", any_order=True),
    get("/readyz?verbose=1&exclude=data_corruption", any_order=True),
    get("/readyz?exclude=nope&verbose", any_order=True),
    get("/readyz?allowlist=serializable_read&verbose", any_order=True),
    get("/readyz/data_corruption?verbose"),
    get("/readyz/linearizable_read?verbose"),
    get("/readyz/non_learner?verbose"),
    get("/readyz/nope"),
    Ask("PUT", "/readyz/data_corruption", ""),
    get("/version"),
    Ask("POST", "/version", ""),
    Ask("OPTIONS", "/health"),
    Ask("OPTIONS", "/v3/kv/range"),
    Ask("OPTIONS", "/nope"),
    get("/"),
    get("/nope"),
    get("/v2/keys"),
    get("/debug/pprof/"),
    get("/metrics", only_status=True),
)

KEYS = (
    post("kv/range", f'{{"key":"{A}"}}'),
    post("kv/put", f'{{"key":"{A}","value":"{VALUE}"}}'),
    post("kv/put", f'{{"key":"{A}","value":"{VALUE}","prev_kv":true}}'),
    post("kv/put", f'{{"key":"{B}","value":"{VALUE}","lease":"99"}}'),
    post("kv/put", f'{{"key":"{B}","ignoreValue":true}}'),
    post("kv/put", f'{{"key":"{B}"}}'),
    post("kv/put", '{"value":"YQ=="}'),
    post("kv/range", f'{{"key":"{A}"}}'),
    post("kv/range", f'{{"key":"{A}","range_end":"AA=="}}'),
    post("kv/range", f'{{"key":"{A}","rangeEnd":"AA==","limit":"1"}}'),
    post("kv/range", f'{{"key":"{A}","range_end":"AA==","limit":1.0,"sort_order":"DESCEND","sort_target":4}}'),
    post("kv/range", f'{{"key":"{A}","count_only":true}}'),
    post("kv/range", f'{{"key":"{A}","keys_only":true}}'),
    post("kv/range", f'{{"key":"{A}","serializable":true}}'),
    post("kv/range", f'{{"key":"{A}","revision":"100"}}'),
    post("kv/range", f'{{"key":"{A}","min_mod_revision":3}}'),
    post("kv/range", f'{{"key":"{A}","sort_order":9}}'),
    post("kv/range", f'{{"key":"{A}","sort_order":"NOPE"}}'),
    post("kv/range", f'{{"key":"{A}","limit":"1e1"}}'),
    post("kv/range", f'{{"key":"{A}","limit":-1}}'),
    post("kv/range", '{"key":"YQ"}'),
    post("kv/range", '{"key":"_-8="}'),
    post("kv/range", '{"key":"Y Q=="}'),
    post("kv/range", '{"key":"YQ\\n=="}'),
    post("kv/range", "{}"),
    Ask("POST", "/v3beta/kv/range", f'{{"key":"{A}"}}'),
    Ask("POST", "/v3alpha/kv/range", f'{{"key":"{A}"}}'),
    post(
        "kv/txn",
        f'{{"compare":[{{"target":"CREATE","key":"{A}","createRevision":"0"}}],'
        f'"success":[{{"requestPut":{{"key":"{A}","value":"{B}"}}}}],'
        f'"failure":[{{"requestRange":{{"key":"{A}"}}}},{{"request_txn":{{}}}}]}}',
    ),
    post(
        "kv/txn",
        f'{{"compare":[{{"target":"VALUE","result":"EQUAL","key":"{A}","value":"{VALUE}"}}],'
        f'"success":[{{"request_put":{{"key":"{A}","value":"{B}","prev_kv":true}}}},'
        f'{{"request_delete_range":{{"key":"{B}","prev_kv":true}}}}]}}',
    ),
    post("kv/txn", f'{{"success":[{{"requestPut":{{"key":"{A}"}}}},{{"requestPut":{{"key":"{A}"}}}}]}}'),
    post("kv/txn", '{"success":[{}]}'),
    post("kv/txn", "{}"),
    post("kv/deleterange", f'{{"key":"{A}","prev_kv":true}}'),
    post("kv/deleterange", f'{{"key":"{A}"}}'),
    post("kv/compaction", '{"revision":2}'),
    post("kv/compaction", '{"revision":2}'),
    post("kv/compaction", '{"revision":"2000"}'),
    post("kv/range", f'{{"key":"{A}","revision":"1"}}'),
)

MALFORMED = (
    post("kv/range", ""),
    post("kv/range", "   "),
    post("kv/range", "x"),
    post("kv/range", "{"),
    post("kv/range", "[]"),
    post("kv/range", "null"),
    post("kv/range", '"text"'),
    post("kv/range", "17"),
    post("kv/range", "1.x"),
    post("kv/range", "-"),
    post("kv/range", "tru"),
    post("kv/range", "trxe"),
    post("kv/range", "{x}"),
    post("kv/range", '{"key"}'),
    post("kv/range", '{"key":}'),
    post("kv/range", '{"key":1,}'),
    post("kv/range", '{"key":1 2}'),
    post("kv/range", '{"key":[1 2]}'),
    post("kv/range", '{"key":"\\x"}'),
    post("kv/range", '{"key":"\\u12x4"}'),
    post("kv/range", '{"key":"a\tb"}'),
    post("kv/range", '{"key":"!!"}'),
    post("kv/range", '{"key":1}'),
    post("kv/range", '{"key":{}}'),
    post("kv/range", '{"key":["YQ=="]}'),
    post("kv/range", '{"key":null}'),
    post("kv/range", '{"key":"YQ==","key":"Yg=="}'),
    post("kv/range", '{"key":"YQ==","range_end":"AA==","rangeEnd":"AA=="}'),
    post("kv/range", '{"key":"YQ=="} trailing'),
    post("kv/range", '{"key":"YQ=="}{"key":"YQ=="}'),
    post("kv/range", '{"nope":[1,{"a":null}],"key":"YQ=="}'),
    post("kv/range", '{"key":"YQ==",\n  "limit":"x"}'),
    post("kv/range", '{"key":"YQ==","limit":1.5}'),
    post("kv/range", '{"key":"YQ==","limit":99999999999999999999}'),
    post("kv/range", '{"key":"YQ==","limit":" 1"}'),
    post("kv/range", '{"key":"YQ==","limit":true}'),
    post("kv/range", '{"key":"YQ==","serializable":"true"}'),
    post("kv/range", '{"key":"YQ==","serializable":1}'),
    post("kv/range", '{"key":"YQ==","sort_order":true}'),
    post("kv/range", '{"key":"YQ==","sort_order":1.5}'),
    post("kv/range", '{"key":"YQ==","sort_order":"1"}'),
    post("kv/txn", '{"compare":{}}'),
    post("kv/txn", '{"compare":[null]}'),
    post("kv/txn", '{"compare":[1]}'),
    post("kv/txn", '{"success":[{"requestPut":{"key":"YQ=="},"requestRange":{"key":"YQ=="}}]}'),
    post("kv/txn", '{"compare":[{"version":"1","value":"YQ=="}]}'),
    post("auth/user/add", '{"name":"\udcff"}'),
    post("auth/user/add", '{"nope":"\udcff","name":"x"}'),
    post("cluster/member/add", '{"peerURLs":"x"}'),
    post("cluster/member/add", '{"peerURLs":[1]}'),
    post("auth/user/add", '{"name":1}'),
    post("nope", "{}"),
    get("/v3/kv/range"),
    get("/v3/nope"),
    Ask("PUT", "/v3/kv/range", "{}"),
    Ask("DELETE", "/v3/kv/range"),
    post("kv/range/", '{"key":"YQ=="}'),
    get("/v3"),
)

LEASES = (
    post("lease/grant", '{"TTL":"100","ID":"77"}'),
    post("lease/grant", '{"TTL":"100","ID":"77"}'),
    post("lease/grant", '{"TTL":"10000000000"}'),
    post("kv/put", f'{{"key":"{A}","value":"{VALUE}","lease":77}}'),
    post("lease/keepalive", '{"ID":77}'),
    post("lease/keepalive", '{"ID":78}'),
    post("lease/timetolive", '{"ID":77,"keys":true}'),
    post("kv/lease/timetolive", '{"ID":79}'),
    post("lease/leases", "{}"),
    post("kv/lease/leases", "{}"),
    post("lease/revoke", '{"ID":77}'),
    post("kv/lease/revoke", '{"ID":77}'),
    post("kv/range", f'{{"key":"{A}"}}'),
)

WATCHES = (
    post("watch", f'{{"create_request":{{"key":"{A}","start_revision":"3","watch_id":"7"}}}}', lines=2),
    post("watch", f'{{"create_request":{{"key":"{A}","start_revision":"1"}}}}', lines=2),
    post("watch", f'{{"create_request":{{"key":"{B}"}}}}\n{{"cancel_request":{{"watch_id":0}}}}', lines=2),
)

SERVER = (
    post("cluster/member/list", "{}"),
    post("cluster/member/add", '{"peerURLs":["x"]}'),
    post("cluster/member/remove", '{"ID":"5"}'),
    post("cluster/member/promote", '{"ID":"5"}'),
    post("cluster/member/update", '{"ID":"5","peerURLs":["http://127.0.0.1:1"]}'),
    post("maintenance/status", "{}"),
    post("maintenance/alarm", '{"action":"GET"}'),
    post("maintenance/hash", "{}"),
    post("maintenance/hashkv", "{}"),
    post("maintenance/hashkv", '{"revision":"1000"}'),
    post("maintenance/defragment", "{}"),
    post("maintenance/transfer-leadership", '{"targetID":5}'),
    post("maintenance/downgrade", "{}"),
    post("maintenance/downgrade", '{"action":"VALIDATE","version":"3.6.0"}'),
    post("maintenance/downgrade", '{"action":"CANCEL"}'),
    post("maintenance/snapshot", "{}", only_status=True),
    post("lock/lock", f'{{"name":"{A}","lease":"5"}}'),
    post("lock/unlock", f'{{"key":"{A}"}}'),
    post("election/leader", f'{{"name":"{A}"}}'),
    post("election/proclaim", "{}"),
    post("election/resign", "{}"),
)

ALARMS = (
    post("maintenance/alarm", '{"action":"ACTIVATE","alarm":"NOSPACE"}'),
    get("/health"),
    get("/health?exclude=NOSPACE"),
    get("/livez?verbose"),
    get("/readyz?verbose", any_order=True),
    post("kv/put", f'{{"key":"{A}","value":"{VALUE}"}}'),
    post("maintenance/alarm", '{"action":"DEACTIVATE","alarm":"NOSPACE"}'),
    post("maintenance/alarm", '{"action":"ACTIVATE","alarm":"CORRUPT"}'),
    get("/health"),
    get("/livez"),
    get("/livez?verbose"),
    get("/readyz", any_order=True),
    get("/readyz?exclude=data_corruption", any_order=True),
    get("/readyz/data_corruption"),
    post("kv/range", f'{{"key":"{A}"}}'),
    post("maintenance/alarm", '{"action":"DEACTIVATE","alarm":"CORRUPT"}'),
)

AUTH = (
    post("auth/status", "{}"),
    post("auth/authenticate", '{"name":"a","password":"b"}'),
    post("auth/user/add", '{"name":"root","password":"root"}'),
    post("auth/user/add", '{"name":"root","password":"root"}'),
    post("auth/user/add", '{"name":"a\\u007fb<ü>","options":{"no_password":true}}'),
    post("auth/user/list", "{}"),
    post("auth/user/get", '{"name":"nobody"}'),
    post("auth/role/add", '{"name":"root"}'),
    post("auth/role/add", '{"name":"r"}'),
    post("auth/role/grant", f'{{"name":"r","perm":{{"permType":"READWRITE","key":"{A}"}}}}'),
    post("auth/role/get", '{"role":"r"}'),
    post("auth/role/list", "{}"),
    post("auth/user/grant", '{"user":"root","role":"root"}'),
    post("auth/enable", "{}"),
    post("auth/status", "{}"),
    post("auth/user/list", "{}"),
    post("kv/range", f'{{"key":"{A}"}}'),
    post("auth/authenticate", '{"name":"root","password":"wrong"}'),
    post("auth/authenticate", '{"name":"root","password":"root"}'),
    post("kv/range", f'{{"key":"{A}"}}', headers={"Authorization": "nonsense.1"}),
    post("watch", f'{{"create_request":{{"key":"{A}"}}}}', lines=1),
    post("lease/keepalive", '{"ID":77}'),
    post("maintenance/snapshot", "{}"),
    post("election/leader", f'{{"name":"{A}"}}'),
    post("lock/lock", f'{{"name":"{A}"}}'),
    get("/health"),
    get("/readyz"),
)

SCRIPT = (*PLAIN, *KEYS, *MALFORMED, *LEASES, *WATCHES, *SERVER, *ALARMS, *AUTH)
