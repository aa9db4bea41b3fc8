"""`ctl role`: roles and what they permit."""

from __future__ import annotations

from backstay.cli.ctl.door import Ctl
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.access import done_answer, names_answer, revoked_sentence, role_answer
from backstay.etcd import methods
from backstay.etcd.operations import FROM_KEY, prefix_end
from backstay.etcd.pb import auth_pb2 as auth
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.sources import key_text

_KINDS = {"READ": auth.Permission.READ, "WRITE": auth.Permission.WRITE, "READWRITE": auth.Permission.READWRITE}
_BOTH = "--from-key and --prefix flags are mutually exclusive"


@ctl_command(changes=True, examples="backstay ctl role add reading")
@arguments("ROLE")
def add(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Add a role without permissions."""
    role = _role(words, "role add command requires role name as its argument")
    with ctl.client() as client:
        response = ctl.change(client, methods.ROLE_ADD, rpc.AuthRoleAddRequest(name=role), f"add the role {role}")
    if response is not None:
        ctl.show(done_answer(f"Role {role} created", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl role delete reading")
@arguments("ROLE")
def delete(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Delete a role; users lose it."""
    role = _role(words, "role delete command requires role name as its argument")
    with ctl.client() as client:
        request = rpc.AuthRoleDeleteRequest(role=role)
        response = ctl.change(client, methods.ROLE_DELETE, request, f"delete the role {role}")
    if response is not None:
        ctl.show(done_answer(f"Role {role} deleted", response, is_hex=ctl.is_hex))


@ctl_command(examples="backstay ctl role get reading")
@arguments("ROLE")
def get(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Print what a role permits."""
    role = _role(words, "role get command requires role name as its argument")
    with ctl.client() as client:
        response = client.exchange(methods.ROLE_GET, rpc.AuthRoleGetRequest(role=role))
    ctl.show(role_answer(role, response, is_hex=ctl.is_hex))


@ctl_command(examples="backstay ctl role list")
@arguments("")
def list_roles(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """List all roles."""
    if words:
        bad_arguments("role list command requires no arguments")
    with ctl.client() as client:
        response = client.exchange(methods.ROLE_LIST, rpc.AuthRoleListRequest())
    ctl.show(names_answer(response.roles, response, response.header, is_hex=ctl.is_hex))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl role grant-permission reading read app/ --prefix
    backstay ctl role grant-permission writing readwrite app/a app/m
    """,
)
@arguments("ROLE read|write|readwrite KEY [END]")
@flag("--prefix", help="Every key that begins with KEY.")
@flag("--from-key", help="Every key from KEY on, in the order of bytes.")
def grant_permission(*, ctl: Ctl, words: tuple[str, ...], prefix: bool, from_key: bool) -> None:
    """Permit a role to read or write a key or a range."""
    if len(words) < 3:
        bad_arguments("role grant command requires role name, permission type, and key [endkey] as its argument")
    role, kind, *range_words = words
    if kind.upper() not in _KINDS:
        bad_arguments(f"invalid permission type: {kind}")
    key, range_end = _range(range_words, prefix=prefix, from_key=from_key)
    permission = auth.Permission(permType=_KINDS[kind.upper()], key=key, range_end=range_end)
    with ctl.client() as client:
        request = rpc.AuthRoleGrantPermissionRequest(name=role, perm=permission)
        plan = f"permit the role {role} to {kind.lower()} {key_text(key)}"
        response = ctl.change(client, methods.ROLE_GRANT_PERMISSION, request, plan)
    if response is not None:
        ctl.show(done_answer(f"Role {role} updated", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl role revoke-permission reading app/ --prefix")
@arguments("ROLE KEY [END]")
@flag("--prefix", help="Every key that begins with KEY.")
@flag("--from-key", help="Every key from KEY on, in the order of bytes.")
def revoke_permission(*, ctl: Ctl, words: tuple[str, ...], prefix: bool, from_key: bool) -> None:
    """Take the permission with exactly this range from a role."""
    if len(words) < 2:
        bad_arguments("role revoke-permission command requires role name and key [endkey] as its argument")
    role, *range_words = words
    key, range_end = _range(range_words, prefix=prefix, from_key=from_key)
    with ctl.client() as client:
        request = rpc.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=range_end)
        plan = f"take from the role {role} the permission for {key_text(key)}"
        response = ctl.change(client, methods.ROLE_REVOKE_PERMISSION, request, plan)
    if response is not None:
        ctl.show(done_answer(revoked_sentence(role, range_words[0], range_end), response, is_hex=ctl.is_hex))


def _role(words: tuple[str, ...], refusal: str) -> str:
    if len(words) != 1:
        bad_arguments(refusal)
    return words[0]


def _range(words: list[str], *, prefix: bool, from_key: bool) -> tuple[bytes, bytes]:
    """Key and range end of a permission; with an empty key the whole space of keys."""
    key = go.bytes_of(words[0])
    if prefix and from_key and (not key or len(words) == 1):
        bad_arguments(_BOTH)
    if not key:
        return b"\x00", FROM_KEY if prefix or from_key else b""
    if len(words) == 1:
        return key, prefix_end(key) if prefix else FROM_KEY if from_key else b""
    for given, name in ((prefix, "--prefix"), (from_key, "--from-key")):
        if given:
            bad_arguments(f"unexpected endkey argument with {name} flag")
    return key, go.bytes_of(words[1])
