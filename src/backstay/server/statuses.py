"""gRPC status codes by number and by name, and the few texts that are a server's own rather than the store's."""

from __future__ import annotations

from typing import Final

from backstay.server.transport import Status
from backstay.store.refusals import Refusal

NAMES: Final = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
"""The codes' names as the store's refusals write them; the place is the number."""

CODES: Final = {name: number for number, name in enumerate(NAMES)}

OK: Final = 0
CANCELLED: Final = 1
UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14

TOO_MANY_REQUESTS: Final[Status] = (UNKNOWN, "etcdserver: too many requests")
"""Meant as ResourceExhausted, but this is the code that etcd really sends; its clients go by the text."""
UNDECODABLE: Final[Status] = (
    INTERNAL,
    "grpc: error unmarshalling request: proto:\u00a0cannot parse invalid wire-format data",
)
"""In the words of etcd's protobuf library, which puts a space there that does not break."""
SERVER_STOPPED: Final[Status] = (UNAVAILABLE, "etcdserver: server stopped")


def status_of(refusal: Refusal) -> Status:
    """A refusal of the store as a status."""
    return CODES[refusal.code], refusal.text
