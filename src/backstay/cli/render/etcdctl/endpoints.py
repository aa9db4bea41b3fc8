"""What etcdctl prints for the answers of single members: endpoint health, status and hashkv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backstay.cli.render import etcd_tables
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.answer import Answer, box, header_lines, lines
from backstay.cli.render.etcdctl.go import quoted, truth
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import hex_id, size_text

HEALTH_HEADER = ("endpoint", "health", "took", "error")
HASH_HEADER = ("endpoint", "hash", "hash_revision")
STATUS_HEADER = (
    "endpoint", "ID", "version", "storage version", "db size", "in use", "percentage not in use", "quota", "is leader",
    "is learner", "raft term", "raft index", "raft applied index", "errors", "downgrade target version",
    "downgrade enabled",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Health:
    """How one endpoint answered; `problem` is empty when it is healthy."""

    endpoint: str
    took_seconds: float
    problem: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether the read worked and no alarm is raised."""
        return not self.problem

    @property
    def took(self) -> str:
        """The time as Go prints it."""
        return go.duration(self.took_seconds)


def health_answer(healths: Sequence[Health]) -> Answer:
    """For `endpoint health`; in `simple` the unhealthy ones belong to stderr, see `unhealthy_lines`."""
    return Answer(
        lambda: lines(*(_healthy_line(each) for each in healths if each.is_healthy)),
        fields=lambda: lines(*(row for each in healths for row in _health_lines(each))),
        table=lambda: box(
            HEALTH_HEADER, [(each.endpoint, truth(each.is_healthy), each.took, each.problem) for each in healths]
        ),
        json=lambda: [_health_json(each) for each in healths],
    )


def _healthy_line(health: Health) -> str:
    return f"{health.endpoint} is healthy: successfully committed proposal: took = {health.took}"


def unhealthy_lines(healths: Sequence[Health]) -> list[str]:
    """What `simple` says on stderr."""
    return [
        f"{each.endpoint} is unhealthy: failed to commit proposal: {each.problem}"
        for each in healths
        if not each.is_healthy
    ]


def status_answer(statuses: Sequence[tuple[str, rpc.StatusResponse]], *, is_hex: bool) -> Answer:
    """For `endpoint status`."""
    return Answer(
        lambda: lines(*(etcd_tables.simple(_status_row(*each)) for each in statuses)),
        fields=lambda: lines(*(row for each in statuses for row in _status_lines(*each, is_hex))),
        table=lambda: box(STATUS_HEADER, [_status_row(*each) for each in statuses]),
        json=lambda: [{"Endpoint": endpoint, "Status": go.json_of(status)} for endpoint, status in statuses] or None,
    )


def hash_answer(hashes: Sequence[tuple[str, rpc.HashKVResponse]], *, is_hex: bool) -> Answer:
    """For `endpoint hashkv`."""
    rows: list[tuple[object, ...]] = [(endpoint, each.hash, each.hash_revision) for endpoint, each in hashes]
    return Answer(
        lambda: lines(*(etcd_tables.simple(row) for row in rows)),
        fields=lambda: lines(*(row for each in hashes for row in _hash_lines(*each, is_hex))),
        table=lambda: box(HASH_HEADER, rows),
        json=lambda: [{"Endpoint": endpoint, "HashKV": go.json_of(each)} for endpoint, each in hashes] or None,
    )


def _health_lines(health: Health) -> list[str]:
    return [
        f'"Endpoint" : {quoted(health.endpoint)}',
        f'"Health" : {truth(health.is_healthy)}',
        f'"Took" : {health.took}',
        f'"Error" : {health.problem}',
        "",
    ]


def _health_json(health: Health) -> dict[str, Any]:
    plain: dict[str, Any] = {"endpoint": health.endpoint, "health": health.is_healthy, "took": health.took}
    return {**plain, "error": health.problem} if health.problem else plain


def _status_row(endpoint: str, status: rpc.StatusResponse) -> tuple[object, ...]:
    used_percent = status.dbSizeInUse * 100 // status.dbSize if status.dbSize else 100
    return (
        endpoint, hex_id(status.header.member_id), status.version, status.storageVersion, size_text(status.dbSize),
        size_text(status.dbSizeInUse), f"{100 - used_percent}%", size_text(status.dbSizeQuota),
        truth(status.leader == status.header.member_id), truth(status.isLearner), status.raftTerm, status.raftIndex,
        status.raftAppliedIndex, ", ".join(status.errors), status.downgradeInfo.targetVersion,
        truth(status.downgradeInfo.enabled),
    )  # fmt: skip


def _status_lines(endpoint: str, status: rpc.StatusResponse, is_hex: bool) -> list[str]:
    return [
        *header_lines(status.header, is_hex=is_hex),
        f'"Version" : {quoted(status.version)}',
        f'"StorageVersion" : {quoted(status.storageVersion)}',
        f'"DBSize" : {status.dbSize}',
        f'"DBSizeInUse" : {status.dbSizeInUse}',
        f'"DBSizeQuota" : {status.dbSizeQuota}',
        f'"Leader" : {status.leader}',
        f'"IsLearner" : {truth(status.isLearner)}',
        f'"RaftIndex" : {status.raftIndex}',
        f'"RaftAppliedIndex" : {status.raftAppliedIndex}',
        f'"Errors" : [{" ".join(status.errors)}]',
        f'"Endpoint" : {quoted(endpoint)}',
        f'"DowngradeTargetVersion" : {quoted(status.downgradeInfo.targetVersion)}',
        f'"DowngradeEnabled" : {truth(status.downgradeInfo.enabled)}',
        "",
    ]


def _hash_lines(endpoint: str, answer: rpc.HashKVResponse, is_hex: bool) -> list[str]:
    return [
        *header_lines(answer.header, is_hex=is_hex),
        f'"Endpoint" : {quoted(endpoint)}',
        f'"Hash" : {answer.hash}',
        f'"HashRevision" : {answer.hash_revision}',
        "",
    ]
