"""`ctl user`: the users of etcd's own authentication."""

from __future__ import annotations

import sys

import click

from backstay.cli.ctl.door import Ctl, say
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag, text
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl.access import done_answer, names_answer, role_answer, user_answer
from backstay.etcd import methods
from backstay.etcd.pb import auth_pb2 as auth
from backstay.etcd.pb import rpc_pb2 as rpc

_LISTED = (EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.PROTOBUF, EtcdFormat.YAML)


@ctl_command(
    changes=True,
    examples="""
    backstay ctl user add reader
    backstay ctl user add kube-apiserver --no-password
    echo "$PASSWORD" | backstay ctl user add reader --interactive=false
    """,
)
@arguments("NAME[:PASSWORD]")
@flag("--interactive", default=True, help="Ask for the password on the terminal; else it is read from standard input.")
@text("--new-user-password", help="The password; then the argument is the name alone.")
@flag("--no-password", help="A user that comes in by certificate only.")
def add(*, ctl: Ctl, words: tuple[str, ...], interactive: bool, new_user_password: str, no_password: bool) -> None:
    """Add a user."""
    if len(words) != 1:
        bad_arguments("user add command requires user name as its argument")
    (name,), password = words, new_user_password
    if not no_password and not password:
        name, colon, password = name.partition(":")
        if colon and not name:
            bad_arguments("empty user name is not allowed")
        if not colon:
            password = _password(name, interactive=interactive)
    request = rpc.AuthUserAddRequest(
        name=name, password="" if no_password else password, options=auth.UserAddOptions(no_password=no_password)
    )
    with ctl.client() as client:
        response = ctl.change(client, methods.USER_ADD, request, f"add the user {name}")
    if response is not None:
        ctl.show(done_answer(f"User {name} created", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl user delete reader")
@arguments("NAME")
def delete(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Delete a user."""
    if len(words) != 1:
        bad_arguments("user delete command requires user name as its argument")
    (name,) = words
    with ctl.client() as client:
        request = rpc.AuthUserDeleteRequest(name=name)
        response = ctl.change(client, methods.USER_DELETE, request, f"delete the user {name}")
    if response is not None:
        ctl.show(done_answer(f"User {name} deleted", response, is_hex=ctl.is_hex))


@ctl_command(examples="backstay ctl user get reader --detail")
@arguments("NAME")
@flag("--detail", help="Print the permissions of the user's roles, too.")
def get(*, ctl: Ctl, words: tuple[str, ...], detail: bool) -> None:
    """Print the roles of a user."""
    if len(words) != 1:
        bad_arguments("user get command requires user name as its argument")
    (name,) = words
    with ctl.client() as client:
        response = client.exchange(methods.USER_GET, rpc.AuthUserGetRequest(name=name))
        if not detail:
            ctl.show(user_answer(name, response))
            return
        say(f"User: {name}")
        for role in response.roles:
            click.echo()
            ctl.show(
                role_answer(
                    role, client.exchange(methods.ROLE_GET, rpc.AuthRoleGetRequest(role=role)), is_hex=ctl.is_hex
                )
            )


@ctl_command(examples="backstay ctl user list")
@arguments("")
def list_users(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """List all users."""
    if words:
        bad_arguments("user list command requires no arguments")
    ctl.require(*_LISTED)
    with ctl.client() as client:
        response = client.exchange(methods.USER_LIST, rpc.AuthUserListRequest())
    ctl.show(names_answer(response.users, response))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl user passwd reader
    echo "$PASSWORD" | backstay ctl user passwd reader --interactive=false
    """,
)
@arguments("NAME")
@flag("--interactive", default=True, help="Ask for the password on the terminal; else it is read from standard input.")
def change_password(*, ctl: Ctl, words: tuple[str, ...], interactive: bool) -> None:
    """Give a user a new password."""
    if len(words) != 1:
        bad_arguments("user passwd command requires user name as its argument")
    (name,) = words
    request = rpc.AuthUserChangePasswordRequest(name=name, password=_password(name, interactive=interactive))
    with ctl.client() as client:
        response = ctl.change(client, methods.USER_CHANGE_PASSWORD, request, f"change the password of the user {name}")
    if response is not None:
        ctl.show(done_answer("Password updated", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl user grant-role reader reading")
@arguments("NAME ROLE")
def grant_role(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Give a user a role."""
    if len(words) != 2:
        bad_arguments("user grant command requires user name and role name as its argument")
    name, role = words
    with ctl.client() as client:
        request = rpc.AuthUserGrantRoleRequest(user=name, role=role)
        response = ctl.change(client, methods.USER_GRANT_ROLE, request, f"give the user {name} the role {role}")
    if response is not None:
        ctl.show(done_answer(f"Role {role} is granted to user {name}", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl user revoke-role reader reading")
@arguments("NAME ROLE")
def revoke_role(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Take a role from a user."""
    if len(words) != 2:
        bad_arguments("user revoke-role requires user name and role name as its argument")
    name, role = words
    with ctl.client() as client:
        request = rpc.AuthUserRevokeRoleRequest(name=name, role=role)
        response = ctl.change(client, methods.USER_REVOKE_ROLE, request, f"take the role {role} from the user {name}")
    if response is not None:
        ctl.show(done_answer(f"Role {role} is revoked from user {name}", response, is_hex=ctl.is_hex))


def _password(name: str, *, interactive: bool) -> str:
    """A new password: one word of standard input, or asked for twice on the terminal."""
    if not interactive:
        return (sys.stdin.readline().split() or [""])[0]
    if not sys.stdin.isatty():
        bad_arguments("empty password")
    password = click.prompt(f"Password of {name}", hide_input=True, default="", show_default=False, err=True)
    if not password:
        bad_arguments("empty password")
    again = click.prompt(f"Type password of {name} again for confirmation", hide_input=True, default="", err=True)
    if password != again:
        bad_arguments("given passwords are different")
    return str(password)
