"""The Snapshot stream as it comes off the wire: chunks of a bbolt file, then its SHA-256.

Reached as `client.maintenance.snapshot()`. Chunks are 32 KiB, so a store of some GiB has 10^5 of them; each is read by
hand from the raw message

    field 2 (varint)  remaining_bytes   bytes of the file after this chunk
    field 3 (bytes)   blob              the next bytes
    field 4 (string)  version           the storage version, from 3.6 on

and all other fields are skipped. The chunk with remaining_bytes 0 is NOT the end: one more chunk of 32 bytes follows, the
SHA-256 of all before it. Only the end of the stream is the end. Nothing is verified here but completeness.

Worked example: `10 05 1a 02 68 69 22 05 33 2e 36 2e 30` is remaining 5, blob `hi`, version `3.6.0`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

import grpc

from backstay import errors
from backstay.etcd import methods
from backstay.etcd.connection import Endpoint
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.transport import failures
from backstay.etcd.transport.calls import Caller, Stream

TRAILER_BYTES = 32


class SnapshotChunk(NamedTuple):
    """`version` is empty from releases before 3.6. The last chunk is the trailer."""

    remaining_bytes: int
    blob: bytes
    version: str


def parse_chunk(message: bytes) -> SnapshotChunk:
    """One SnapshotResponse. Raises `FormatError` with the offset for bytes that are not one."""
    remaining, blob, version = 0, b"", ""
    offset, end = 0, len(message)
    while offset < end:
        start = offset
        tag, offset = _varint(message, offset)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise errors.FormatError("a snapshot message has field number 0", offset=start)
        if wire_type == 0:
            value, offset = _varint(message, offset)
            if number == 2:
                remaining = value
        elif wire_type == 2:
            length, offset = _varint(message, offset)
            if length > end - offset:
                raise errors.FormatError("a field of a snapshot message goes beyond its end", offset=start)
            if number == 3:
                blob = message[offset : offset + length]
            elif number == 4:
                try:
                    version = message[offset : offset + length].decode()
                except UnicodeDecodeError as problem:
                    raise errors.FormatError("the storage version is not text", offset=start) from problem
            offset += length
        elif wire_type in (1, 5):
            offset += 8 if wire_type == 1 else 4
            if offset > end:
                raise errors.FormatError("a field of a snapshot message goes beyond its end", offset=start)
        else:
            raise errors.FormatError(f"a snapshot message has wire type {wire_type}", offset=start)
        if number in (2, 3, 4) and wire_type != (0 if number == 2 else 2):
            raise errors.FormatError(f"field {number} of a snapshot message has wire type {wire_type}", offset=start)
    return SnapshotChunk(remaining, blob, version)


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    start = offset
    while True:
        if offset >= len(message) or shift > 63:
            raise errors.FormatError("a number in a snapshot message does not end", offset=start)
        byte = message[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, offset
        shift += 7


class _Watchdog:
    """Cancels a stream that is silent for too long while somebody waits for it."""

    def __init__(self, idle_seconds: float, stream: Stream[bytes]) -> None:
        self.has_bitten = False
        self._idle_seconds = idle_seconds
        self._stream = stream
        self._waiting_since: float | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="backstay-snapshot-idle", daemon=True)
        self._thread.start()

    def waiting(self, is_waiting: bool) -> None:
        self._waiting_since = time.monotonic() if is_waiting else None

    def stop(self) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(min(1.0, self._idle_seconds / 4)):
            since = self._waiting_since
            if since is not None and time.monotonic() - since > self._idle_seconds:
                self.has_bitten = True
                self._stream.cancel()
                return


class SnapshotStream(Iterator[SnapshotChunk]):
    """A running snapshot of one member. Iterate to the end, or `cancel()`; leaving a `with` block cancels too.

    `endpoint` is the member it comes from. Iterating raises `DEADLINE_EXCEEDED` after a silence of the idle timeout,
    `STREAM_BROKEN` when the stream ends early, and what etcd's refusal means.
    """

    def __init__(self, caller: Caller, endpoint: Endpoint | None, idle_seconds: float) -> None:
        self._caller = caller
        self._wanted = endpoint
        self._idle_seconds = idle_seconds
        self._remaining: int | None = None
        self._may_renew_token = True
        self._is_cancelled = False
        self._start()

    def _start(self) -> None:
        self._stream = self._caller.stream(methods.SNAPSHOT, rpc.SnapshotRequest(), endpoint=self._wanted)
        self._watchdog = _Watchdog(self._idle_seconds, self._stream)

    @property
    def endpoint(self) -> Endpoint:
        """The member that sends."""
        return self._stream.link.endpoint

    def __next__(self) -> SnapshotChunk:
        self._watchdog.waiting(True)
        try:
            message = next(self._stream)
        except StopIteration:
            self._watchdog.stop()
            if self._remaining != 0:
                raise self._broken("it ended before all bytes were sent") from None
            raise
        except grpc.RpcError as problem:
            self._watchdog.stop()
            return self._after(problem)
        self._watchdog.waiting(False)
        chunk = parse_chunk(message)
        self._remaining = chunk.remaining_bytes
        self._stream.link.was_connected = True
        return chunk

    def _after(self, problem: grpc.RpcError) -> SnapshotChunk:
        if self._watchdog.has_bitten:
            raise errors.DEADLINE_EXCEEDED.error(
                "the snapshot stream stands still",
                where=str(self.endpoint),
                why=f"no bytes for {self._idle_seconds:g} s",
            ) from problem
        if self._is_cancelled:
            raise StopIteration from problem
        if self._remaining is None and self._may_renew_token:
            self._may_renew_token = False
            if self._caller.renew_token(problem, self._stream.link, self._stream.token):
                self._start()
                return next(self)
        if self._remaining is not None and failures.is_connection_failure(problem):
            self._caller.explain(problem, self._stream.link, methods.SNAPSHOT)
            raise self._broken(failures.text_of(problem)) from problem
        raise self._caller.explain(problem, self._stream.link, methods.SNAPSHOT) from problem

    def _broken(self, why: str) -> errors.BackstayError:
        return errors.STREAM_BROKEN.error("the snapshot stream broke off", where=str(self.endpoint), why=why)

    def cancel(self) -> None:
        """End the stream; the iteration stops. May be called from another thread, and twice."""
        self._is_cancelled = True
        self._watchdog.stop()
        self._stream.cancel()

    def __enter__(self) -> SnapshotStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()
