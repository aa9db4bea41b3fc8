"""`ctl lock` and `ctl elect`: hold a lock or lead an election, as long as the command or its program runs."""

from __future__ import annotations

from backstay.cli.ctl.door import Ctl
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag, number
from backstay.cli.ctl.interruptions import terminable
from backstay.cli.ctl.watching import run_program
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.keys import range_answer
from backstay.etcd import methods
from backstay.etcd.client import Client
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.session import DEFAULT_TTL_SECONDS, Candidate, Session, leaders

LOCK_TTL_SECONDS = 10


@ctl_command(
    examples="""
    backstay ctl lock migration
    backstay ctl lock migration --ttl 30 -- sh -c 'echo held as $ETCD_LOCK_KEY'
    """
)
@arguments("NAME [-- PROGRAM [ARGS]...]")
@number("--ttl", default=LOCK_TTL_SECONDS, help="Seconds after which the lock is free when this command dies.")
def lock(*, ctl: Ctl, words: tuple[str, ...], ttl: int) -> int:
    """Hold the lock NAME until interrupted, or while PROGRAM runs.

    PROGRAM finds ETCD_LOCK_KEY and ETCD_LOCK_REV in its environment; its exit status becomes ours.
    """
    if not words:
        bad_arguments("lock takes a lock name argument and an optional command to execute")
    name, *program = words
    with ctl.client() as client, terminable(), Session(client, ttl_seconds=ttl) as session:
        candidate = Candidate(session, go.bytes_of(name))
        try:
            header = candidate.enter()
            if program:
                variables = {"ETCD_LOCK_KEY": go.text_of(candidate.key), "ETCD_LOCK_REV": str(header.revision)}
                return _status_of(run_program(tuple(program), variables))
            _show_own(ctl, client, candidate)
            _hold(session, "session expired")
        except KeyboardInterrupt:
            return 0
        finally:
            candidate.leave()
    return 0


@ctl_command(
    examples="""
    backstay ctl elect scheduler host-1
    backstay ctl elect --listen scheduler
    """
)
@arguments("ELECTION [PROPOSAL]")
@flag("--listen", "-l", help="Print the leaders as they change.")
def elect(*, ctl: Ctl, words: tuple[str, ...], listen: bool) -> int:
    """Take part in ELECTION with PROPOSAL and lead until interrupted, or watch who leads."""
    if not 1 <= len(words) <= 2:
        bad_arguments("elect takes one election name argument and an optional proposal argument")
    if len(words) == 1 and not listen:
        bad_arguments("no proposal argument but -l not set")
    if len(words) == 2 and listen:
        bad_arguments("proposal given but -l is set")
    name = go.bytes_of(words[0])
    with ctl.client() as client, terminable():
        try:
            if listen:
                for header, leader in leaders(client, name):
                    response = rpc.RangeResponse(kvs=[kv.KeyValue(**leader._asdict())])
                    response.header.MergeFrom(rpc.ResponseHeader(**header._asdict()))
                    ctl.show(range_answer(response, is_hex=ctl.is_hex))
            else:
                _lead(ctl, client, name, go.bytes_of(words[1]))
        except KeyboardInterrupt:
            return 0
    return 0


def _lead(ctl: Ctl, client: Client, name: bytes, proposal: bytes) -> None:
    with Session(client, ttl_seconds=DEFAULT_TTL_SECONDS) as session:
        candidate = Candidate(session, name)
        try:
            candidate.enter(proposal)
            _show_own(ctl, client, candidate)
            _hold(session, "elect: session expired")
        finally:
            candidate.leave()


def _show_own(ctl: Ctl, client: Client, candidate: Candidate) -> None:
    response = client.exchange(methods.RANGE, rpc.RangeRequest(key=candidate.key))
    if not response.kvs:
        raise EtcdctlFailure("lock lost on init", 1)
    ctl.show(range_answer(response, is_hex=ctl.is_hex))


def _hold(session: Session, lost: str) -> None:
    """Wait for an interruption; only a lost session ends the waiting by itself."""
    session.ended.wait()
    raise EtcdctlFailure(lost, 1)


def _status_of(why: str) -> int:
    """The exit status of a program that was run under the lock; what is wrong is told as etcdctl tells it."""
    if not why:
        return 0
    _, is_status, number = why.partition("exit status ")
    raise EtcdctlFailure(why, int(number) if is_status else 1)
