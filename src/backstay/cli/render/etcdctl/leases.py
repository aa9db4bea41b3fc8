"""What etcdctl prints for the answers about leases.

Their JSON is that of the Go client's structs: the header's fields stand beside the others, and their names differ from
command to command. `protobuf` is the whole message; etcdctl itself writes only its header there.
"""

from __future__ import annotations

import base64

from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.answer import Answer, header_lines, lease_text, lines
from backstay.cli.render.etcdctl.go import quoted, text_of
from backstay.etcd.pb import rpc_pb2 as rpc


def grant_answer(response: rpc.LeaseGrantResponse, *, is_hex: bool) -> Answer:
    """For `lease grant`."""
    return Answer(
        lambda: f"lease {_id(response.ID)} granted with TTL({response.TTL}s)",
        response,
        lambda: lines(*_lease_lines(response.header, response.ID, response.TTL, is_hex)),
        json=lambda: {**go.json_of(response.header), "ID": response.ID, "TTL": response.TTL, "Error": response.error},
    )


def revoke_answer(lease: int, response: rpc.LeaseRevokeResponse, *, is_hex: bool) -> Answer:
    """For `lease revoke`."""
    return Answer(
        lambda: f"lease {_id(lease)} revoked",
        response,
        lambda: lines(*header_lines(response.header, is_hex=is_hex)),
    )


def keep_alive_answer(response: rpc.LeaseKeepAliveResponse, *, is_hex: bool) -> Answer:
    """For each renewal of `lease keep-alive`."""
    return Answer(
        lambda: f"lease {_id(response.ID)} keepalived with TTL({response.TTL})",
        response,
        lambda: lines(*_lease_lines(response.header, response.ID, response.TTL, is_hex)),
        json=lambda: {**go.json_of(response.header), "ID": response.ID, "TTL": response.TTL},
    )


def time_to_live_answer(response: rpc.LeaseTimeToLiveResponse, *, is_hex: bool, with_keys: bool) -> Answer:
    """For `lease timetolive`."""
    return Answer(
        lambda: _time_to_live_simple(response, with_keys),
        response,
        lambda: lines(
            *_lease_lines(response.header, response.ID, response.TTL, is_hex),
            f'"GrantedTTL" : {response.grantedTTL}',
            *(f'"Key" : {quoted(key)}' for key in response.keys),
        ),
        json=lambda: {
            **go.json_of(response.header),
            "id": response.ID,
            "ttl": response.TTL,
            "granted-ttl": response.grantedTTL,
            "keys": [base64.b64encode(key).decode() for key in response.keys] or None,
        },
    )


def leases_answer(response: rpc.LeaseLeasesResponse, *, is_hex: bool) -> Answer:
    """For `lease list`."""
    ids = [lease.ID for lease in response.leases]
    return Answer(
        lambda: lines(f"found {len(ids)} leases", *(_id(each) for each in ids)),
        response,
        lambda: lines(
            *header_lines(response.header, is_hex=is_hex),
            *(f'"ID" : {lease_text(each, is_hex=is_hex)}' for each in ids),
        ),
        json=lambda: {**go.json_of(response.header), "leases": [{"id": each} for each in ids]},
    )


def _time_to_live_simple(response: rpc.LeaseTimeToLiveResponse, with_keys: bool) -> str:
    if response.grantedTTL == 0 and response.TTL == -1:
        return f"lease {_id(response.ID)} already expired"
    text = f"lease {_id(response.ID)} granted with TTL({response.grantedTTL}s), remaining({response.TTL}s)"
    if with_keys:
        text += f", attached keys([{' '.join(text_of(key) for key in response.keys)}])"
    return text


def _lease_lines(header: rpc.ResponseHeader, lease: int, ttl: int, is_hex: bool) -> list[str]:
    return [*header_lines(header, is_hex=is_hex), f'"ID" : {lease_text(lease, is_hex=is_hex)}', f'"TTL" : {ttl}']


def _id(lease: int) -> str:
    return lease_text(lease, is_hex=True)
