"""`ctl endpoint` and `ctl defrag`: commands about each endpoint by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backstay import errors
from backstay.cli.ctl.door import Ctl, say, told
from backstay.cli.ctl.frame import arguments, ctl_command, flag, number
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.endpoints import (
    Health,
    hash_answer,
    health_answer,
    status_answer,
    unhealthy_lines,
)
from backstay.etcd import methods
from backstay.etcd.client import Client
from backstay.etcd.pb import rpc_pb2 as rpc

_PARALLEL = 8
_HEALTH_KEY = b"health"
_ALARM_NAMES = {rpc.NOSPACE: "NOSPACE", rpc.CORRUPT: "CORRUPT"}

Response = TypeVar("Response")

CLUSTER_HELP = "Every endpoint of the cluster's members, not those of --endpoints."


@ctl_command(
    examples="""
    backstay ctl endpoint health
    backstay ctl endpoint health --cluster -w table
    """
)
@arguments("")
@flag("--cluster", help=CLUSTER_HELP)
def health(*, ctl: Ctl, words: tuple[str, ...], cluster: bool) -> None:
    """Say whether each endpoint answers a linearizable read and no alarm is raised."""
    ctl.require(EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.TABLE, EtcdFormat.FIELDS, EtcdFormat.YAML)
    with (
        ctl.endpoint_clients(of_cluster=cluster) as clients,
        ThreadPoolExecutor(_PARALLEL, thread_name_prefix="backstay-health") as pool,
    ):
        healths = list(pool.map(_health, clients))
    ctl.show(health_answer(healths))
    unhealthy = unhealthy_lines(healths)
    if unhealthy:
        if ctl.form is EtcdFormat.SIMPLE:
            say("\n".join(unhealthy), err=True)
        raise EtcdctlFailure("unhealthy cluster", 1)


@ctl_command(
    examples="""
    backstay ctl endpoint status -w table
    backstay ctl endpoint status --cluster -w json
    """
)
@arguments("")
@flag("--cluster", help=CLUSTER_HELP)
def status(*, ctl: Ctl, words: tuple[str, ...], cluster: bool) -> int:
    """Print what each endpoint says of itself.

    The items of a line are endpoint, id, version, storage version, size, size in use, share that is not in use, quota,
    leader, learner, raft term, index, applied index, errors, target of a downgrade, downgrade enabled.
    """
    answers, failed = _of_each(
        ctl, cluster, "status", lambda client: client.exchange(methods.STATUS, rpc.StatusRequest())
    )
    ctl.show(status_answer(answers, is_hex=ctl.is_hex))
    return 1 if failed else 0


@ctl_command(
    examples="""
    backstay ctl endpoint hashkv --cluster
    backstay ctl endpoint hashkv --rev 4711 -w json
    """
)
@arguments("")
@flag("--cluster", help=CLUSTER_HELP)
@number("--rev", help="Hash the history up to this revision; 0 is the newest.")
def hashkv(*, ctl: Ctl, words: tuple[str, ...], cluster: bool, rev: int) -> None:
    """Print the hash of each endpoint's keys, which is the same on members that agree."""
    answers, failed = _of_each(
        ctl, cluster, "hash", lambda client: client.exchange(methods.HASH_KV, rpc.HashKVRequest(revision=rev))
    )
    ctl.show(hash_answer(answers, is_hex=ctl.is_hex))
    if failed is not None:
        raise EtcdctlFailure(told(failed), 1) from failed


@ctl_command(
    changes=True,
    examples="""
    backstay ctl --endpoints 127.0.0.1:2379 defrag
    backstay ctl defrag --cluster --dry-run
    """,
)
@arguments("")
@flag("--cluster", help=CLUSTER_HELP)
def defrag(*, ctl: Ctl, words: tuple[str, ...], cluster: bool) -> int:
    """Rewrite the database of each endpoint, one after the other; a member serves nothing meanwhile."""
    failures = 0
    with ctl.endpoint_clients(of_cluster=cluster) as clients:
        if ctl.dry_run:
            ctl.plan(f"defragment {', '.join(text for text, _ in clients)}, one after the other")
            return 0
        for text, client in clients:
            begun = time.monotonic()
            try:
                client.log_in()
                client.exchange(methods.DEFRAGMENT, rpc.DefragmentRequest())
            except errors.BackstayError as problem:
                failures += 1
                took = go.duration(time.monotonic() - begun)
                say(f"Failed to defragment etcd member[{text}]. took {took}. ({told(problem)})", err=True)
            else:
                say(f"Finished defragmenting etcd member[{text}]. took {go.duration(time.monotonic() - begun)}")
    return 1 if failures else 0


def _of_each(
    ctl: Ctl, of_cluster: bool, what: str, ask: Callable[[Client], Response]
) -> tuple[list[tuple[str, Response]], errors.BackstayError | None]:
    """What every endpoint answers, and the last failure; failures are told as they come."""
    answers: list[tuple[str, Response]] = []
    failed = None
    with ctl.endpoint_clients(of_cluster=of_cluster) as clients:
        for text, client in clients:
            try:
                client.log_in()
                answers.append((text, ask(client)))
            except errors.BackstayError as problem:
                failed = problem
                say(f"Failed to get the {what} of endpoint {text} ({told(problem)})", err=True)
    return answers, failed


def _health(each: tuple[str, Client]) -> Health:
    text, client = each
    begun = time.monotonic()
    try:
        client.log_in()
        begun = time.monotonic()
        client.exchange(methods.RANGE, rpc.RangeRequest(key=_HEALTH_KEY))
    except errors.BackstayError as problem:
        if problem.kind is not errors.PERMISSION_DENIED:  # a refusal took a quorum too
            return Health(text, time.monotonic() - begun, told(problem))
    took = time.monotonic() - begun
    try:
        alarms = client.exchange(methods.ALARM, rpc.AlarmRequest(action=rpc.AlarmRequest.GET)).alarms
    except errors.BackstayError:
        return Health(text, took, "Unable to fetch the alarm list")
    if alarms:
        names = "".join(f"{_ALARM_NAMES.get(alarm.alarm, 'UNKNOWN')} " for alarm in alarms)
        return Health(text, took, f"Active Alarm(s): {names}")
    return Health(text, took)
