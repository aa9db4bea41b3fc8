"""`ctl lease`: grant, revoke, look at, list and keep alive leases. Ids are written in hex."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from backstay import errors
from backstay.cli.ctl.door import BAD_ARGUMENTS, BAD_CONNECTION, Ctl, say, told_by_etcd
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag
from backstay.cli.ctl.keys import hex_argument
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.leases import (
    grant_answer,
    keep_alive_answer,
    leases_answer,
    revoke_answer,
    time_to_live_answer,
)
from backstay.etcd import methods
from backstay.etcd.pb import rpc_pb2 as rpc

_BAD_ID = "bad lease ID arg"
NOT_FOUND = "etcdserver: requested lease not found"


@ctl_command(changes=True, examples="backstay ctl lease grant 60")
@arguments("TTL")
def grant(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Make a lease that ends after TTL seconds unless it is kept alive."""
    if len(words) != 1:
        bad_arguments("lease grant command needs TTL argument")
    try:
        ttl = go.integer(words[0])
    except ValueError as problem:
        raise EtcdctlFailure(f"bad TTL ({problem})", BAD_ARGUMENTS) from None
    with ctl.client() as client, _failing("failed to grant lease"):
        response = ctl.change(
            client, methods.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=ttl), f"grant a lease of {ttl} seconds"
        )
    if response is not None:  # fmt: skip
        ctl.show(grant_answer(response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl lease revoke 7dbd9c1e0a2f4b11")
@arguments("LEASE")
def revoke(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """End LEASE now, and delete the keys that are attached to it."""
    if len(words) != 1:
        bad_arguments("lease revoke command needs 1 argument")
    lease = hex_argument(words[0], _BAD_ID)
    with ctl.client() as client, _failing("failed to revoke lease"):
        plan = f"revoke the lease {words[0]} and delete its keys"
        response = ctl.change(client, methods.LEASE_REVOKE, rpc.LeaseRevokeRequest(ID=lease), plan)
    if response is not None:
        ctl.show(revoke_answer(lease, response, is_hex=ctl.is_hex))


@ctl_command(failure=BAD_CONNECTION, examples="backstay ctl lease timetolive 7dbd9c1e0a2f4b11 --keys")
@arguments("LEASE")
@flag("--keys", "with_keys", help="List the keys that are attached to it.")
def time_to_live(*, ctl: Ctl, words: tuple[str, ...], with_keys: bool) -> None:
    """Print how long LEASE was granted for and how much of that is left."""
    if len(words) != 1:
        bad_arguments("lease timetolive command needs lease ID as argument")
    lease = hex_argument(words[0], _BAD_ID)
    with ctl.client() as client:
        response = client.exchange(methods.LEASE_TIME_TO_LIVE, rpc.LeaseTimeToLiveRequest(ID=lease, keys=with_keys))
    ctl.show(time_to_live_answer(response, is_hex=ctl.is_hex, with_keys=with_keys))


@ctl_command(failure=BAD_CONNECTION, examples="backstay ctl lease list")
@arguments("")
def list_leases(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """List the leases that are alive."""
    with ctl.client() as client:
        response = client.exchange(methods.LEASE_LEASES, rpc.LeaseLeasesRequest())
    ctl.show(leases_answer(response, is_hex=ctl.is_hex))


@ctl_command(
    failure=BAD_CONNECTION,
    examples="""
    backstay ctl lease keep-alive 7dbd9c1e0a2f4b11
    backstay ctl lease keep-alive --once 7dbd9c1e0a2f4b11
    """,
)
@arguments("LEASE")
@flag("--once", help="Renew it once and end.")
def keep_alive(*, ctl: Ctl, words: tuple[str, ...], once: bool) -> None:
    """Renew LEASE, over and over until it ends or the command is interrupted."""
    if len(words) != 1:
        bad_arguments("lease keep-alive command needs lease ID as argument")
    lease = hex_argument(words[0], _BAD_ID)
    with ctl.client() as client:
        while True:
            response = client.lease.renew(lease)
            if response.TTL <= 0:
                break
            ctl.show(keep_alive_answer(response, is_hex=ctl.is_hex))
            if once:
                return
            time.sleep(response.TTL / 3)
    if once:
        raise EtcdctlFailure(NOT_FOUND, BAD_CONNECTION)
    if ctl.form is EtcdFormat.SIMPLE:
        say(f"lease {lease & 0xFFFFFFFFFFFFFFFF:016x} expired or revoked.")


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    """Puts etcdctl's words around what etcd refuses."""
    try:
        yield
    except errors.BackstayError as problem:
        said = told_by_etcd(problem)
        if said is None:
            raise
        raise EtcdctlFailure(f"{what} ({said})", 1) from problem
