"""Reflection: what a client like grpcurl learns, and that it fits what is served."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from backstay.formats import protowire
from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.reflection import PATH_OF_OLD_CLIENTS, answer
from tests.serving import on_a_loop, serving

FILE, SYMBOL, SERVICES = 3, 4, 7


def _field(message: bytes, number: int) -> bytes:
    found = [content for each, _, content in protowire.read_fields(message) if each == number]
    assert len(found) == 1 and isinstance(found[0], bytes)
    return found[0]


def _file_of(symbol: str) -> FileDescriptorProto:
    response = answer(protowire.bytes_field(SYMBOL, symbol.encode()))
    return FileDescriptorProto.FromString(_field(_field(response, 4), 1))


def _pool(symbol: str) -> DescriptorPool:
    """All that is needed for a symbol, asked for file by file as clients do."""
    pool, known = DescriptorPool(), set()

    def add(file: FileDescriptorProto) -> None:
        for name in file.dependency:
            if name not in known:
                response = answer(protowire.bytes_field(FILE, name.encode()))
                add(FileDescriptorProto.FromString(_field(_field(response, 4), 1)))
        if file.name not in known:
            known.add(file.name)
            pool.Add(file)  # type: ignore[no-untyped-call]

    add(_file_of(symbol))
    return pool


@pytest.mark.parametrize("op", [op for op in PATHS if op is not Op.REFLECTION])
def test_every_method_is_described_as_it_is_served(op: Op) -> None:
    _, service, name = PATHS[op].split("/")
    method = _pool(service).FindMethodByName(f"{service}.{name}")  # type: ignore[no-untyped-call]
    assert method.input_type.full_name.partition(".")[0] != "backstay"
    assert (method.client_streaming, method.server_streaming) == (op in CLIENT_STREAMS, op in STREAMS)


def test_every_service_of_etcd_is_listed() -> None:
    listed = _field(answer(protowire.bytes_field(SERVICES, b"")), 6)
    names = [_field(content, 1) for _, _, content in protowire.read_fields(listed) if isinstance(content, bytes)]
    assert names == sorted({path.split("/")[1].encode() for op, path in PATHS.items() if op is not Op.REFLECTION})


def test_what_is_not_there_is_not_found() -> None:
    for number in (FILE, SYMBOL):
        error = _field(answer(protowire.bytes_field(number, b"no.such")), 7)
        assert error.startswith(protowire.int_field(1, 5))
    with pytest.raises(DecodeError):
        answer(b"\xff")


@pytest.mark.parametrize("path", [PATHS[Op.REFLECTION], PATH_OF_OLD_CLIENTS])
def test_it_is_served_to_new_and_old_clients(path: str) -> None:
    async def story() -> None:
        async with serving() as served, grpc.aio.insecure_channel(served.address) as channel:
            stream = channel.stream_stream(path)(timeout=10)
            request = protowire.bytes_field(SERVICES, b"")
            await stream.write(request)
            assert await stream.read() == answer(request)
            await stream.done_writing()
            assert await stream.read() is grpc.aio.EOF
            assert served.handler.calls == []

    on_a_loop(story)
