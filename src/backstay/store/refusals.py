"""Why a request is refused, in etcd's own words: clients match on the text first and on the code second.

Raised as `Refused` inside the store, handed out as `Applied.refused`. A refused request changes nothing. The codes are
gRPC's names; the texts are those of the newest releases.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """One reason. `code` is the name of a gRPC status code."""

    code: str
    text: str


class Refused(Exception):
    """A request that is refused; nothing was changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def _refusal(code: str, text: str) -> Refusal:
    return Refusal(code, f"etcdserver: {text}")


KEY_NOT_PROVIDED = _refusal("InvalidArgument", "key is not provided")
KEY_NOT_FOUND = _refusal("InvalidArgument", "key not found")
VALUE_PROVIDED = _refusal("InvalidArgument", "value is provided")
LEASE_PROVIDED = _refusal("InvalidArgument", "lease is provided")
TOO_MANY_OPERATIONS = _refusal("InvalidArgument", "too many operations in txn request")
DUPLICATE_KEY = _refusal("InvalidArgument", "duplicate key given in txn request")
REQUEST_TOO_LARGE = _refusal("InvalidArgument", "request is too large")
COMPACTED = _refusal("OutOfRange", "mvcc: required revision has been compacted")
FUTURE_REVISION = _refusal("OutOfRange", "mvcc: required revision is a future revision")
INVALID_SORT = _refusal("InvalidArgument", "invalid sort option")
TOO_MANY_REQUESTS = Refusal("Unknown", "etcdserver: too many requests")
"""Meant as ResourceExhausted; this is the code that etcd really sends, and its clients go by the text."""
NO_SPACE = _refusal("ResourceExhausted", "mvcc: database space exceeded")
CORRUPT = _refusal("DataLoss", "corrupt cluster")

LEASE_NOT_FOUND = _refusal("NotFound", "requested lease not found")
LEASE_EXISTS = _refusal("FailedPrecondition", "lease already exists")
LEASE_TTL_TOO_LARGE = _refusal("OutOfRange", "too large lease TTL")

MEMBER_EXISTS = _refusal("FailedPrecondition", "member ID already exist")
PEER_URL_EXISTS = _refusal("FailedPrecondition", "Peer URLs already exists")
MEMBER_NOT_FOUND = _refusal("NotFound", "member not found")
TOO_MANY_LEARNERS = _refusal("FailedPrecondition", "too many learner members in cluster")
LEARNER_NOT_READY = _refusal("FailedPrecondition", "can only promote a learner member which is in sync with leader")
MEMBER_NOT_LEARNER = _refusal("FailedPrecondition", "can only promote a learner member")

ROOT_USER_MISSING = _refusal("FailedPrecondition", "root user does not exist")
ROOT_ROLE_MISSING = _refusal("FailedPrecondition", "root user does not have root role")
USER_EXISTS = _refusal("FailedPrecondition", "user name already exists")
USER_EMPTY = _refusal("InvalidArgument", "user name is empty")
USER_NOT_FOUND = _refusal("FailedPrecondition", "user name not found")
ROLE_EXISTS = _refusal("FailedPrecondition", "role name already exists")
ROLE_NOT_FOUND = _refusal("FailedPrecondition", "role name not found")
ROLE_EMPTY = _refusal("InvalidArgument", "role name is empty")
PERMISSION_NOT_GIVEN = _refusal("InvalidArgument", "permission not given")
PERMISSION_DENIED = _refusal("PermissionDenied", "permission denied")
ROLE_NOT_GRANTED = _refusal("FailedPrecondition", "role is not granted to the user")
PERMISSION_NOT_GRANTED = _refusal("FailedPrecondition", "permission is not granted to the role")
INVALID_AUTH_MANAGEMENT = _refusal("InvalidArgument", "invalid auth management")
OLD_AUTH_REVISION = _refusal("InvalidArgument", "revision of auth store is old")

AUTH_NOT_ENABLED = _refusal("FailedPrecondition", "authentication is not enabled")
AUTH_FAILED = _refusal("InvalidArgument", "authentication failed, invalid user ID or password")
INVALID_TOKEN = _refusal("Unauthenticated", "invalid auth token")

NO_PASSWORD_USER = Refusal("Unknown", "auth: authentication failed, password was given for no password user")
READ_ONLY = Refusal(
    "FailedPrecondition", "backstay: this is a read-only view of a backup: restore it to write, then serve the result"
)
UNKNOWN_REQUEST = Refusal("Unimplemented", "backstay: the request is of a kind that this release does not know")
UNKNOWN_ACTION = Refusal("InvalidArgument", "backstay: the alarm action is unknown")
"""etcd crashes on such an action, and on every restart that replays it."""
