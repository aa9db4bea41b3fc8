"""grpc.health.v1: the store as a whole (service name "") is serving for as long as it answers.

Check     request {1 service}      response {1 status}      any other name: NotFound
Watch     the same as a stream     the status once; it does not change      any other name: SERVICE_UNKNOWN
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.service import Answer, OneRequestStream, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, StreamId, Token
from backstay.store.refusals import Refusal, Refused

UNKNOWN_SERVICE = Refusal("NotFound", "unknown service")

_SERVING, _SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x03"


class HealthService(OneRequestStream):
    """Whether it serves."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self.answers: Mapping[Op, Answer] = {Op.HEALTH_CHECK: self.check}
        self.streams: Mapping[Op, StreamMethod] = {Op.HEALTH_WATCH: self}

    def check(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Check."""
        if _service(body):
            raise Refused(UNKNOWN_SERVICE)
        return _SERVING

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        self._context.transport.send(stream, _SERVICE_UNKNOWN if _service(body) else _SERVING)


def _service(body: bytes) -> bytes:
    """The name asked for. Raises `Refused`."""
    try:
        names = [content for number, _, content in protowire.read_fields(body) if number == 1]
    except FormatError as problem:
        raise Refused(Refusal("Internal", f"grpc: error unmarshalling request: {problem}")) from problem
    return names[-1] if names and isinstance(names[-1], bytes) else b""
