"""What etcdctl prints for the answers about the cluster: members, alarms, leadership, downgrades."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backstay.cli.render import etcd_tables
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.answer import Answer, box, header_lines, lines
from backstay.cli.render.etcdctl.go import quoted, truth
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import hex_id

MEMBER_HEADER = ("ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner")

MembersResponse = (
    rpc.MemberListResponse | rpc.MemberRemoveResponse | rpc.MemberUpdateResponse | rpc.MemberPromoteResponse
)


def members_answer(response: rpc.MemberListResponse, *, is_hex: bool) -> Answer:
    """For `member list`."""
    rows = [_member_row(member) for member in response.members]
    return Answer(
        lambda: lines(*(etcd_tables.simple(row) for row in rows)),
        response,
        lambda: lines(
            *header_lines(response.header, is_hex=is_hex),
            *(row for member in response.members for row in _member_lines(member, is_hex)),
        ),
        table=lambda: box(MEMBER_HEADER, rows),
        json=lambda: _members_json(response, is_hex),
    )


def added_answer(response: rpc.MemberAddResponse, name: str, peer_urls: str, *, is_hex: bool) -> Answer:
    """For `member add`: in `simple` with what the new member's environment must say."""
    return Answer(
        lambda: lines(*_added_lines(response, name, peer_urls)), response, json=lambda: _added_json(response, is_hex)
    )


def changed_answer(member: int, did: str, response: MembersResponse, *, is_hex: bool) -> Answer:
    """For `member remove`, `update` and `promote`; `did` as in `removed from`."""
    return Answer(
        lambda: f"Member {hex_id(member):>16} {did} cluster {hex_id(response.header.cluster_id):>16}",
        response,
        json=lambda: _members_json(response, is_hex),
    )


def alarms_answer(response: rpc.AlarmResponse, *, is_hex: bool) -> Answer:
    """For `alarm list` and `alarm disarm`."""
    return Answer(
        lambda: lines(*(_alarm_text(alarm) for alarm in response.alarms)),
        response,
        lambda: lines(
            *header_lines(response.header, is_hex=is_hex),
            *(row for alarm in response.alarms for row in _alarm_lines(alarm, is_hex)),
        ),
    )


def moved_answer(leader: int, target: int, response: rpc.MoveLeaderResponse) -> Answer:
    """For `move-leader`."""
    return Answer(lambda: f"Leadership transferred from {hex_id(leader)} to {hex_id(target)}", response)


def downgrade_answer(did: str, response: rpc.DowngradeResponse) -> Answer:
    """For `downgrade validate`, `enable` and `cancel`."""
    return Answer(lambda: f"Downgrade {did} success, cluster version {response.version}", response)


def _member_row(member: rpc.Member) -> tuple[object, ...]:
    return (
        hex_id(member.ID), "started" if member.name else "unstarted", member.name, ",".join(member.peerURLs),
        ",".join(member.clientURLs), truth(member.isLearner),
    )  # fmt: skip


def _member_lines(member: rpc.Member, is_hex: bool) -> Iterable[str]:
    yield f'"ID" : {hex_id(member.ID) if is_hex else member.ID}'
    yield f'"Name" : {quoted(member.name)}'
    yield from (f'"PeerURL" : {quoted(url)}' for url in member.peerURLs)
    yield from (f'"ClientURL" : {quoted(url)}' for url in member.clientURLs)
    yield f'"IsLearner" : {truth(member.isLearner)}'
    yield ""


def _added_lines(response: rpc.MemberAddResponse, name: str, peer_urls: str) -> Iterable[str]:
    added, cluster = response.member, response.header.cluster_id
    how = "added as learner to" if added.isLearner else "added to"
    pairs = [
        f"{name if member.ID == added.ID else member.name}={url}"
        for member in response.members
        for url in member.peerURLs
    ]
    yield f"Member {hex_id(added.ID):>16} {how} cluster {hex_id(cluster):>16}"
    yield ""
    yield f"ETCD_NAME={quoted(name)}"
    yield f"ETCD_INITIAL_CLUSTER={quoted(','.join(pairs))}"
    yield f"ETCD_INITIAL_ADVERTISE_PEER_URLS={quoted(peer_urls)}"
    yield 'ETCD_INITIAL_CLUSTER_STATE="existing"'


def _added_json(response: rpc.MemberAddResponse, is_hex: bool) -> dict[str, Any]:
    if not is_hex:
        return go.json_of(response)
    return {
        "header": _hex_header(response.header),
        "member": _hex_member(response.member),
        "members": [_hex_member(member) for member in response.members],
    }


def _members_json(response: MembersResponse, is_hex: bool) -> dict[str, Any]:
    if not is_hex:
        return go.json_of(response)
    return {
        "header": _hex_header(response.header),
        "members": [_hex_member(member) for member in response.members],
    }


def _hex_header(header: rpc.ResponseHeader) -> dict[str, Any]:
    ids = {"cluster_id": hex_id(header.cluster_id), "member_id": hex_id(header.member_id)}
    return {**go.json_of(header), **ids}


def _hex_member(member: rpc.Member) -> dict[str, Any]:
    return {"ID": hex_id(member.ID), **{key: value for key, value in go.json_of(member).items() if key != "ID"}}


def _alarm_text(alarm: rpc.AlarmMember) -> str:
    """As Go's protobuf prints a message, which leaves zeros out."""
    parts = (
        f"memberID:{alarm.memberID}" if alarm.memberID else "",
        f"alarm:{_alarm_name(alarm)}" if alarm.alarm else "",
    )
    return "  ".join(part for part in parts if part)


def _alarm_lines(alarm: rpc.AlarmMember, is_hex: bool) -> Iterable[str]:
    yield f'"MemberID" : {hex_id(alarm.memberID) if is_hex else alarm.memberID}'
    yield f'"AlarmType" : {_alarm_name(alarm)}'
    yield ""


def _alarm_name(alarm: rpc.AlarmMember) -> str:
    known = rpc.AlarmType.values()
    return rpc.AlarmType.Name(alarm.alarm) if alarm.alarm in known else str(int(alarm.alarm))
