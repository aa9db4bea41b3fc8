"""What etcdctl prints for the answers about users, roles and authentication."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from backstay.cli.render.etcdctl.answer import Answer, header_lines, lines
from backstay.cli.render.etcdctl.go import quoted, text_of, truth
from backstay.etcd.operations import FROM_KEY, prefix_end
from backstay.etcd.pb import auth_pb2 as auth
from backstay.etcd.pb import rpc_pb2 as rpc

ROOT = "root"
OPEN_END = "<open ended>"

HeaderResponse = (
    rpc.AuthUserAddResponse
    | rpc.AuthUserDeleteResponse
    | rpc.AuthUserChangePasswordResponse
    | rpc.AuthUserGrantRoleResponse
    | rpc.AuthUserRevokeRoleResponse
    | rpc.AuthRoleAddResponse
    | rpc.AuthRoleDeleteResponse
    | rpc.AuthRoleGrantPermissionResponse
    | rpc.AuthRoleRevokePermissionResponse
)


def done_answer(sentence: str, response: HeaderResponse, *, is_hex: bool) -> Answer:
    """For every change: a sentence, and the header of the response."""
    return Answer(lambda: sentence, response, lambda: lines(*header_lines(response.header, is_hex=is_hex)))


def names_answer(
    names: Sequence[str], response: Message, header: rpc.ResponseHeader | None = None, *, is_hex: bool = False
) -> Answer:
    """For `user list`, and with a `header` for `role list`, which alone has the form `fields`."""
    if header is None:
        return Answer(lambda: lines(*names), response)
    return Answer(
        lambda: lines(*names),
        response,
        lambda: lines(*header_lines(header, is_hex=is_hex), " ".join(['"Roles" :', *(quoted(name) for name in names)])),
    )


def user_answer(name: str, response: rpc.AuthUserGetResponse) -> Answer:
    """For `user get`."""
    return Answer(lambda: lines(f"User: {name}", " ".join(["Roles:", *response.roles])), response)


def role_answer(name: str, response: rpc.AuthRoleGetResponse, *, is_hex: bool) -> Answer:
    """For `role get`, and for each role of `user get --detail`."""
    return Answer(
        lambda: lines(*_role_simple(name, response.perm)),
        response,
        lambda: lines(
            *header_lines(response.header, is_hex=is_hex),
            *(row for permission in response.perm for row in _permission_lines(permission)),
        ),
    )


def auth_status_answer(response: rpc.AuthStatusResponse) -> Answer:
    """For `auth status`."""
    return Answer(
        lambda: lines(
            f"Authentication Status: {truth(response.enabled)}",
            f"AuthRevision: {response.authRevision}",
        ),
        response,
    )


def revoked_sentence(role: str, key: str, range_end: bytes) -> str:
    """What `role revoke-permission` says."""
    if not range_end:
        return f"Permission of key {key} is revoked from role {role}"
    end = f"{OPEN_END}" if range_end == FROM_KEY else f"{text_of(range_end)})"
    return f"Permission of range [{key}, {end} is revoked from role {role}"


def _role_simple(name: str, permissions: Sequence[auth.Permission]) -> Iterator[str]:
    yield f"Role {name}"
    for title, kind in (("KV Read:", auth.Permission.READ), ("KV Write:", auth.Permission.WRITE)):
        yield title
        if name == ROOT and not permissions:  # the role may everything, whatever stands in it
            yield f"\t[, {OPEN_END}"
        for permission in permissions:
            if permission.permType in (kind, auth.Permission.READWRITE):
                yield f"\t{_range_text(permission)}"


def _range_text(permission: auth.Permission) -> str:
    key, range_end = permission.key, permission.range_end
    if not range_end:
        return text_of(key)
    end = OPEN_END if range_end == FROM_KEY else f"{text_of(range_end)})"
    prefix = f" (prefix {text_of(key)})" if key and prefix_end(key) == range_end else ""
    return f"[{text_of(key)}, {end}{prefix}"


def _permission_lines(permission: auth.Permission) -> Iterator[str]:
    yield f'"PermType" :  {auth.Permission.Type.Name(permission.permType)}'
    yield f'"Key" : {quoted(permission.key)}'
    yield f'"RangeEnd" : {quoted(permission.range_end)}'
