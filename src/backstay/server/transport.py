"""What lies between a store and the wire: lists of calls in, lists of replies out. Types only.

    transport --[call, call, ...]--> handler --> ([reply, reply, ...], [entry, ...]) --> journal --> transport sends

Order is the contract. Calls of one list are handled in list order, `replies[i]` answers `calls[i]`, and two lists are
never handled at once. Whatever a handler gives out while it handles a list (replies, messages on streams, ends of
streams) leaves only after every journal write that the list could have seen is on disk; with nothing in flight it leaves
at once. Linearizability needs no more than that.

Everything runs on one thread, the store's: the handler, the tick, and what was posted. The first transport is grpcio
(`grpcio/`), the fallback for ever; a native one will satisfy the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NewType, Protocol, TypeAlias

from backstay.errors import BackstayError
from backstay.formats.mvcc import KeyValue
from backstay.server.methods import Op

Conn = NewType("Conn", int)
"""A client's connection."""
StreamId = NewType("StreamId", int)
"""One call that carries messages: Watch, LeaseKeepAlive, Snapshot, RangeStream, Observe, a health watch, reflection."""
CallId = NewType("CallId", int)
"""A call with one answer, so that it can be given later."""
Token: TypeAlias = bytes | None
"""What the metadata `token` says, else `authorization`."""

RangeCall: TypeAlias = tuple[Literal[Op.RANGE], Conn, Token, bytes, bytes, int, int, int]
"""(op, conn, token, key, range_end, limit, revision, bits): a Range without revision bounds; `RANGE_BITS` has the bits."""
PutCall: TypeAlias = tuple[Literal[Op.PUT], Conn, Token, bytes, bytes, int, int]
"""(op, conn, token, key, value, lease, bits): `PUT_BITS` has the bits."""
RawCall: TypeAlias = tuple[Op, Conn, Token, bytes, CallId]
"""(op, conn, token, body, call): any other call with one answer, as protobuf. Its reply may be None and come later."""
StreamCall: TypeAlias = tuple[Op, Conn, Token, StreamId, Op, bytes]
"""(OPEN | MESSAGE | HALF_CLOSE | CANCEL, conn, token, stream, method, body). A call that the client streams nothing into
(Snapshot, RangeStream, Observe) is OPEN with the request as its body; the others are OPEN with an empty one, then MESSAGE.
CANCEL also tells of a client that left before its `RawCall` was answered, with the number of the call and its op (a Lock that
nobody waits for any more gives its key back): streams and calls are numbered together."""
Call: TypeAlias = RangeCall | PutCall | RawCall | StreamCall

# bits of a RangeCall: sort order and target are two and three bits wide (etcd's enumerations)
SERIALIZABLE, KEYS_ONLY, COUNT_ONLY, SORT_ORDER_SHIFT, SORT_TARGET_SHIFT = 1, 2, 4, 3, 5
# bits of a PutCall
PREV_KV, IGNORE_VALUE, IGNORE_LEASE = 1, 2, 4

Record: TypeAlias = KeyValue
"""(key, create revision, mod revision, version, value, lease): the store's own rows, in the order of protobuf's fields."""
Status: TypeAlias = tuple[int, str]
"""A gRPC status and its message, in etcd's exact words."""
Reply: TypeAlias = int | tuple[int, list[Record], bool, int] | bytes | Status | None
"""A Put's revision; a Range's (revision, rows, more, count); any other response as protobuf; a refusal; or None:
answered later with `answer`, or the call was an event of a stream."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection. Names come from the client's certificate, where one was verified."""

    address: str
    common_name: str | None = None
    alternative_names: tuple[str, ...] = ()


class Handler(Protocol):
    """The store's side. Never blocks, never raises for a bad request."""

    def __call__(self, calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
        """Handle a list of calls: a reply to each, and the entries to journal before anything of it leaves."""
        ...

    def tick(self) -> Sequence[bytes]:
        """What is due by the clock, with the entries to journal. Called every 100 ms or so."""
        ...

    def settled(self) -> None:
        """Called after every list, tick and posted call was handed to the journal: the place to collect watch events."""
        ...


class Journal(Protocol):
    """Where entries go (`DurableStore.submit`)."""

    def submit(self, entries: Sequence[bytes], done: Callable[[BackstayError | None], None]) -> None:
        """Write `entries` after all earlier ones; `done` is called on any thread, in order, once they are durable."""
        ...


class Transport(Protocol):
    """The wire's side, as a handler sees it; whoever wires it starts and stops it.

    All methods but `post` are called on the store's thread.
    """

    def send(self, stream: StreamId, body: bytes) -> int:
        """Put a message on a stream; how many bytes now wait on it (the caller's backpressure). Unknown streams: 0."""
        ...

    def waiting(self, stream: StreamId) -> int:
        """How many bytes wait on a stream now; 0 for unknown ones. Asked every tick for streams that were too slow."""
        ...

    def produce(self, stream: StreamId, bodies: Iterator[bytes]) -> None:
        """Send everything from `bodies` as the client takes it, off the store's thread, then finish with OK.

        An exception from it ends the stream: `Refused` with its status, any other with UNKNOWN. Closed when the client goes.
        """
        ...

    def finish(self, stream: StreamId, status: int = 0, message: str = "") -> None:
        """End a stream after what was sent on it."""
        ...

    def answer(self, call: CallId, reply: Reply) -> None:
        """Answer a call that was given None. A call whose client is gone is ignored."""
        ...

    def peer(self, conn: Conn) -> Peer:
        """Who is at the other end."""
        ...

    def post(self, wake: Callable[[], Sequence[bytes] | None]) -> None:
        """Run `wake` on the store's thread, between two lists: the only door for other threads.

        Entries that it returns are journalled, and what it gives out (`answer`, `send`) is held for them, as for a list.
        """
        ...
