"""HTTP: the same requests to a real etcd and to backstay, answers compared byte for byte but for ids, sizes and times."""

from __future__ import annotations

import json
from http.client import HTTPConnection

from tests.compat.gateway_script import SCRIPT, Ask, ask
from tests.conftest import StartEtcd
from tests.peers import Peer

A = "YQ=="


def test_every_answer_over_http_is_etcds(newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd) -> None:
    etcd, backstay = start_etcd(newest_peer), start_backstay(newest_peer)
    different = []
    for request in SCRIPT:
        expected, answered = ask(etcd.http_port, request), ask(backstay.http_port, request)
        if answered != expected:
            different.append(f"{request}\n    etcd      {expected}\n    backstay  {answered}")
    assert len(SCRIPT) >= 60
    assert not different, "\n".join([f"{len(different)} of {len(SCRIPT)} differ", *different])


GUARDED = ("--cors=http://a.example:80,http://b.example:8080", "--host-whitelist=good.example,127.0.0.1")
MISDIRECTED = 421
VISITS = (
    {"Host": "good.example", "Origin": "http://a.example:80"},
    {"Host": "good.example:2379", "Origin": "http://b.example:8080"},
    {"Host": "good.example", "Origin": "http://c.example"},
    {"Host": "good.example"},
    {"Host": "127.0.0.1:1"},
    {"Host": "bad.example", "Origin": "http://a.example:80"},
    {"Host": "127.0.0.2"},
    {"Host": "[::1]:2379"},
    {"Host": "localhost"},
    {"Host": "Good.Example"},
)


def test_web_pages_and_host_names_are_let_in_as_by_etcd(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    etcd = start_etcd(newest_peer, extra_args=GUARDED)
    backstay = start_backstay(newest_peer, extra_args=GUARDED)
    different = []
    for headers in VISITS:
        for request in (
            Ask("GET", "/health", headers=headers),
            Ask("OPTIONS", "/v3/kv/range", headers=headers),
            Ask("POST", "/v3/kv/range", "{}", headers=headers),
        ):
            expected, answered = ask(etcd.http_port, request), ask(backstay.http_port, request)
            if expected.status == MISDIRECTED:
                expected, answered = expected._replace(body=""), answered._replace(body="")  # each in its own words
            if answered != expected:
                different.append(f"{request} {headers}\n    etcd      {expected}\n    backstay  {answered}")
    assert not different, "\n".join(different)


def test_a_token_of_the_gateway_opens_what_its_user_may(newest_peer: Peer, start_backstay: StartEtcd) -> None:
    server = start_backstay(newest_peer)
    for path, body in (
        ("auth/user/add", {"name": "root", "password": "secret"}),
        ("auth/role/add", {"name": "root"}),
        ("auth/user/grant", {"user": "root", "role": "root"}),
        ("auth/enable", {}),
    ):
        assert _post(server.http_port, path, body)[0] == 200
    assert _post(server.http_port, "kv/put", {"key": A})[0] == 400
    status, answer = _post(server.http_port, "auth/authenticate", {"name": "root", "password": "secret"})
    assert status == 200
    for value in (answer["token"], f"Bearer {answer['token']}"):
        assert _post(server.http_port, "kv/put", {"key": A}, {"Authorization": value})[0] == 200


def _post(port: int, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", f"/v3/{path}", body=json.dumps(body), headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
