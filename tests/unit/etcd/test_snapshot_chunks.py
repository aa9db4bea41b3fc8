"""The messages of the Snapshot stream, read by hand: as protobuf reads them, and never beyond their end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.snapshot_stream import SnapshotChunk, parse_chunk


def test_the_worked_example() -> None:
    message = bytes.fromhex("10051a0268692205332e362e30")
    assert parse_chunk(message) == SnapshotChunk(5, b"hi", "3.6.0")
    assert parse_chunk(b"") == SnapshotChunk(0, b"", "")


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=300), st.text(max_size=20), st.booleans())
def test_reads_what_protobuf_writes(remaining: int, blob: bytes, version: str, has_header: bool) -> None:
    header = rpc.ResponseHeader(cluster_id=1, revision=7) if has_header else None
    message = rpc.SnapshotResponse(header=header, remaining_bytes=remaining, blob=blob, version=version)
    assert parse_chunk(message.SerializeToString()) == SnapshotChunk(remaining, blob, version)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_chunk_or_a_format_error(message: bytes) -> None:
    try:
        chunk = parse_chunk(message)
    except FormatError as problem:
        assert 0 <= problem.offset <= len(message)
    else:
        assert len(chunk.blob) <= len(message)


@pytest.mark.parametrize(
    "message",
    [b"\x10", b"\x10" + b"\xff" * 11, b"\x1a\x05hi", b"\x00\x00", b"\x12\x01a", b"\x18\x01", b"\x0b", b"\x22\x01\xff"],
    ids=bytes.hex,
)
def test_damage_is_named_with_its_offset(message: bytes) -> None:
    with pytest.raises(FormatError):
        parse_chunk(message)
