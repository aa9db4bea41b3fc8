"""`ctl auth`: switch etcd's own authentication on and off."""

from __future__ import annotations

from backstay import errors
from backstay.cli.ctl.door import Ctl, say, told_by_etcd
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl.access import auth_status_answer
from backstay.etcd import methods
from backstay.etcd.pb import rpc_pb2 as rpc

ROOT = "root"
_ROOT_ROLE_MISSING = "etcdserver: root user does not have root role"


@ctl_command(changes=True, examples="backstay ctl auth enable")
@arguments("")
def enable(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Switch authentication on; the user root gets the role root where it has not."""
    if words:
        bad_arguments("auth enable command does not accept any arguments")
    with ctl.client() as client:
        if ctl.dry_run:
            ctl.plan("switch authentication on")
            return
        try:
            client.exchange(methods.AUTH_ENABLE, rpc.AuthEnableRequest())
        except errors.BackstayError as problem:
            if told_by_etcd(problem) != _ROOT_ROLE_MISSING:
                raise
            client.exchange(methods.ROLE_ADD, rpc.AuthRoleAddRequest(name=ROOT))
            client.exchange(methods.USER_GRANT_ROLE, rpc.AuthUserGrantRoleRequest(user=ROOT, role=ROOT))
            client.exchange(methods.AUTH_ENABLE, rpc.AuthEnableRequest())
    say("Authentication Enabled")


@ctl_command(changes=True, examples="backstay ctl --user root auth disable")
@arguments("")
def disable(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Switch authentication off."""
    if words:
        bad_arguments("auth disable command does not accept any arguments")
    with ctl.client() as client:
        response = ctl.change(
            client, methods.AUTH_DISABLE, rpc.AuthDisableRequest(), "switch authentication off", forms=tuple(EtcdFormat)
        )
    if response is not None:
        say("Authentication Disabled")


@ctl_command(examples="backstay ctl auth status")
@arguments("")
def status(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Say whether authentication is on, and the revision of users and roles."""
    if words:
        bad_arguments("auth status command does not accept any arguments")
    with ctl.client() as client:
        response = client.exchange(methods.AUTH_STATUS, rpc.AuthStatusRequest())
    ctl.show(auth_status_answer(response))
