"""Auth: users, roles, permissions, logging in.

bcrypt is slow on purpose, so it is computed elsewhere and comes back: passwords are hashed before anything is journalled,
and never stand in an entry (what stands there instead: `password_handover`). Rights are checked before the work, and again
when it is applied.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from google.protobuf.message import Message

from backstay.errors import FormatError
from backstay.etcd.pb import auth_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.server import statuses
from backstay.server.handler.context import HandlerContext, status_of
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.methods import Op
from backstay.server.password_handover import stand_in
from backstay.server.transport import CallId, Conn, Reply, Status, Token
from backstay.store import refusals
from backstay.store.answers import AuthStatusAnswer, NamesAnswer, PermissionsAnswer
from backstay.store.apply.permissions import Identity, check_permission
from backstay.store.refusals import Refused

Asked = TypeVar("Asked", bound=Message)


class AuthService:
    """Access control."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self.answers: Mapping[Op, Answer] = {
            Op.AUTH_ENABLE: self._change(
                rpc.AuthEnableRequest, rpc.AuthEnableResponse, lambda _: requests.AuthEnable()
            ),
            Op.AUTH_DISABLE: self._change(
                rpc.AuthDisableRequest, rpc.AuthDisableResponse, lambda _: requests.AuthDisable()
            ),
            Op.AUTH_STATUS: self.status,
            Op.AUTHENTICATE: self.authenticate,
            Op.USER_ADD: self.add_user,
            Op.USER_GET: self.get_user,
            Op.USER_LIST: self.list_users,
            Op.USER_DELETE: self._change(
                rpc.AuthUserDeleteRequest, rpc.AuthUserDeleteResponse, lambda asked: requests.UserDelete(asked.name)
            ),
            Op.USER_CHANGE_PASSWORD: self.change_password,
            Op.USER_GRANT_ROLE: self._change(
                rpc.AuthUserGrantRoleRequest,
                rpc.AuthUserGrantRoleResponse,
                lambda asked: requests.UserGrantRole(asked.user, asked.role),
            ),
            Op.USER_REVOKE_ROLE: self._change(
                rpc.AuthUserRevokeRoleRequest,
                rpc.AuthUserRevokeRoleResponse,
                lambda asked: requests.UserRevokeRole(asked.name, asked.role),
            ),
            Op.ROLE_ADD: self._change(
                rpc.AuthRoleAddRequest, rpc.AuthRoleAddResponse, lambda asked: requests.RoleAdd(asked.name)
            ),
            Op.ROLE_GET: self.get_role,
            Op.ROLE_LIST: self.list_roles,
            Op.ROLE_DELETE: self._change(
                rpc.AuthRoleDeleteRequest, rpc.AuthRoleDeleteResponse, lambda asked: requests.RoleDelete(asked.role)
            ),
            Op.ROLE_GRANT_PERMISSION: self._change(
                rpc.AuthRoleGrantPermissionRequest, rpc.AuthRoleGrantPermissionResponse, _granted
            ),
            Op.ROLE_REVOKE_PERMISSION: self._change(
                rpc.AuthRoleRevokePermissionRequest,
                rpc.AuthRoleRevokePermissionResponse,
                lambda asked: requests.RoleRevokePermission(asked.role, asked.key, asked.range_end),
            ),
        }
        self.streams: Mapping[Op, StreamMethod] = {}

    def _change(
        self, request: type[Asked], response: Callable[..., Message], decode: Callable[[Asked], requests.Message]
    ) -> Answer:
        """A method that changes something and answers with a header only."""

        def answer(conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
            asked = decode(request.FromString(body))
            outcome = self._context.execute(asked, self._context.identify(conn, token))
            return response(header=self._context.header(outcome.revision)).SerializeToString()

        return answer

    def status(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """AuthStatus: open to everybody without a wrong token."""
        rpc.AuthStatusRequest.FromString(body)
        self._context.identify(conn, token)
        answer = self._context.execute(requests.AuthStatus()).answer
        assert isinstance(answer, AuthStatusAnswer)
        return rpc.AuthStatusResponse(
            header=self._context.header(), enabled=answer.enabled, authRevision=answer.auth_revision
        ).SerializeToString()

    def get_user(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """UserGet."""
        asked = rpc.AuthUserGetRequest.FromString(body)
        names = self._names(requests.UserGet(asked.name), self._context.identify(conn, token))
        return rpc.AuthUserGetResponse(header=self._context.header(), roles=names).SerializeToString()

    def list_users(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """UserList."""
        rpc.AuthUserListRequest.FromString(body)
        names = self._names(requests.UserList(), self._context.identify(conn, token))
        return rpc.AuthUserListResponse(header=self._context.header(), users=names).SerializeToString()

    def list_roles(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """RoleList."""
        rpc.AuthRoleListRequest.FromString(body)
        names = self._names(requests.RoleList(), self._context.identify(conn, token))
        return rpc.AuthRoleListResponse(header=self._context.header(), roles=names).SerializeToString()

    def get_role(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """RoleGet."""
        asked = rpc.AuthRoleGetRequest.FromString(body)
        answer = self._context.execute(requests.RoleGet(asked.role), self._context.identify(conn, token)).answer
        assert isinstance(answer, PermissionsAnswer)
        permissions = (
            auth_pb2.Permission(permType=each.kind, key=each.key, range_end=each.range_end)  # type: ignore[arg-type]
            for each in answer.permissions
        )
        return rpc.AuthRoleGetResponse(header=self._context.header(), perm=permissions).SerializeToString()

    def _names(self, body: requests.Message, identity: Identity) -> tuple[str, ...]:
        answer = self._context.execute(body, identity).answer
        assert isinstance(answer, NamesAnswer)
        return answer.names

    # --- passwords ---

    def add_user(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """UserAdd."""
        asked = rpc.AuthUserAddRequest.FromString(body)
        options = requests.UserOptions(asked.options.no_password) if asked.HasField("options") else None
        user, respond = requests.UserAdd(asked.name, options=options), rpc.AuthUserAddResponse
        if options is not None and options.no_password:
            outcome = self._context.execute(user, self._context.identify(conn, token))
            return respond(header=self._context.header(outcome.revision)).SerializeToString()
        if not asked.name:
            check_permission(self._context.engine.state, self._context.identify(conn, token), user)
            raise Refused(refusals.USER_EMPTY)
        return self._with_hash(conn, token, call, asked.password, user, respond)

    def change_password(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """UserChangePassword. A hash that the client sends counts for nothing, here and in UserAdd, as with etcd."""
        asked = rpc.AuthUserChangePasswordRequest.FromString(body)
        user = requests.UserChangePassword(asked.name)
        return self._with_hash(conn, token, call, asked.password, user, rpc.AuthUserChangePasswordResponse)

    def _with_hash(
        self,
        conn: Conn,
        token: Token,
        call: CallId,
        password: str,
        user: requests.UserAdd | requests.UserChangePassword,
        respond: Callable[..., Message],
    ) -> Reply:
        context, passwords = self._context, self._context.engine.passwords
        identity = context.identify(conn, token)
        check_permission(context.engine.state, identity, user)
        assert passwords is not None, "a server without password hashes"

        def work() -> None:
            try:
                hashed = base64.b64encode(passwords.hash(password)).decode()
            except ValueError as problem:
                failed = (statuses.UNKNOWN, str(problem))
                context.post(lambda: context.transport.answer(call, failed))
            else:
                hashed_user = replace(user, password=stand_in(hashed), hashed_password=hashed)
                context.post(lambda: self._apply(call, hashed_user, identity, respond))

        context.hosting.elsewhere(work)
        return None

    def _apply(self, call: CallId, body: requests.Message, identity: Identity, respond: Callable[..., Message]) -> None:
        context = self._context
        try:
            outcome = context.execute(body, identity)
            reply: Reply = respond(header=context.header(outcome.revision)).SerializeToString()
        except (Refused, FormatError) as problem:
            reply = status_of(problem)
        context.transport.answer(call, reply)

    def authenticate(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Authenticate: a token for a name and a password."""
        asked = rpc.AuthenticateRequest.FromString(body)
        context, passwords = self._context, self._context.engine.passwords
        hashed = context.engine.password_hash(asked.name)
        assert passwords is not None, "a server without password hashes"

        def work() -> None:
            fits = passwords.matches(asked.password, hashed)
            context.post(lambda: context.transport.answer(call, self._log_in(asked.name, hashed, fits=fits)))

        context.hosting.elsewhere(work)
        return None

    def _log_in(self, name: str, hashed: bytes, *, fits: bool) -> bytes | Status:
        context = self._context
        if not fits:
            return statuses.status_of(refusals.AUTH_FAILED)
        try:
            issued = context.engine.log_in(name, hashed)
        except Refused as refused:
            return status_of(refused)
        return rpc.AuthenticateResponse(header=context.header(), token=issued).SerializeToString()


def _granted(asked: rpc.AuthRoleGrantPermissionRequest) -> requests.RoleGrantPermission:
    given = asked.perm
    permission = (
        requests.GrantedPermission(given.permType, given.key, given.range_end) if asked.HasField("perm") else None
    )
    return requests.RoleGrantPermission(asked.name, permission)
