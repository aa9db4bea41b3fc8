"""What all services share: the engine, the transport, who asks, headers, and the entries of the list in hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backstay.errors import FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import protowire
from backstay.formats.membership import parse_object, read_text
from backstay.formats.requests import Message
from backstay.server import statuses
from backstay.server.handler.hosting import Hosting, ServedMember
from backstay.server.handler.service import Answer
from backstay.server.identity import Identity as Answerer
from backstay.server.transport import CallId, Conn, Reply, Status, Token, Transport
from backstay.store.apply.permissions import Identity
from backstay.store.engine import Engine, Outcome
from backstay.store.engine.engine import NOBODY
from backstay.store.refusals import Refused

VERSION: Final = "3.7.3"
"""The release of etcd that backstay is to its clients."""
MESSAGE_ALLOWANCE: Final = 512 << 10
"""Bytes that a message may be longer than the longest request."""

_BEARER = b"Bearer "


class HandlerContext:
    """One store at work behind one transport. `entries` are those of the list, tick or posted call in hand."""

    def __init__(self, engine: Engine, hosting: Hosting, member: ServedMember, term: int) -> None:
        self.engine = engine
        self.hosting = hosting
        self.member = member
        options = engine.options
        self.answerer = Answerer(options.cluster_id, options.member_id, term)
        self.entries: list[bytes] = []
        self._transport: Transport | None = None
        fixed = (protowire.int_field(1, options.cluster_id), protowire.int_field(2, options.member_id))
        self._header_start = b"".join(fixed) + b"\x18"
        self._header_end = protowire.int_field(4, term)

    @property
    def transport(self) -> Transport:
        """The wire's side, once it is attached."""
        assert self._transport is not None, "the handler has no transport yet"
        return self._transport

    def attach(self, transport: Transport) -> None:
        """Answer through `transport` what is not answered at once."""
        self._transport = transport

    def identify(self, conn: Conn, token: Token) -> Identity:
        """Who asks. Raises `Refused` for a token that is worth nothing."""
        if not self.engine.state.access.enabled:
            return NOBODY
        if token:
            return self.engine.identify(token.removeprefix(_BEARER).decode("latin-1"))
        return self.engine.identify(None, self.transport.peer(conn).common_name)

    def execute(self, body: Message, identity: Identity = NOBODY, encoded: bytes | None = None) -> Outcome:
        """Do what `body` asks and note its entry; `encoded` as for the engine. Raises `Refused`."""
        try:
            outcome = self.engine.execute(body, identity, encoded)
        except Refused:
            self.note_raised()
            raise
        if outcome.entry is not None:
            self.entries.append(outcome.entry)
        return outcome

    def note_raised(self) -> None:
        """After a refusal, or a keep-alive: what the engine noted beside it is an entry too, and its place is here."""
        self.entries += self.engine.take_raised()

    @property
    def downgrade_target(self) -> str:
        """`3.6.0` while a downgrade is under way, else empty. Nothing else comes of it: every release reads the directory."""
        try:
            found = parse_object(self.engine.state.cluster.downgrade or b"{}", "downgrade")
            return read_text(found.get("target-version"), "target-version") if found.get("enabled") is True else ""
        except FormatError:
            return ""  # what cannot be read asks for nothing

    def take_entries(self) -> list[bytes]:
        """The entries noted since the last call."""
        entries, self.entries = self.entries, []
        return entries

    def header(self, revision: int | None = None) -> rpc.ResponseHeader:
        """A header at `revision`, by default the newest."""
        cluster, member, term = self.answerer
        at = self.engine.state.revision if revision is None else revision
        return rpc.ResponseHeader(cluster_id=cluster, member_id=member, revision=at, raft_term=term)

    def header_bytes(self, revision: int) -> bytes:
        """The same, encoded: what a message holds in its field 1."""
        if not revision:  # zero is not on the wire
            return self._header_start[:-1] + self._header_end
        return b"".join((self._header_start, protowire.varint(revision), self._header_end))

    def post(self, wake: Callable[[], None]) -> None:
        """Run `wake` on the store's thread, and journal what it leads to."""

        def journalled() -> list[bytes]:
            wake()
            return self.take_entries()

        self.transport.post(journalled)


def status_of(problem: Refused | FormatError) -> Status:
    """What a client is told of a problem."""
    if isinstance(problem, Refused):
        return statuses.status_of(problem.refusal)
    return statuses.CODES["DataLoss"], f"backstay: the store is damaged: {problem}"


def unknown(answer: Answer) -> Answer:
    """`answer` with refusals of code Unknown: what etcd makes of them in services that are clients of its own."""

    def answered(conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        try:
            return answer(conn, token, body, call)
        except Refused as refused:
            return statuses.UNKNOWN, refused.refusal.text

    return answered
